//! Alarms and the dashboard.

use serde_json::Value;
use shared::telemetry::{NAMESPACE, metric};

use super::estate::{Estate, mentions};
use crate::template::stack::text;

pub(super) fn monitoring(estate: &Estate, findings: &mut Vec<String>) {
    if !estate.nested.contains_key("monitoring.yaml") {
        if estate.environment != "local" {
            findings.push("nothing is monitored".to_owned());
        }
        return;
    }
    let alarms = estate.properties("AWS::CloudWatch::Alarm");
    let watched = |metric: &str, dimension: &str| {
        alarms.iter().any(|(_, alarm)| {
            let values = alarm["Dimensions"].as_array().into_iter().flatten();
            alarm["MetricName"] == metric && values.into_iter().any(|one| text(&one["Value"]) == dimension)
        })
    };
    let mut need = |name: &str, dimension: &str, metrics: &[&str]| {
        for metric in metrics {
            if !watched(metric, dimension) {
                findings.push(format!("{name} has no alarm on {metric}"));
            }
        }
    };
    for (name, queue) in estate.properties("AWS::SQS::Queue") {
        let dead = queue["RedrivePolicy"].is_null();
        let metrics: &[&str] = if dead {
            &["ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"]
        } else {
            &["ApproximateAgeOfOldestMessage"]
        };
        need(name, &text(&queue["QueueName"]), metrics);
    }
    let reference = |name: &str| format!("${{{name}}}");
    for (name, _) in estate.of("AWS::Lambda::Function") {
        need(name, &reference(name), &["Errors", "Throttles"]);
    }
    for (name, _) in estate.of("AWS::DynamoDB::Table") {
        need(name, &reference(name), &["SystemErrors", "ThrottledRequests"]);
    }
    let stores = [
        ("AWS::RDS::DBCluster", "ServerlessDatabaseCapacity"),
        ("AWS::ElastiCache::ServerlessCache", "ThrottledCmds"),
        ("AWS::ElastiCache::ReplicationGroup", "EngineCPUUtilization"),
        ("AWS::RDS::DBProxy", "DatabaseConnectionsBorrowLatency"),
    ];
    for (kind, metric) in stores {
        if !estate.of(kind).is_empty() && !alarms.iter().any(|(_, alarm)| alarm["MetricName"] == metric) {
            findings.push(format!("{kind} has no alarm on {metric}"));
        }
    }
    if !estate.of("AWS::Backup::BackupPlan").is_empty() {
        for metric in ["NumberOfBackupJobsFailed", "NumberOfCopyJobsFailed"] {
            if !alarms.iter().any(|(_, alarm)| mentions(&alarm["Metrics"], metric)) {
                findings.push(format!("backups have no alarm on {metric}"));
            }
        }
    }
    if estate
        .of("AWS::CloudWatch::CompositeAlarm")
        .iter()
        .all(|(_, alarm)| alarm["Properties"]["ActionsSuppressor"].is_null())
    {
        findings.push("no alarm says that the service is down and ignores deployments".to_owned());
    }
    for (name, dashboard) in estate.properties("AWS::CloudWatch::Dashboard") {
        let body = dashboard["DashboardBody"]["Fn::Sub"]
            .as_str()
            .or_else(|| dashboard["DashboardBody"].as_str());
        let Some(body) = body.and_then(|body| serde_json::from_str::<Value>(body).ok()) else {
            findings.push(format!("{name} is no JSON"));
            continue;
        };
        let widgets = body["widgets"].as_array().into_iter().flatten();
        for metric in widgets.flat_map(|widget| widget["properties"]["metrics"].as_array().into_iter().flatten()) {
            if metric[0] == NAMESPACE && !metric::ALL.iter().any(|emitted| metric[1] == *emitted) {
                findings.push(format!("{name} shows {}, which nothing emits", metric[1]));
            }
        }
    }
}
