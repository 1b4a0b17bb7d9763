//! The stack that may already be there, the concurrency of the account, and roles that AWS makes.

use std::iter;

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    ask::{Answer, Call, answers},
    check::{Check, Finding},
};
use crate::template::{
    STACK,
    rules::{Estate, number},
    stack::text,
};

/// Lambda keeps this much concurrency for functions that reserve none.
const UNRESERVED: f64 = 100.0;

/// The IAM actions that [`present`] needs, and [`concurrency`] for the functions of a stack that is
/// there already.
pub(super) const PERMISSIONS: [&str; 3] = [
    "cloudformation:DescribeStacks",
    "cloudformation:ListStackResources",
    "lambda:GetFunctionConcurrency",
];

/// What an earlier deployment of the stack has made.
#[derive(Debug, Default)]
pub(super) struct Present {
    /// Whether there is a stack that would be updated.
    pub(super) is_update: bool,
    /// The type and the physical id of every resource. `None` if they cannot be listed.
    pub(super) resources: Option<Vec<(String, String)>>,
}

impl Present {
    /// How many resources of a type the stack already has.
    pub(super) fn count(&self, kind: &str) -> f64 {
        self.of(kind).fold(0.0, |count, _| count + 1.0)
    }

    /// The physical ids of the resources of a type.
    fn of(&self, kind: &str) -> impl Iterator<Item = &str> {
        let of_kind = self.resources.iter().flatten().filter(move |(own, _)| own == kind);
        of_kind.map(|(_, id)| id.as_str())
    }

    /// Whether the resource of this type and name is the stack's own. The physical id of some types
    /// is a URL or an ARN that ends with the name.
    pub(super) fn owns(&self, kind: &str, name: &str) -> bool {
        self.of(kind).any(|id| {
            id.strip_suffix(name)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with(['/', ':']))
        })
    }
}

/// Looks for the stack and for the bucket stack of SAM, and lists what the stack has already made.
pub(super) fn present(region: &str, show: &mut impl FnMut(&Finding)) -> Result<Present> {
    let status = |name: &str| {
        let parameters = json!({"StackName": name});
        Call::new("cloudformation", "describe_stacks", parameters, "Stacks[0].StackStatus").in_region(region)
    };
    let names = [STACK, "aws-sam-cli-managed-default"];
    let found = answers(&names.map(status))?;
    for (name, answer) in names.iter().zip(&found) {
        show(&state(name, answer));
    }
    let is_update = matches!(&found[..], [Answer::Is(status), ..] if status != "REVIEW_IN_PROGRESS");
    if !is_update {
        let resources = matches!(&found[..], [Answer::Absent | Answer::Is(_), ..]).then(Vec::new);
        return Ok(Present { is_update, resources });
    }
    let resources = resources(region)?;
    if let Err(why) = &resources {
        show(&Finding::unknown(format!(
            "The resources of the stack {STACK} could not be listed: {why}. Names that it has itself are therefore not told apart from names that are taken."
        )));
    }
    Ok(Present {
        is_update,
        resources: resources.ok(),
    })
}

/// The type and the physical id of every resource of the stack and of the stacks that it nests.
fn resources(region: &str) -> Result<Result<Vec<(String, String)>, String>> {
    let list = |name: &str| {
        let query = "StackResourceSummaries[?PhysicalResourceId].[ResourceType, PhysicalResourceId]";
        Call::new("cloudformation", "list_stack_resources", json!({"StackName": name}), query).in_region(region)
    };
    let mut resources: Vec<(String, String)> = Vec::new();
    let mut stacks = vec![STACK.to_owned()];
    while !stacks.is_empty() {
        let calls: Vec<Call> = stacks.iter().map(|name| list(name)).collect();
        stacks.clear();
        for answer in answers(&calls)? {
            if let Answer::Unknown(why) = answer {
                return Ok(Err(why));
            }
            for resource in answer.value().as_array().into_iter().flatten() {
                let (kind, id) = (text(&resource[0]), text(&resource[1]));
                if kind == "AWS::CloudFormation::Stack" {
                    stacks.push(id.clone());
                }
                resources.push((kind, id));
            }
        }
    }
    Ok(Ok(resources))
}

