//! What a careful reviewer asks of the estate, as rules over the worked-out templates.
//!
//! cfn-lint and checkov know resources one by one; these rules know how ours belong together.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use shared::telemetry::{NAMESPACE, metric};

use super::stack::text;

/// Actions that IAM cannot narrow to a resource.
const WITHOUT_RESOURCES: [&str; 5] = [
    "xray:",
    "cloudwatch:GetMetricData",
    "lambda:ListEventSourceMappings",
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:DescribeScheduledActions",
];

/// The stacks of one environment, worked out.
pub struct Estate {
    /// The environment of `samconfig.toml`.
    pub environment: String,
    /// Resources of the root template.
    pub root: Map<String, Value>,
    /// Resources of each nested stack that would be made, by the name of its file.
    pub nested: BTreeMap<String, Map<String, Value>>,
}

/// All that is wrong, in words.
pub fn findings(estate: &Estate) -> Vec<String> {
    let rules: [fn(&Estate, &mut Vec<String>); 14] = [
        queues, mappings, concurrency, functions, roles, deployments, api, tables, database, backups, cache, names, network, monitoring,
    ];
    let mut findings = Vec::new();
    for rule in rules {
        rule(estate, &mut findings);
    }
    findings
}

type Resources<'a> = Vec<(&'a str, &'a Value)>;

impl Estate {
    /// How many resources of a kind there are.
    pub fn count(&self, kind: &str) -> f64 {
        self.of(kind).iter().fold(0.0, |count, _| count + 1.0)
    }

    fn of(&self, kind: &str) -> Resources<'_> {
        self.all().filter(|(_, resource)| resource["Type"] == kind).collect()
    }

    fn properties(&self, kind: &str) -> Resources<'_> {
        self.of(kind)
            .into_iter()
            .map(|(name, resource)| (name, &resource["Properties"]))
            .collect()
    }

    fn all(&self) -> impl Iterator<Item = (&str, &Value)> {
        let nested = self.nested.values().flatten();
        self.root.iter().chain(nested).map(|(name, resource)| (name.as_str(), resource))
    }

    /// The function that a mapping, an alias or a version belongs to.
    fn function(&self, reference: &Value) -> Option<(&str, &Value)> {
        let named = reference["Ref"].as_str().or_else(|| reference["Fn::GetAtt"][0].as_str())?;
        let (name, resource) = self.root.get_key_value(named)?;
        if resource["Type"] == "AWS::Lambda::Alias" {
            return self.function(&resource["Properties"]["FunctionName"]);
        }
        Some((name, &resource["Properties"]))
    }

    fn is_large(&self) -> bool {
        self.environment != "startup" && self.environment != "local"
    }
}

/// A number, written as one or as text.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn is_true(value: &Value) -> bool {
    text(value) == "true"
}

/// Whether a property list holds a value in any spelling.
fn mentions(value: &Value, what: &str) -> bool {
    value.to_string().contains(what)
}

