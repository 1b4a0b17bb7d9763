//! The names that the templates fix, and what an earlier stack has left behind.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    account::Present,
    ask::{Answer, Call},
    check::{Check, Finding},
};
use crate::template::{STACK, rules::Estate, stack::text};

/// A type of resource whose name is unique in an account and a region.
struct Named {
    kind: &'static str,
    /// The property with the name.
    property: &'static str,
    service: &'static str,
    operation: &'static str,
    /// The parameters of the call that looks for `NAME`.
    parameters: fn(&str) -> Value,
    /// What gives the names that were found.
    query: &'static str,
    /// The AWS CLI command that deletes it.
    delete: &'static str,
}

#[rustfmt::skip]
const NAMED: [Named; 13] = [
    Named { kind: "AWS::SQS::Queue", property: "QueueName", service: "sqs", operation: "get_queue_url", parameters: |name| json!({"QueueName": name}), query: "[QueueUrl]", delete: "sqs delete-queue --queue-url $(aws sqs get-queue-url --output text --queue-name NAME)" },
    Named { kind: "AWS::Logs::LogGroup", property: "LogGroupName", service: "logs", operation: "describe_log_groups", parameters: |name| json!({"logGroupNamePrefix": name}), query: "logGroups[].logGroupName", delete: "logs delete-log-group --log-group-name NAME" },
    Named { kind: "AWS::RDS::DBProxy", property: "DBProxyName", service: "rds", operation: "describe_db_proxies", parameters: |name| json!({"DBProxyName": name}), query: "DBProxies[].DBProxyName", delete: "rds delete-db-proxy --db-proxy-name NAME" },
    Named { kind: "AWS::RDS::DBProxyEndpoint", property: "DBProxyEndpointName", service: "rds", operation: "describe_db_proxy_endpoints", parameters: |name| json!({"DBProxyEndpointName": name}), query: "DBProxyEndpoints[].DBProxyEndpointName", delete: "rds delete-db-proxy-endpoint --db-proxy-endpoint-name NAME" },
    Named { kind: "AWS::ElastiCache::User", property: "UserId", service: "elasticache", operation: "describe_users", parameters: |name| json!({"UserId": name}), query: "Users[].UserId", delete: "elasticache delete-user --user-id NAME" },
    Named { kind: "AWS::ElastiCache::UserGroup", property: "UserGroupId", service: "elasticache", operation: "describe_user_groups", parameters: |name| json!({"UserGroupId": name}), query: "UserGroups[].UserGroupId", delete: "elasticache delete-user-group --user-group-id NAME" },
    Named { kind: "AWS::ElastiCache::ServerlessCache", property: "ServerlessCacheName", service: "elasticache", operation: "describe_serverless_caches", parameters: |name| json!({"ServerlessCacheName": name}), query: "ServerlessCaches[].ServerlessCacheName", delete: "elasticache delete-serverless-cache --serverless-cache-name NAME" },
    Named { kind: "AWS::ElastiCache::ReplicationGroup", property: "ReplicationGroupId", service: "elasticache", operation: "describe_replication_groups", parameters: |name| json!({"ReplicationGroupId": name}), query: "ReplicationGroups[].ReplicationGroupId", delete: "elasticache delete-replication-group --replication-group-id NAME" },
    // AWS Backup refuses to describe a vault that does not exist, so that all are listed.
    Named { kind: "AWS::Backup::BackupVault", property: "BackupVaultName", service: "backup", operation: "list_backup_vaults", parameters: |_| json!({}), query: "BackupVaultList[].BackupVaultName", delete: "backup delete-backup-vault --backup-vault-name NAME" },
    Named { kind: "AWS::CloudWatch::Alarm", property: "AlarmName", service: "cloudwatch", operation: "describe_alarms", parameters: |name| json!({"AlarmNames": [name], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}), query: "[MetricAlarms, CompositeAlarms][][].AlarmName", delete: "cloudwatch delete-alarms --alarm-names NAME" },
    Named { kind: "AWS::CloudWatch::Dashboard", property: "DashboardName", service: "cloudwatch", operation: "list_dashboards", parameters: |name| json!({"DashboardNamePrefix": name}), query: "DashboardEntries[].DashboardName", delete: "cloudwatch delete-dashboards --dashboard-names NAME" },
    Named { kind: "AWS::ApplicationSignals::ServiceLevelObjective", property: "Name", service: "application-signals", operation: "get_service_level_objective", parameters: |name| json!({"Id": name}), query: "[Slo.Name]", delete: "application-signals delete-service-level-objective --id NAME" },
    Named { kind: "AWS::ApiGatewayV2::DomainName", property: "DomainName", service: "apigatewayv2", operation: "get_domain_name", parameters: |name| json!({"DomainName": name}), query: "[DomainName]", delete: "apigatewayv2 delete-domain-name --domain-name NAME" },
];