/// Whether CloudFormation can create or update a stack in its present state.
fn state(name: &str, answer: &Answer) -> Finding {
    let status = match answer {
        Answer::Absent => return Finding::fine(format!("There is no stack {name} yet, so that it would be created.")),
        Answer::Unknown(why) => return Finding::unknown(format!("The state of the stack {name} could not be checked: {why}.")),
        Answer::Is(status) => text(status),
    };
    match status.as_str() {
        "CREATE_COMPLETE"
        | "UPDATE_COMPLETE"
        | "UPDATE_ROLLBACK_COMPLETE"
        | "IMPORT_COMPLETE"
        | "IMPORT_ROLLBACK_COMPLETE"
        | "REVIEW_IN_PROGRESS" => Finding::fine(format!("The stack {name} is in the state {status}, and can be deployed.")),
        "UPDATE_ROLLBACK_FAILED" => Finding::fails(format!(
            "The stack {name} is in the state {status}, which refuses updates. Finish the rollback with `aws cloudformation continue-update-rollback --stack-name {name}`."
        )),
        // Such a stack was deployed without a rollback. It has data, and can be updated
        // (docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-failure-options.html).
        "UPDATE_FAILED" => Finding::warning(format!(
            "The stack {name} is in the state {status}: an update failed and was not rolled back. Go back to the last good state with `aws cloudformation rollback-stack --stack-name {name}`, or mend the cause and deploy again."
        )),
        busy if busy.ends_with("_IN_PROGRESS") => Finding::fails(format!(
            "The stack {name} is in the state {status}, which refuses updates until it is over. Wait until `aws cloudformation describe-stacks --stack-name {name}` shows another state."
        )),
        "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "DELETE_FAILED" => Finding::fails(format!(
            "The stack {name} is in the state {status}, which refuses updates. Delete it with `aws cloudformation delete-stack --stack-name {name}`, and then deploy again."
        )),
        _ => Finding::unknown(format!(
            "The stack {name} is in the state {status}, and it is not known whether that refuses updates. Look at `aws cloudformation describe-stack-events --stack-name {name}`."
        )),
    }
}

/// The concurrency that the templates reserve, against the limit of the account.
pub(super) fn concurrency<'a>(estate: &Estate, present: &'a Present) -> Check<'a> {
    let functions = estate.properties("AWS::Lambda::Function");
    let reserved = functions
        .iter()
        .filter_map(|(_, function)| number(&function["ReservedConcurrentExecutions"]));
    let wanted: f64 = reserved.sum();
    let environment = estate.environment.clone();
    let limits = "AccountLimit.[ConcurrentExecutions, UnreservedConcurrentExecutions]";
    let own = present.of("AWS::Lambda::Function").map(|name| {
        let parameters = json!({"FunctionName": name});
        Call::new("lambda", "get_function_concurrency", parameters, "ReservedConcurrentExecutions")
    });
    let calls = iter::once(Call::new("lambda", "get_account_settings", json!({}), limits)).chain(own);
    Check::new("The concurrency limit of Lambda", calls.collect(), move |answers| {
        let limits = answers[0].value();
        let (Some(limit), Some(unreserved)) = (limits[0].as_f64(), limits[1].as_f64()) else {
            return Finding::unknown("The concurrency limit of Lambda could not be checked: the answer of AWS has no limit.");
        };
        let own: f64 = answers[1..].iter().filter_map(|answer| answer.value().as_f64()).sum();
        judge_concurrency(&environment, wanted, limit, limit - unreserved - own)
    })
}

/// `others` is what functions outside of this stack have reserved.
fn judge_concurrency(environment: &str, wanted: f64, limit: f64, others: f64) -> Finding {
    let least = others + wanted + UNRESERVED;
    if wanted > 0.0 && limit < least {
        let others = if others > 0.0 {
            format!("other functions reserve {others}, ")
        } else {
            String::new()
        };
        return Finding::fails(format!(
            "Lambda may run {limit} functions at once in this account. {environment} reserves {wanted}, {others}and AWS keeps {UNRESERVED} unreserved, so that the limit must be at least {least}. Ask for it with `aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value {}`, or deploy with ReserveConcurrency=false.",
            least.max(1000.0)
        ));
    }
    if limit < UNRESERVED {
        return Finding::warning(format!(
            "Lambda may run {limit} functions at once in this account, as in every new account. {environment} can be deployed, but the API and the workers share so little. Ask for more with `aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value 1000`."
        ));
    }
    Finding::fine(format!(
        "Lambda may run {limit} functions at once in this account, and {environment} reserves {wanted} of them."
    ))
}

