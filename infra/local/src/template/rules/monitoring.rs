//! Alarms and the dashboard.

use serde_json::Value;
use shared::telemetry::{NAMESPACE, metric};

use super::{
    estate::{Estate, mentions},
    insights,
};
use crate::template::stack::text;

/// The dimensions under which AWS publishes the metrics that alarms watch. Under any other set of
/// dimensions there is no metric, and an alarm on it never goes off.
///
/// Sources, below docs.aws.amazon.com:
/// AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html,
/// lambda/latest/dg/monitoring-metrics-types.html,
/// apigateway/latest/developerguide/http-api-metrics.html,
/// amazondynamodb/latest/developerguide/metrics-dimensions.html,
/// AmazonRDS/latest/AuroraUserGuide/dimensions.html, .../rds-proxy.monitoring.html,
/// AmazonElastiCache/latest/dg/serverless-metrics-events-redis.html and .../CacheMetrics.html (the
/// metrics of a node: a replication group has none), aws-backup/latest/devguide/cloudwatch.html.
const DIMENSIONS: [(&str, &str, &[&str]); 23] = [
    ("AWS/SQS", "ApproximateAgeOfOldestMessage", &["QueueName"]),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", &["QueueName"]),
    ("AWS/Lambda", "Errors", &["FunctionName"]),
    ("AWS/Lambda", "Throttles", &["FunctionName"]),
    ("AWS/ApiGateway", "Latency", &["ApiId"]),
    ("AWS/ApiGateway", "5xx", &["ApiId"]),
    ("AWS/DynamoDB", "SystemErrors", &["TableName", "Operation"]),
    ("AWS/DynamoDB", "ThrottledRequests", &["TableName", "Operation"]),
    ("AWS/RDS", "CPUUtilization", &["DBInstanceIdentifier"]),
    ("AWS/RDS", "FreeStorageSpace", &["DBInstanceIdentifier"]),
    // Under the name of the cluster this is the average of its instances, which hides a writer at
    // its bound.
    ("AWS/RDS", "ServerlessDatabaseCapacity", &["DBInstanceIdentifier"]),
    ("AWS/RDS", "AuroraReplicaLagMaximum", &["DBClusterIdentifier"]),
    ("AWS/RDS", "DatabaseConnectionsBorrowLatency", &["ProxyName"]),
    ("AWS/RDS", "DatabaseConnectionsCurrentlySessionPinned", &["ProxyName"]),
    ("AWS/ElastiCache", "Evictions", &["clusterId"]),
    ("AWS/ElastiCache", "ThrottledCmds", &["clusterId"]),
    ("AWS/ElastiCache", "EngineCPUUtilization", &["CacheClusterId", "CacheNodeId"]),
    (
        "AWS/ElastiCache",
        "DatabaseMemoryUsagePercentage",
        &["CacheClusterId", "CacheNodeId"],
    ),
    ("AWS/Backup", "NumberOfBackupJobsFailed", &["BackupVaultName"]),
    ("AWS/Backup", "NumberOfCopyJobsFailed", &["BackupVaultName"]),
    (NAMESPACE, metric::LEVEL, &["stack", "function"]),
    (NAMESPACE, metric::LANES_PAUSED, &["stack", "function"]),
    (NAMESPACE, metric::ACCEPTED, &["stack", "function", "lane"]),
];
/// Metrics that are there every minute while their resource exists. If one is missing, the alarm
/// must say so.
const ALWAYS_THERE: [&str; 5] = [
    "CPUUtilization",
    "FreeStorageSpace",
    "ServerlessDatabaseCapacity",
    "EngineCPUUtilization",
    "DatabaseMemoryUsagePercentage",
];