fn queues(estate: &Estate, findings: &mut Vec<String>) {
    let queues = estate.properties("AWS::SQS::Queue");
    for (name, queue) in &queues {
        if queue["SqsManagedSseEnabled"] != true && queue["KmsMasterKeyId"].is_null() {
            findings.push(format!("{name} is not encrypted"));
        }
        if number(&queue["MessageRetentionPeriod"]) != Some(1_209_600.0) {
            findings.push(format!("{name} does not keep messages for 14 days"));
        }
        let target = &queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0];
        let fed = queues
            .iter()
            .any(|(_, other)| other["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0] == *name);
        if fed {
            if queue["RedriveAllowPolicy"]["redrivePermission"] != "byQueue" {
                findings.push(format!("{name} takes dead letters from any queue"));
            }
        } else if target.is_null() {
            findings.push(format!("{name} has no dead-letter queue"));
        } else if number(&queue["RedrivePolicy"]["maxReceiveCount"]) != Some(5.0) {
            findings.push(format!("{name} does not give up after five receives"));
        }
    }
}

fn mappings(estate: &Estate, findings: &mut Vec<String>) {
    for (name, mapping) in estate.properties("AWS::Lambda::EventSourceMapping") {
        if !mentions(&mapping["FunctionResponseTypes"], "ReportBatchItemFailures") {
            findings.push(format!("{name} reports no partial batch failures"));
        }
        if !mapping["FilterCriteria"].is_null() {
            findings.push(format!("{name} has a filter, which deletes what it does not match"));
        }
        let bounded = mapping["ScalingConfig"]["MaximumConcurrency"].is_null();
        let polled = mapping["ProvisionedPollerConfig"]["MaximumPollers"].is_null();
        if bounded == polled {
            findings.push(format!("{name} needs either MaximumConcurrency or provisioned pollers"));
        }
        let batch = number(&mapping["BatchSize"]).unwrap_or(10.0);
        let window = number(&mapping["MaximumBatchingWindowInSeconds"]).unwrap_or(0.0);
        if batch > 10.0 && window < 1.0 {
            findings.push(format!("{name} has batches of more than 10 without a window"));
        }
        let queue = mapping["EventSourceArn"]["Fn::GetAtt"][0].as_str().unwrap_or_default();
        let visibility = number(&estate.root[queue]["Properties"]["VisibilityTimeout"]).unwrap_or(30.0);
        let timeout = estate
            .function(&mapping["FunctionName"])
            .and_then(|(_, function)| number(&function["Timeout"]));
        if timeout.is_none_or(|timeout| visibility < 6.0 * timeout + window) {
            findings.push(format!(
                "{queue}: a visibility time-out of {visibility} s is below six times the worker's plus the window"
            ));
        }
    }
}

fn concurrency(estate: &Estate, findings: &mut Vec<String>) {
    for (name, mapping) in estate.properties("AWS::Lambda::EventSourceMapping") {
        let Some((worker, function)) = estate.function(&mapping["FunctionName"]) else {
            findings.push(format!("{name} feeds no function of ours"));
            continue;
        };
        // A provisioned poller runs up to ten workers.
        let most = number(&mapping["ScalingConfig"]["MaximumConcurrency"])
            .or_else(|| Some(10.0 * number(&mapping["ProvisionedPollerConfig"]["MaximumPollers"])?))
            .unwrap_or(f64::INFINITY);
        match number(&function["ReservedConcurrentExecutions"]) {
            Some(reserved) if reserved < most => {
                findings.push(format!("{worker} reserves {reserved} of the {most} workers its lane may start"));
            }
            None if estate.is_large() => findings.push(format!("{worker} reserves no concurrency")),
            _ => {}
        }
    }
    for (name, alias) in estate.properties("AWS::Lambda::Alias") {
        let provisioned = number(&alias["ProvisionedConcurrencyConfig"]["ProvisionedConcurrentExecutions"]).unwrap_or(0.0);
        let reserved = estate
            .function(&alias["FunctionName"])
            .and_then(|(_, function)| number(&function["ReservedConcurrentExecutions"]));
        if reserved.is_some_and(|reserved| provisioned > reserved) {
            findings.push(format!("{name} provisions more than is reserved"));
        }
    }
    for (name, target) in estate.properties("AWS::ApplicationAutoScaling::ScalableTarget") {
        let (least, most) = (number(&target["MinCapacity"]), number(&target["MaxCapacity"]));
        // Readers stand where `prescale` puts them.
        if target["ServiceNamespace"] == "lambda" && least >= most {
            findings.push(format!("{name} has no room to scale"));
        }
    }
}

fn functions(estate: &Estate, findings: &mut Vec<String>) {
    for (name, function) in estate.properties("AWS::Lambda::Function") {
        if function["Runtime"] != "provided.al2023" {
            findings.push(format!("{name} has an old runtime"));
        }
        if function["TracingConfig"]["Mode"] != "Active" {
            findings.push(format!("{name} is not traced"));
        }
        let group = function["LoggingConfig"]["LogGroup"]["Ref"].as_str().unwrap_or_default();
        let retention = estate
            .root
            .get(group)
            .and_then(|group| number(&group["Properties"]["RetentionInDays"]));
        if retention.is_none() || group != format!("{name}Logs") {
            findings.push(format!("{name} has no log group of its own with a retention"));
        }
        if function["LoggingConfig"]["LogFormat"] != "JSON" {
            findings.push(format!("{name} does not log JSON"));
        }
        let reaches_store = ["DATABASE_URL", "VALKEY_URL"]
            .iter()
            .any(|store| !function["Environment"]["Variables"][*store].is_null());
        if reaches_store && estate.nested.contains_key("network.yaml") && function["VpcConfig"].is_null() {
            findings.push(format!("{name} is outside the network of its stores"));
        }
        for (variable, value) in super::stack::entries(&function["Environment"]["Variables"]) {
            let secret = ["PASSWORD", "SECRET", "TOKEN"].iter().any(|word| variable.contains(word));
            let credentials = text(value).split_once("://").is_some_and(|(_, rest)| {
                rest.split('/')
                    .next()
                    .unwrap_or_default()
                    .split_once('@')
                    .is_some_and(|(user, _)| user.contains(':'))
            });
            if secret || credentials {
                findings.push(format!("{name} has a secret in {variable}"));
            }
        }
    }
}

fn roles(estate: &Estate, findings: &mut Vec<String>) {
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
        let policies = role["Policies"].as_array().into_iter().flatten();
        let statements: Vec<_> = policies
            .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().into_iter().flatten())
            .collect();
        let may = |action: &str| statements.iter().any(|statement| mentions(&statement["Action"], action));
        if may("application-autoscaling:RegisterScalableTarget") {
            // Application Auto Scaling refuses a caller who might not do by hand what it is asked to do.
            for (target, action) in [
                ("AWS::Lambda::Function", "lambda:PutProvisionedConcurrencyConfig"),
                ("AWS::RDS::DBCluster", "rds:CreateDBInstance"),
            ] {
                if !estate.of(target).is_empty() && !may(action) {
                    findings.push(format!("{name} may not register targets: it lacks {action}"));
                }
            }
        }
        for statement in statements {
            if mentions(&statement["Action"], "*") {
                findings.push(format!("{name} may do anything of a kind: {}", statement["Action"]));
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
            findings.push(format!("{name} lets anyone of a service call the function"));
        }
    }
}

