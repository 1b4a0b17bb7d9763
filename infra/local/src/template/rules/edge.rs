//! What stands between clients and the API: the domain name, its health check, and the firewall.

use serde_json::Value;

use super::estate::{Estate, mentions, number, waits_for};
use crate::template::stack::text;

/// The managed groups that may refuse requests, and their rules that read the body of a request,
/// which must only count
/// (docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html).
const GROUPS: [(&str, &[&str]); 3] = [
    ("AWSManagedRulesAmazonIpReputationList", &[]),
    ("AWSManagedRulesAnonymousIpList", &[]),
    (
        "AWSManagedRulesKnownBadInputsRuleSet",
        &["JavaDeserializationRCE_BODY", "Log4JRCE_BODY", "ReactJSRCE_BODY"],
    ),
];

/// A text may quote an exploit, so no rule of the firewall refuses a request for its body.
pub(super) fn edge(estate: &Estate, findings: &mut Vec<String>) {
    for (name, firewall) in ["AWS::WAFv2::WebACL", "AWS::WAFv2::RuleGroup"]
        .iter()
        .flat_map(|kind| estate.properties(kind))
    {
        for rule in firewall["Rules"].as_array().into_iter().flatten() {
            let called = text(&rule["Name"]);
            let counts = [&rule["Action"], &rule["OverrideAction"]]
                .iter()
                .any(|action| !action["Count"].is_null());
            let allows = !rule["Action"]["Allow"].is_null();
            if counts || allows {
                continue;
            }
            let statement = &rule["Statement"];
            if !statement["ManagedRuleGroupStatement"].is_null() {
                managed(name, &statement["ManagedRuleGroupStatement"], findings);
            } else if !statement["RuleGroupReferenceStatement"].is_null() {
                findings.push(format!("{name}: nobody knows whether the group of the rule {called} reads bodies"));
            } else if reads_body(statement) {
                findings.push(format!("{name}: the rule {called} refuses a request for its body"));
            }
        }
    }
}

/// A group that is not known may read bodies in any of its rules, also in those that it gets later.
fn managed(name: &str, group: &Value, findings: &mut Vec<String>) {
    let called = text(&group["Name"]);
    let known = GROUPS.iter().find(|(known, _)| called == *known && group["VendorName"] == "AWS");
    let Some((_, body_rules)) = known else {
        findings.push(format!(
            "{name}: {called} is no group whose rules for bodies are known to count only"
        ));
        return;
    };
    for body_rule in *body_rules {
        let mut overrides = group["RuleActionOverrides"].as_array().into_iter().flatten();
        if !overrides.any(|one| one["Name"] == *body_rule && !one["ActionToUse"]["Count"].is_null()) {
            findings.push(format!("{name} refuses texts that {body_rule} takes for an attack"));
        }
    }
}

/// Whether a statement reads the body, or a label that a rule may have given for the body. Labels of
/// the lists of addresses say nothing about it.
fn reads_body(statement: &Value) -> bool {
    match statement {
        Value::Object(fields) => fields.iter().any(|(field, value)| match field.as_str() {
            "FieldToMatch" => !value["Body"].is_null() || !value["JsonBody"].is_null(),
            "LabelMatchStatement" => !mentions(&value["Key"], "ip-list"),
            _ => reads_body(value),
        }),
        Value::Array(items) => items.iter().any(reads_body),
        _ => false,
    }
}

/// Everyone may ask for the health of a region. A throttle that one client can use up takes the
/// region out of the DNS, so it must let through this many requests a second.
const HEALTH_CHECKS: f64 = 5_000.0;

/// The health check asks only what intake needs, and a region whose clients are throttled does not
/// count as ill.
pub(super) fn routing(estate: &Estate, findings: &mut Vec<String>) {
    for (name, check) in estate.properties("AWS::Route53::HealthCheck") {
        let path = text(&check["HealthCheckConfig"]["ResourcePath"]);
        if path != "/v1/health/routing" {
            findings.push(format!("{name} asks for more than accepting a job needs"));
        }
        let route = format!("GET {path}");
        let routes = estate.properties("AWS::ApiGatewayV2::Route");
        let Some((own, _)) = routes.iter().find(|(_, properties)| properties["RouteKey"] == *route) else {
            findings.push(format!("{name} asks for a path that has no route of its own"));
            continue;
        };
        for (stage, resource) in estate.of("AWS::ApiGatewayV2::Stage") {
            let settings = &resource["Properties"]["RouteSettings"][&route];
            let limits = ["ThrottlingRateLimit", "ThrottlingBurstLimit"].map(|limit| number(&settings[limit]));
            if limits.contains(&None) {
                findings.push(format!("{stage} throttles the health check together with clients"));
            } else if limits.iter().flatten().any(|limit| *limit < HEALTH_CHECKS) {
                findings.push(format!("{stage} lets anyone use up the throttle of the health check"));
            }
            if !waits_for(resource, own) {
                findings.push(format!("{stage} has settings of {own}, which may not be made yet"));
            }
        }
    }
    for (name, domain) in estate.properties("AWS::ApiGatewayV2::DomainName") {
        let both = domain["DomainNameConfigurations"][0]["IpAddressType"] == "dualstack";
        let records = estate.properties("AWS::Route53::RecordSet");
        if !both && records.iter().any(|(_, record)| record["Type"] == "AAAA") {
            findings.push(format!("{name} does not answer at the IPv6 address that the record names"));
        }
    }
}