/// Every fixed name must be free, or belong to the stack that is updated.
pub(super) fn names<'a>(estate: &'a Estate, present: &'a Present) -> Vec<Check<'a>> {
    let mut checks = Vec::new();
    for named in &NAMED {
        for (_, properties) in estate.properties(named.kind) {
            let Some(name) = properties[named.property].as_str() else {
                continue;
            };
            let call = Call::new(named.service, named.operation, (named.parameters)(name), named.query);
            let judge = move |answers: &[Answer]| judge_name(named, name, present, &answers[0]);
            checks.push(Check::new(format!("The name {name} ({})", named.kind), vec![call], judge));
        }
    }
    checks
}

/// Properties that hold a name or an id as plain text, of types that are not in [`NAMED`].
pub(super) fn unchecked(estate: &Estate) -> BTreeSet<(String, String)> {
    let mut unchecked = BTreeSet::new();
    for (_, resource) in estate.all() {
        let kind = text(&resource["Type"]);
        for (property, value) in resource["Properties"].as_object().into_iter().flatten() {
            let is_name = ["Name", "Id", "Identifier"].iter().any(|ending| property.ends_with(ending));
            let is_checked = NAMED.iter().any(|named| named.kind == kind);
            if is_name && !is_checked && value.as_str().is_some_and(|value| !value.contains("${")) {
                unchecked.insert((kind.clone(), property.clone()));
            }
        }
    }
    unchecked
}

fn judge_name(named: &Named, name: &str, present: &Present, answer: &Answer) -> Finding {
    let kind = named.kind;
    let found = answer.value().as_array().into_iter().flatten();
    // The answer to `get_queue_url` has the name at the end of a URL.
    let is_taken = found.filter_map(Value::as_str).any(|one| {
        one == name
            || one
                .strip_suffix(name)
                .is_some_and(|rest| rest.starts_with("http") && rest.ends_with('/'))
    });
    if !is_taken {
        return Finding::fine(format!("The name {name} ({kind}) is free."));
    }
    if present.owns(kind, name) {
        return Finding::fine(format!("The name {name} ({kind}) belongs to the stack {STACK} already."));
    }
    if present.resources.is_none() {
        return Finding::unknown(format!(
            "The name {name} ({kind}) is taken, and whether it belongs to the stack {STACK} could not be checked."
        ));
    }
    Finding::fails(format!(
        "The name {name} ({kind}) is taken. If it is left from an earlier stack and you do not need it, delete it with `aws {}`.",
        named.delete.replace("NAME", name)
    ))
}