/// The roles that AWS makes for its own services at their first use.
pub(super) fn roles(estate: &Estate) -> Vec<Check<'static>> {
    let kinds: Vec<&str> = estate.all().filter_map(|(_, resource)| resource["Type"].as_str()).collect();
    let targets = estate.properties("AWS::ApplicationAutoScaling::ScalableTarget");
    let uses = |service: &str| kinds.iter().any(|kind| kind.starts_with(&format!("AWS::{service}::")));
    let scales = |namespace: &str| targets.iter().any(|(_, target)| target["ServiceNamespace"] == namespace);
    let roles = [
        (uses("RDS"), "AWSServiceRoleForRDS", "rds"),
        (uses("ElastiCache"), "AWSServiceRoleForElastiCache", "elasticache"),
        (
            uses("ApplicationSignals"),
            "AWSServiceRoleForCloudWatchApplicationSignals",
            "application-signals.cloudwatch",
        ),
        (
            scales("lambda"),
            "AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency",
            "lambda.application-autoscaling",
        ),
        (
            scales("rds"),
            "AWSServiceRoleForApplicationAutoScaling_RDSCluster",
            "rds.application-autoscaling",
        ),
    ];
    let needed = roles.into_iter().filter(|(is_needed, ..)| *is_needed);
    needed
        .map(|(_, role, service)| {
            let call = Call::new("iam", "get_role", json!({"RoleName": role}), "Role.RoleName");
            Check::new(format!("The role {role}"), vec![call], move |answers| match &answers[0] {
                Answer::Is(Value::String(_)) => Finding::fine(format!("The role {role} is there.")),
                _ => Finding::warning(format!(
                    "The role {role} is not there yet. AWS usually makes it during the first deployment, if you have the permission iam:CreateServiceLinkedRole. To make it now: `aws iam create-service-linked-role --aws-service-name {service}.amazonaws.com`."
                )),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Outcome;

    #[test]
    fn concurrency_must_leave_a_hundred_unreserved() {
        for (wanted, limit, others, outcome) in [
            (124.0, 10.0, 0.0, Outcome::Fails),
            (124.0, 223.0, 0.0, Outcome::Fails),
            (124.0, 224.0, 0.0, Outcome::Fine),
            (124.0, 1000.0, 776.0, Outcome::Fine),
            (124.0, 1000.0, 777.0, Outcome::Fails),
            (1204.0, 1303.0, 0.0, Outcome::Fails),
            (1204.0, 1304.0, 0.0, Outcome::Fine),
            (0.0, 10.0, 0.0, Outcome::Warning),
            (0.0, 1000.0, 0.0, Outcome::Fine),
        ] {
            let finding = judge_concurrency("growth", wanted, limit, others);
            assert_eq!(finding.outcome, outcome, "{wanted} of {limit}: {finding:?}");
        }
        let text = judge_concurrency("growth", 124.0, 10.0, 0.0).text;
        assert!(text.contains("at least 224") && text.contains("--desired-value 1000"), "{text}");
        let text = judge_concurrency("scale", 1204.0, 1304.0, 50.0).text;
        assert!(
            text.contains("other functions reserve 50") && text.contains("--desired-value 1354"),
            "{text}"
        );
    }

    #[test]
    fn some_states_of_a_stack_refuse_a_deployment() {
        let of = |status: &str| state(STACK, &Answer::Is(status.into()));
        for status in ["CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"] {
            assert_eq!(of(status).outcome, Outcome::Fine, "{status}");
        }
        for (status, fix) in [
            ("ROLLBACK_COMPLETE", "delete-stack"),
            ("ROLLBACK_FAILED", "delete-stack"),
            ("DELETE_FAILED", "delete-stack"),
            ("CREATE_FAILED", "delete-stack"),
            ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
            ("UPDATE_IN_PROGRESS", "Wait"),
            ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "Wait"),
        ] {
            let finding = of(status);
            assert_eq!(finding.outcome, Outcome::Fails, "{status}");
            assert!(finding.text.contains(fix), "{finding:?}");
        }
        let failed = of("UPDATE_FAILED");
        assert_eq!(failed.outcome, Outcome::Warning);
        assert!(
            failed.text.contains("rollback-stack") && failed.text.contains("deploy again"),
            "{failed:?}"
        );
        for status in ["UPDATE_FAILED", "UPDATE_ROLLBACK_FAILED", "IMPORT_ROLLBACK_FAILED", "SOMETHING_NEW"] {
            assert!(
                !of(status).text.contains("delete"),
                "{status}: a stack that has data is not deleted"
            );
        }
        assert_eq!(of("IMPORT_ROLLBACK_FAILED").outcome, Outcome::Unknown);
        assert_eq!(state(STACK, &Answer::Absent).outcome, Outcome::Fine);
        assert_eq!(state(STACK, &Answer::Unknown("why".to_owned())).outcome, Outcome::Unknown);
    }

    #[test]
    fn a_stack_knows_its_own_names() {
        let queue = "https://sqs.us-east-1.amazonaws.com/123456789012/summarease-express";
        let present = Present {
            is_update: true,
            resources: Some(vec![
                ("AWS::SQS::Queue".to_owned(), queue.to_owned()),
                ("AWS::RDS::DBProxy".to_owned(), "summarease".to_owned()),
            ]),
        };
        assert!(present.owns("AWS::SQS::Queue", "summarease-express"));
        assert!(!present.owns("AWS::SQS::Queue", "express"));
        assert!(present.owns("AWS::RDS::DBProxy", "summarease"));
        assert!(!present.owns("AWS::CloudWatch::Dashboard", "summarease"));
    }
}
