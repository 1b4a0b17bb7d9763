//! What each role and each permission allows.

use serde_json::Value;

use super::estate::{Estate, is_true, mentions};
use crate::template::stack::text;

/// Actions that IAM cannot restrict to a resource.
const WITHOUT_RESOURCES: [&str; 5] = [
    "xray:",
    "cloudwatch:GetMetricData",
    "lambda:ListEventSourceMappings",
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:DescribeScheduledActions",
];

pub(super) fn roles(estate: &Estate, findings: &mut Vec<String>) {
    let functions = estate.properties("AWS::Lambda::Function");
    for (name, function) in &functions {
        let role = &function["Role"]["Fn::GetAtt"][0];
        if functions
            .iter()
            .any(|(other, function)| other != name && function["Role"]["Fn::GetAtt"][0] == *role)
        {
            findings.push(format!("{name} shares its role"));
        }
    }
    for (name, role) in estate.properties("AWS::IAM::Role") {
        let attached = estate.properties("AWS::IAM::Policy");
        let attached = attached.iter().map(|(_, policy)| *policy);
        let attached = attached.filter(|policy| policy["Roles"][0]["Ref"] == name);
        let policies = role["Policies"].as_array().into_iter().flatten().chain(attached);
        let statements: Vec<_> = policies
            .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().into_iter().flatten())
            .collect();
        let may = |action: &str| statements.iter().any(|statement| mentions(&statement["Action"], action));
        if may("application-autoscaling:RegisterScalableTarget") {
            // Application Auto Scaling refuses a caller that lacks the rights to scale the target
            // itself.
            for (target, action) in [
                ("AWS::Lambda::Function", "lambda:PutProvisionedConcurrencyConfig"),
                ("AWS::RDS::DBCluster", "rds:CreateDBInstance"),
            ] {
                if !estate.of(target).is_empty() && !may(action) {
                    findings.push(format!("{name} cannot register targets: it lacks {action}"));
                }
            }
        }
        for statement in statements {
            if mentions(&statement["Action"], "*") {
                findings.push(format!("{name} allows all actions of a kind: {}", statement["Action"]));
            }
            let without_resources = |action: &Value| WITHOUT_RESOURCES.iter().any(|known| text(action).starts_with(known));
            let excused = statement["Action"]
                .as_array()
                .is_some_and(|actions| actions.iter().all(without_resources));
            let on_behalf = is_true(&statement["Condition"]["Bool"]["aws:ViaAWSService"]);
            if statement["Resource"] == "*" && !excused && !on_behalf {
                findings.push(format!("{name} may do {} to everything", statement["Action"]));
            }
        }
        for managed in role["ManagedPolicyArns"].as_array().into_iter().flatten() {
            if !mentions(managed, "service-role/") {
                findings.push(format!("{name} has a managed policy that is not a service role's: {managed}"));
            }
        }
    }
    for (name, permission) in estate.properties("AWS::Lambda::Permission") {
        if permission["SourceArn"].is_null() {
            findings.push(format!("{name} lets any caller of a service invoke the function"));
        }
    }
}