/// Resources that stay when their stack is deleted. A new stack makes its own beside them.
pub(super) fn retained<'a>(estate: &'a Estate, present: &'a Present) -> Vec<Check<'a>> {
    if present.is_update {
        return Vec::new();
    }
    let kept = estate
        .root
        .iter()
        .filter(|(_, resource)| text(&resource["DeletionPolicy"]).starts_with("Retain"));
    kept.filter_map(|(resource, definition)| {
        let prefix = format!("{STACK}-{resource}-");
        let (call, what) = match definition["Type"].as_str()? {
            "AWS::DynamoDB::Table" => {
                let query = format!("TableNames[?starts_with(@, '{prefix}')]");
                (Call::new("dynamodb", "list_tables", json!({}), query), "table")
            }
            "AWS::S3::Bucket" => {
                let query = format!("Buckets[?starts_with(Name, '{}')].Name", prefix.to_lowercase());
                (Call::new("s3", "list_buckets", json!({}), query), "bucket")
            }
            "AWS::CloudFormation::Stack" => {
                let query = format!("StackSummaries[?StackStatus!='DELETE_COMPLETE' && starts_with(StackName, '{prefix}')].StackName");
                (Call::new("cloudformation", "list_stacks", json!({}), query), "stack")
            }
            _ => return None,
        };
        let subject = format!("What an earlier {resource} has left");
        Some(Check::new(subject, vec![call], move |answers| {
            judge_retained(resource, what, answers[0].value())
        }))
    })
    .collect()
}

fn judge_retained(resource: &str, what: &str, found: &Value) -> Finding {
    let found: Vec<String> = found.as_array().into_iter().flatten().map(text).collect();
    if found.is_empty() {
        return Finding::fine(format!("No earlier stack has left a {resource}."));
    }
    Finding::warning(format!(
        "An earlier stack has left the {what} {}. The new stack does not use it and makes its own. Keep it if you need its data, or delete it as \"Deleting\" in docs/deploying.md says.",
        found.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Outcome;

    fn of(kind: &str) -> &'static Named {
        NAMED.iter().find(|named| named.kind == kind).unwrap()
    }

    #[test]
    fn a_taken_name_fails_unless_it_is_the_stack_s_own() {
        let queue = of("AWS::SQS::Queue");
        let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/summarease-bulk";
        let judge = |found: Answer, resources: Option<Vec<(&str, &str)>>| {
            let resources = resources.map(|all| all.into_iter().map(|(kind, id)| (kind.to_owned(), id.to_owned())).collect());
            let present = Present {
                is_update: true,
                resources,
            };
            judge_name(queue, "summarease-bulk", &present, &found)
        };
        let taken = || Answer::Is(json!([url]));
        assert_eq!(judge(Answer::Absent, Some(vec![])).outcome, Outcome::Fine);
        assert_eq!(
            judge(Answer::Is(json!([format!("{url}-dead")])), Some(vec![])).outcome,
            Outcome::Fine
        );
        assert_eq!(judge(taken(), Some(vec![("AWS::SQS::Queue", url)])).outcome, Outcome::Fine);
        assert_eq!(judge(taken(), None).outcome, Outcome::Unknown);
        let finding = judge(taken(), Some(vec![]));
        assert_eq!(finding.outcome, Outcome::Fails);
        assert!(finding.text.contains("--queue-name summarease-bulk)`"), "{finding:?}");
    }

    #[test]
    fn a_name_is_not_taken_by_a_longer_one() {
        let present = Present {
            is_update: false,
            resources: Some(vec![]),
        };
        let judge = |found: Value| judge_name(of("AWS::Logs::LogGroup"), "/summarease/api", &present, &Answer::Is(found)).outcome;
        assert_eq!(judge(json!(["/summarease/api-old", "/other/summarease/api"])), Outcome::Fine);
        assert_eq!(judge(json!(["/summarease/api-old", "/summarease/api"])), Outcome::Fails);
    }

    #[test]
    fn what_an_earlier_stack_left_is_only_a_warning() {
        assert_eq!(judge_retained("DataStack", "stack", &json!([])).outcome, Outcome::Fine);
        let finding = judge_retained("DataStack", "stack", &json!(["summarease-DataStack-1A2B"]));
        assert_eq!(finding.outcome, Outcome::Warning);
        assert!(finding.text.contains("summarease-DataStack-1A2B"), "{finding:?}");
    }
}