fn deployments(estate: &Estate, findings: &mut Vec<String>) {
    let aliases = estate.of("AWS::Lambda::Alias");
    for (name, _) in estate.properties("AWS::Lambda::Function") {
        let alias = aliases
            .iter()
            .find(|(_, alias)| alias["Properties"]["Name"] == "live" && alias["Properties"]["FunctionName"]["Ref"] == name);
        let in_traffic = name == "Api" || name.starts_with("Summarize");
        let Some((_, alias)) = alias.filter(|_| in_traffic) else {
            if in_traffic {
                findings.push(format!("{name} has no alias `live`"));
            }
            continue;
        };
        if estate.is_large() && alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"].is_null() {
            findings.push(format!("{name} is deployed all at once"));
        }
        if estate.is_large() && alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["BeforeAllowTrafficHook"].is_null() {
            findings.push(format!("{name} gets traffic before it was tried"));
        }
    }
    for (name, group) in estate.properties("AWS::CodeDeploy::DeploymentGroup") {
        if group["AlarmConfiguration"]["Alarms"].as_array().is_none_or(Vec::is_empty) {
            findings.push(format!("{name} has no alarm that stops a deployment"));
        }
        if !mentions(&group["DeploymentConfigName"], "Canary10Percent") {
            findings.push(format!("{name} shifts all traffic at once"));
        }
    }
    for (name, schedule) in estate.properties("AWS::Scheduler::Schedule") {
        // The smallest phase has nothing to scale.
        let needed = estate.nested.contains_key("monitoring.yaml") && (estate.is_large() || !name.starts_with("Prescale"));
        if needed && schedule["State"] == "DISABLED" {
            findings.push(format!("{name} never fires"));
        }
        if !schedule["Name"].is_null() {
            findings.push(format!("{name} has a name that another stack's schedule may have"));
        }
    }
}

fn api(estate: &Estate, findings: &mut Vec<String>) {
    for (name, stage) in estate.properties("AWS::ApiGatewayV2::Stage") {
        let limits = &stage["DefaultRouteSettings"];
        if limits["ThrottlingRateLimit"].is_null() || limits["ThrottlingBurstLimit"].is_null() {
            findings.push(format!("{name} has no throttle"));
        }
        if stage["AccessLogSettings"]["DestinationArn"].is_null() {
            findings.push(format!("{name} keeps no access log"));
        }
    }
}

fn tables(estate: &Estate, findings: &mut Vec<String>) {
    for (name, table) in estate.of("AWS::DynamoDB::Table") {
        let properties = &table["Properties"];
        if properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] != true {
            findings.push(format!("{name} cannot be restored to a point in time"));
        }
        if properties["SSESpecification"]["SSEEnabled"] != true {
            findings.push(format!("{name} is not encrypted"));
        }
        if estate.environment != "local" && !is_true(&properties["DeletionProtectionEnabled"]) {
            findings.push(format!("{name} can be deleted by mistake"));
        }
    }
    for (name, store) in estate.of("AWS::DynamoDB::Table").into_iter().chain(estate.of("AWS::S3::Bucket")) {
        if !mentions(&store["DeletionPolicy"], "Retain") || store["UpdateReplacePolicy"] != "Retain" {
            findings.push(format!("{name} goes away with its stack"));
        }
    }
    for (name, bucket) in estate.properties("AWS::S3::Bucket") {
        let access = &bucket["PublicAccessBlockConfiguration"];
        let blocked = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"];
        if !blocked.iter().all(|block| access[*block] == true) {
            findings.push(format!("{name} can be made public"));
        }
        if bucket["BucketEncryption"].is_null() {
            findings.push(format!("{name} is not encrypted"));
        }
    }
}