/// Whether AWS publishes what an alarm watches.
fn metrics_exist(name: &str, alarm: &Value, findings: &mut Vec<String>) {
    let queries = alarm["Metrics"].as_array().into_iter().flatten();
    let watched = queries.map(|query| &query["MetricStat"]["Metric"]).chain([alarm]);
    for watched in watched.filter(|watched| !watched["MetricName"].is_null()) {
        let dimensions = watched["Dimensions"].as_array().into_iter().flatten();
        let dimensions: Vec<String> = dimensions.map(|one| text(&one["Name"])).collect();
        let known = DIMENSIONS
            .iter()
            .any(|(namespace, metric, set)| watched["Namespace"] == *namespace && watched["MetricName"] == *metric && dimensions == *set);
        if !known {
            let metric = text(&watched["MetricName"]);
            findings.push(format!("{name}: there is no metric {metric} with the dimensions {dimensions:?}"));
        }
    }
    for query in alarm["Metrics"].as_array().into_iter().flatten() {
        let expression = query["Expression"]["Fn::Sub"].as_str().or_else(|| query["Expression"].as_str());
        if let Some(expression) = expression.filter(|expression| insights::is_query(expression)) {
            findings.extend(query_reads(expression).map(|finding| format!("{name}: {finding}")));
        }
    }
    let always = ALWAYS_THERE
        .iter()
        .any(|metric| alarm["MetricName"] == *metric || mentions(&alarm["Metrics"], metric));
    if always && alarm["TreatMissingData"] != "breaching" {
        findings.push(format!("{name} does not notice that its metric is missing"));
    }
}

/// Whether AWS publishes what a query of Metrics Insights reads. It says nothing if the metrics are
/// not there.
fn query_reads(expression: &str) -> Option<String> {
    let Some(query) = insights::parse(expression) else {
        return Some(format!("the query cannot be read: {expression}"));
    };
    let sets = DIMENSIONS
        .iter()
        .filter(|(namespace, metric, _)| *namespace == query.namespace && *metric == query.metric);
    let fits = |set: &[&str]| {
        let same = query
            .schema
            .as_ref()
            .is_none_or(|schema| schema.len() == set.len() && schema.iter().all(|one| set.contains(&one.as_str())));
        same && query.used.iter().all(|one| set.contains(&one.as_str()))
    };
    let mut sets = sets.map(|(_, _, set)| *set);
    if sets.any(fits) {
        return None;
    }
    let dimensions = [query.schema.unwrap_or_default(), query.used].concat();
    Some(format!("there is no metric {} with the dimensions {dimensions:?}", query.metric))
}

pub(super) fn monitoring(estate: &Estate, findings: &mut Vec<String>) {
    if !estate.nested.contains_key("monitoring.yaml") {
        if estate.is_service() {
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
    let on = |metric: &str| {
        let about = |(_, alarm): &(&str, &Value)| alarm["MetricName"] == metric || mentions(&alarm["Metrics"], metric);
        alarms.iter().any(about)
    };
    let stores = [
        ("AWS::RDS::DBCluster", "ServerlessDatabaseCapacity"),
        ("AWS::ElastiCache::ServerlessCache", "ThrottledCmds"),
        ("AWS::ElastiCache::ReplicationGroup", "EngineCPUUtilization"),
        ("AWS::RDS::DBProxy", "DatabaseConnectionsBorrowLatency"),
        ("AWS::RDS::DBProxy", "DatabaseConnectionsCurrentlySessionPinned"),
    ];
    for (kind, metric) in stores {
        if !estate.of(kind).is_empty() && !on(metric) {
            findings.push(format!("{kind} has no alarm on {metric}"));
        }
    }
    if !estate.of("AWS::Backup::BackupPlan").is_empty() {
        for metric in ["NumberOfBackupJobsFailed", "NumberOfCopyJobsFailed"] {
            if !on(metric) {
                findings.push(format!("backups have no alarm on {metric}"));
            }
        }
    }
    let composite = estate.properties("AWS::CloudWatch::CompositeAlarm");
    if composite.is_empty() {
        findings.push("no alarm says that the service is down".to_owned());
    }
    for (name, alarm) in composite {
        // The alarm that stops deployments also goes off without a deployment, so it must not mute
        // another one.
        if !alarm["ActionsSuppressor"].is_null() {
            findings.push(format!("{name} is silent while another alarm is on"));
        }
    }
    for (name, alarm) in &alarms {
        metrics_exist(name, alarm, findings);
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
