//! What stands between clients and the API: the domain name, its health check, and the firewall.

use super::estate::{Estate, mentions, number, waits_for};
use crate::template::stack::text;

/// The rules of the managed group that read the body of a request
/// (docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html).
const BODY_RULES: [&str; 3] = ["JavaDeserializationRCE_BODY", "Log4JRCE_BODY", "ReactJSRCE_BODY"];

/// A text may quote an exploit, so no rule of the firewall refuses a request for its body.
pub(super) fn edge(estate: &Estate, findings: &mut Vec<String>) {
    for (name, firewall) in estate.properties("AWS::WAFv2::WebACL") {
        for rule in firewall["Rules"].as_array().into_iter().flatten() {
            let group = &rule["Statement"]["ManagedRuleGroupStatement"];
            if mentions(&group["Name"], "CommonRuleSet") {
                findings.push(format!("{name} refuses bodies as long as documents are"));
            }
            if !mentions(&group["Name"], "KnownBadInputs") {
                continue;
            }
            for body_rule in BODY_RULES {
                let overrides = group["RuleActionOverrides"].as_array().into_iter().flatten();
                let counts = |one: &serde_json::Value| one["Name"] == body_rule && !one["ActionToUse"]["Count"].is_null();
                if !overrides.into_iter().any(counts) {
                    findings.push(format!("{name} refuses texts that {body_rule} takes for an attack"));
                }
            }
        }
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