fn database(estate: &Estate, findings: &mut Vec<String>) {
    let members = estate.properties("AWS::RDS::DBInstance");
    for (name, instance) in &members {
        if instance["PubliclyAccessible"] != false {
            findings.push(format!("{name} can be reached from the internet"));
        }
        if instance["EnablePerformanceInsights"] != true {
            findings.push(format!("{name} has no performance insights"));
        }
    }
    let single = members
        .iter()
        .filter(|(_, instance)| instance["DBClusterIdentifier"].is_null())
        .count();
    if estate.is_large() && (single > 0 || members.len() < 2) {
        findings.push("the database stands in a single zone".to_owned());
    }
    let standalone = estate.of("AWS::RDS::DBInstance");
    let standalone = standalone
        .into_iter()
        .filter(|(_, one)| one["Properties"]["DBClusterIdentifier"].is_null());
    for (name, database) in estate.of("AWS::RDS::DBCluster").into_iter().chain(standalone) {
        let properties = &database["Properties"];
        if properties["StorageEncrypted"] != true {
            findings.push(format!("{name} is not encrypted"));
        }
        if properties["EnableIAMDatabaseAuthentication"] != true || !properties["MasterUserPassword"].is_null() {
            findings.push(format!("{name} is reached with a password"));
        }
        if !is_true(&properties["DeletionProtection"]) || database["DeletionPolicy"] != "Snapshot" {
            findings.push(format!("{name} can be deleted by mistake"));
        }
        if number(&properties["BackupRetentionPeriod"]).is_none_or(|days| days < 7.0) {
            findings.push(format!("{name} keeps backups for less than a week"));
        }
        let secondary = !properties["GlobalClusterIdentifier"].is_null();
        let master = ["MasterUsername", "DatabaseName"].iter().all(|name| properties[*name].is_null());
        if secondary && (!master || properties["EnableGlobalWriteForwarding"] != true) {
            findings.push(format!(
                "{name} is a secondary: it has its primary's users and databases, and forwards writes"
            ));
        }
        let capacity = &properties["ServerlessV2ScalingConfiguration"];
        if number(&capacity["MinCapacity"]) > number(&capacity["MaxCapacity"]) {
            findings.push(format!("{name} has a floor above its ceiling"));
        }
    }
    for (name, proxy) in estate.properties("AWS::RDS::DBProxy") {
        if proxy["RequireTLS"] != true || proxy["DefaultAuthScheme"] != "IAM_AUTH" {
            findings.push(format!("{name} takes connections without TLS or IAM"));
        }
    }
}

/// Copies of all stores lie in another region, as long as the stores themselves can be restored.
fn backups(estate: &Estate, findings: &mut Vec<String>) {
    let retention = |kind| {
        let databases = estate.properties(kind);
        databases
            .iter()
            .find_map(|(_, database)| number(&database["BackupRetentionPeriod"]))
    };
    let days = retention("AWS::RDS::DBCluster").or_else(|| retention("AWS::RDS::DBInstance"));
    for (name, plan) in estate.properties("AWS::Backup::BackupPlan") {
        let rules = plan["BackupPlan"]["BackupPlanRule"].as_array().into_iter().flatten();
        for rule in rules {
            let copy = &rule["CopyActions"][0];
            if !text(&copy["DestinationBackupVaultArn"]).contains(":backup:") {
                findings.push(format!("{name} copies nothing to another region"));
            } else if number(&copy["Lifecycle"]["DeleteAfterDays"]) < days {
                findings.push(format!("{name} deletes copies before the backups they are of"));
            }
        }
    }
    for (name, selection) in estate.properties("AWS::Backup::BackupSelection") {
        let chosen = &selection["BackupSelection"]["Resources"];
        let tables = estate.of("AWS::DynamoDB::Table");
        let database = days.map(|_| "DatabaseArn");
        for store in tables.iter().map(|(table, _)| *table).chain(database) {
            if !mentions(chosen, store) {
                findings.push(format!("{name} leaves out {store}"));
            }
        }
    }
}

fn cache(estate: &Estate, findings: &mut Vec<String>) {
    for (name, group) in estate.properties("AWS::ElastiCache::ReplicationGroup") {
        if group["TransitEncryptionEnabled"] != true || group["AtRestEncryptionEnabled"] != true {
            findings.push(format!("{name} is not encrypted"));
        }
        if group["AutomaticFailoverEnabled"] != true || group["MultiAZEnabled"] != true {
            findings.push(format!("{name} does not survive a zone"));
        }
        if group["UserGroupIds"].is_null() {
            findings.push(format!("{name} lets anyone in"));
        }
    }
    for (name, cache) in estate.properties("AWS::ElastiCache::ServerlessCache") {
        if cache["UserGroupId"].is_null() {
            findings.push(format!("{name} lets anyone in"));
        }
        if cache["CacheUsageLimits"]["DataStorage"]["Maximum"].is_null() || cache["CacheUsageLimits"]["ECPUPerSecond"]["Maximum"].is_null()
        {
            findings.push(format!("{name} has no bound"));
        }
    }
    for (name, user) in estate.properties("AWS::ElastiCache::User") {
        let access = text(&user["AccessString"]);
        if user["AuthenticationMode"]["Type"] != "iam" || access.contains("+@all") || !access.contains("-@dangerous") {
            findings.push(format!("{name} may do more than the functions do"));
        }
    }
}

/// AWS keeps these names in lower case; tokens are signed for, and roles name, what is kept.
fn names(estate: &Estate, findings: &mut Vec<String>) {
    for (kind, property) in [
        ("AWS::ElastiCache::ServerlessCache", "ServerlessCacheName"),
        ("AWS::ElastiCache::ReplicationGroup", "ReplicationGroupId"),
        ("AWS::ElastiCache::User", "UserId"),
        ("AWS::ElastiCache::UserGroup", "UserGroupId"),
        ("AWS::RDS::DBProxy", "DBProxyName"),
    ] {
        for (resource, properties) in estate.properties(kind) {
            let name = text(&properties[property]);
            if name.len() > 40 || name.chars().any(char::is_uppercase) {
                findings.push(format!("{resource} is named {name}: it takes 40 lower-case letters at most"));
            }
        }
    }
}

fn network(estate: &Estate, findings: &mut Vec<String>) {
    let Some(network) = estate.nested.get("network.yaml") else { return };
    let kinds: Vec<&str> = network.values().filter_map(|resource| resource["Type"].as_str()).collect();
    for (kind, what) in [
        ("AWS::EC2::NatGateway", "a NAT gateway costs more than the functions"),
        ("AWS::EC2::InternetGateway", "nothing needs an internet gateway"),
        ("AWS::EC2::Route", "the network has a way out"),
    ] {
        if kinds.contains(&kind) {
            findings.push(what.to_owned());
        }
    }
    let zones = if estate.environment.starts_with("scale") { 3 } else { 2 };
    let subnets = estate.properties("AWS::EC2::Subnet");
    if subnets.len() != zones {
        findings.push(format!("the network has {} zones instead of {zones}", subnets.len()));
    }
    for (name, subnet) in subnets {
        if subnet["MapPublicIpOnLaunch"] != false {
            findings.push(format!("{name} gives out public addresses"));
        }
    }
    let endpoints = estate.properties("AWS::EC2::VPCEndpoint");
    for service in ["s3", "dynamodb", "sqs"] {
        let reached = |(_, endpoint): &(&str, &Value)| text(&endpoint["ServiceName"]).ends_with(&format!(".{service}"));
        if !endpoints.iter().any(reached) {
            findings.push(format!("functions cannot reach {service}"));
        }
    }
    let custom = estate
        .all()
        .filter(|(_, resource)| resource["Type"].as_str().is_some_and(|kind| kind.starts_with("Custom::")));
    let inside = custom
        .filter_map(|(_, resource)| estate.function(&resource["Properties"]["ServiceToken"]))
        .any(|(_, function)| !function["VpcConfig"].is_null());
    let answers = |(_, endpoint): &(&str, &Value)| mentions(&endpoint["PolicyDocument"], "cloudformation-custom-resource-response-");
    if inside && !endpoints.iter().any(answers) {
        findings.push("functions in the network cannot answer CloudFormation".to_owned());
    }
    for (name, group) in estate.properties("AWS::EC2::SecurityGroup") {
        if mentions(&group["SecurityGroupIngress"], "0.0.0.0/0") || mentions(&group["SecurityGroupIngress"], "::/0") {
            findings.push(format!("{name} lets everyone in"));
        }
    }
}

fn monitoring(estate: &Estate, findings: &mut Vec<String>) {
    if !estate.nested.contains_key("monitoring.yaml") {
        if estate.environment != "local" {
            findings.push("nothing is watched".to_owned());
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
        findings.push("no alarm says that the service is down, deployments aside".to_owned());
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
