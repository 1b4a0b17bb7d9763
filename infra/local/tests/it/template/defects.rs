//! Seeded defects: a template is changed so that it breaks a rule, and the rule has to notice it.

use local::template::{
    ALONE, alone,
    rules::{Estate, findings},
};
use serde_json::{Value, json};

use super::estate;

/// A change of an estate: the resource, a JSON pointer into it, the new value, and words of the
/// finding. The value `null` removes what is there.
type Defect<'a> = (&'static str, &'a str, Value, &'static str);

fn spoil(estate: &mut Estate, (resource, pointer, value, _): &Defect<'_>) {
    let nested = estate.nested.values_mut().find(|stack| stack.contains_key(*resource));
    let stack = nested.unwrap_or(&mut estate.root);
    if pointer.is_empty() {
        if value.is_null() {
            stack.remove(*resource).expect("the resource is there");
        } else {
            stack.insert((*resource).to_owned(), value.clone());
        }
        return;
    }
    let resource = stack.get_mut(*resource).unwrap_or_else(|| panic!("there is no {resource}"));
    let (parent, leaf) = pointer.rsplit_once('/').unwrap();
    let parent = resource.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {pointer}"));
    match parent {
        Value::Object(fields) if value.is_null() => {
            fields.remove(leaf).unwrap_or_else(|| panic!("there is no {pointer}"));
        }
        Value::Object(fields) => {
            fields.insert(leaf.to_owned(), value.clone());
        }
        Value::Array(items) => items[leaf.parse::<usize>().unwrap()] = value.clone(),
        _ => panic!("{pointer} is no place"),
    }
}

/// A rule that never finds anything would prove nothing.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn seeded_defects_are_caught() {
    let defects: Vec<Defect> = vec![
        ("StandardQueue", "/Properties/VisibilityTimeout", json!(359), "six times"),
        ("BulkQueue", "/Properties/VisibilityTimeout", json!(364), "six times"),
        ("ExpressQueue", "/Properties/RedrivePolicy", Value::Null, "no dead-letter queue"),
        (
            "ExpressQueue",
            "/Properties/RedrivePolicy/maxReceiveCount",
            json!(1000),
            "after 20 receives",
        ),
        ("BulkDeadLetters", "/Properties/RedriveAllowPolicy", Value::Null, "from any queue"),
        ("BulkDeadLetters", "/Properties/MessageRetentionPeriod", json!(345_600), "14 days"),
        (
            "BulkQueue",
            "/Properties/MessageRetentionPeriod",
            json!(1_209_600),
            "four days less than its dead-letter queue",
        ),
        ("ExpressQueue", "/Properties/MessageRetentionPeriod", Value::Null, "a week at least"),
        ("StandardQueue", "/Properties/SqsManagedSseEnabled", json!(false), "not encrypted"),
        (
            "SummarizeStandardLane",
            "/Properties/FunctionResponseTypes",
            Value::Null,
            "partial batch",
        ),
        (
            "SummarizeStandardLane",
            "/Properties/FilterCriteria",
            json!({"Filters": []}),
            "filter",
        ),
        (
            "SummarizeStandardLane",
            "/Properties/ScalingConfig",
            Value::Null,
            "either MaximumConcurrency",
        ),
        (
            "SummarizeExpressLane",
            "/Properties/ScalingConfig",
            json!({"MaximumConcurrency": 9}),
            "either MaximumConcurrency",
        ),
        (
            "SummarizeBulkLane",
            "/Properties/MaximumBatchingWindowInSeconds",
            json!(0),
            "without a window",
        ),
        (
            "SummarizeStandardLane",
            "/Properties/ScalingConfig/MaximumConcurrency",
            json!(65),
            "reserves 68, but its lane starts up to 65 and deployments 4 more",
        ),
        (
            "SummarizeExpress",
            "/Properties/ReservedConcurrentExecutions",
            json!(103),
            "reserves 103, but its lane starts up to 100",
        ),
        (
            "Canary",
            "/Properties/ReservedConcurrentExecutions",
            json!(4),
            "cannot run for 4 deployments",
        ),
        (
            "SummarizeBulk",
            "/Properties/ReservedConcurrentExecutions",
            Value::Null,
            "reserves no concurrency",
        ),
        (
            "ApiAliaslive",
            "/Properties/ProvisionedConcurrencyConfig/ProvisionedConcurrentExecutions",
            json!(1001),
            "provisions more",
        ),
        ("ApiScaling", "/Properties/MaxCapacity", json!(10), "not below its maximum"),
        ("ApiScaling", "/Properties/MaxCapacity", json!(1001), "may provision more"),
        ("Api", "/Properties/Runtime", json!("provided.al2"), "old runtime"),
        ("Api", "/Properties/TracingConfig", Value::Null, "not traced"),
        ("Redrive", "/Properties/VpcConfig", Value::Null, "outside the network"),
        ("RedriveLogs", "/Properties/RetentionInDays", Value::Null, "log group of its own"),
        ("Redrive", "/Properties/LoggingConfig/LogFormat", json!("Text"), "does not log JSON"),
        (
            "Api",
            "/Properties/Environment/Variables/DATABASE_URL",
            json!("postgres://me:secret@host/db"),
            "a secret in DATABASE_URL",
        ),
        (
            "Api",
            "/Properties/Environment/Variables/VALKEY_PASSWORD",
            json!("x"),
            "a secret in VALKEY_PASSWORD",
        ),
        ("Redrive", "/Properties/Role/Fn::GetAtt/0", json!("MaintainRole"), "shares its role"),
        (
            "CanaryResumesLanes",
            "/Properties/PolicyDocument/Statement/0/Resource",
            json!("*"),
            "to everything",
        ),
        (
            "ApiRole",
            "/Properties/Policies/0/PolicyDocument/Statement/2/Action",
            json!("dynamodb:*"),
            "all actions of a kind",
        ),
        (
            "ApiRole",
            "/Properties/Policies/0/PolicyDocument/Statement/2/Resource",
            json!("*"),
            "to everything",
        ),
        (
            "ApiRole",
            "/Properties/ManagedPolicyArns/0",
            json!("arn:aws:iam::aws:policy/AdministratorAccess"),
            "managed policy",
        ),
        ("HttpApiPermission", "/Properties/SourceArn", Value::Null, "lets any caller"),
        ("SummarizeBulkAliaslive", "", Value::Null, "no alias `live`"),
        ("ApiAliaslive", "/UpdatePolicy", Value::Null, "all at once"),
        (
            "ApiAliaslive",
            "/UpdatePolicy/CodeDeployLambdaAliasUpdate/BeforeAllowTrafficHook",
            Value::Null,
            "before the canary has passed",
        ),
        ("CanaryOften", "/Properties/State", json!("DISABLED"), "is disabled"),
        (
            "ApiDeploymentGroup",
            "/Properties/AlarmConfiguration/Alarms",
            json!([]),
            "stops a deployment",
        ),
        (
            "ApiDeploymentGroup",
            "/Properties/DeploymentConfigName",
            json!("CodeDeployDefault.LambdaAllAtOnce"),
            "all traffic at once",
        ),
        ("RedriveOften", "/Properties/Name", json!("redrive"), "has a name"),
        (
            "HttpApiStage",
            "/Properties/DefaultRouteSettings/ThrottlingRateLimit",
            Value::Null,
            "no throttle",
        ),
        ("HttpApiStage", "/Properties/AccessLogSettings", Value::Null, "no access log"),
        (
            "LedgerTable",
            "/Properties/PointInTimeRecoverySpecification",
            Value::Null,
            "point in time",
        ),
        (
            "LedgerTable",
            "/Properties/DeletionProtectionEnabled",
            json!("false"),
            "deleted by mistake",
        ),
        (
            "LedgerTable",
            "/UpdateReplacePolicy",
            Value::Null,
            "deleted together with its stack",
        ),
        (
            "DocumentsBucket",
            "/Properties/PublicAccessBlockConfiguration/BlockPublicAcls",
            json!(false),
            "made public",
        ),
        ("DocumentsBucket", "/Properties/BucketEncryption", Value::Null, "not encrypted"),
        ("Writer", "/Properties/PubliclyAccessible", json!(true), "from the internet"),
        (
            "ReaderA",
            "/Properties/EnablePerformanceInsights",
            json!(false),
            "no performance insights",
        ),
        ("Cluster", "/Properties/StorageEncrypted", json!(false), "not encrypted"),
        ("Cluster", "/Properties/MasterUserPassword", json!("x"), "with a password"),
        ("Cluster", "/Properties/DeletionProtection", json!("false"), "deleted by mistake"),
        ("Cluster", "/Properties/BackupRetentionPeriod", json!(1), "less than a week"),
        ("Cluster", "/UpdateReplacePolicy", json!("Delete"), "deleted by mistake"),
        ("Cluster", "/DeletionPolicy", json!("Delete"), "deleted by mistake"),
        ("Cluster", "/DeletionPolicy", Value::Null, "deleted by mistake"),
        (
            "Cluster",
            "/Properties/ServerlessV2ScalingConfiguration/MinCapacity",
            json!(65),
            "minimum above",
        ),
        (
            "ClusterParameters",
            "/Properties/Parameters/apg_write_forward.consistency_mode",
            Value::Null,
            "consistency mode",
        ),
        ("ClusterTarget", "/DependsOn", json!(["Writer"]), "before ReaderA is ready"),
        (
            "ClusterTarget",
            "/Properties/DBClusterIdentifiers",
            json!([{"Ref": "Cluster"}]),
            "before ReaderB is ready",
        ),
        (
            "ClusterTarget",
            "/Properties/ConnectionPoolConfigurationInfo/MaxConnectionsPercent",
            json!("80"),
            "for forwarded writes",
        ),
        (
            "ReaderTarget",
            "/DependsOn",
            json!("ReaderA"),
            "while the template still makes them",
        ),
        (
            "Cluster",
            "/Properties/GlobalClusterIdentifier",
            json!("earth"),
            "Application Auto Scaling does not support",
        ),
        (
            "Proxy",
            "/Properties/VpcSubnetIds",
            json!(["${SubnetA}", "${SubnetB}", "${SubnetC}"]),
            "never get other subnets",
        ),
        (
            "ReadOnlyEndpoint",
            "/Properties/VpcSubnetIds",
            json!("${SubnetA},${SubnetB}"),
            "never get other subnets",
        ),
        (
            "NetworkStack",
            "/DeletionPolicy",
            Value::Null,
            "NetworkStack, which it is in, does not",
        ),
        ("Key", "/DeletionPolicy", json!("Retain"), "after a first deployment that fails"),
        ("Proxy", "/Properties/RequireTLS", json!(false), "without TLS or IAM"),
        (
            "ReplicationGroup",
            "/Properties/TransitEncryptionEnabled",
            json!(false),
            "not encrypted",
        ),
        ("ReplicationGroup", "/Properties/MultiAZEnabled", json!(false), "the loss of a zone"),
        ("ReplicationGroup", "/Properties/UserGroupIds", Value::Null, "without a user"),
        (
            "User",
            "/Properties/AccessString",
            json!("on ~* +@all"),
            "more than the functions do",
        ),
        ("SubnetC", "", Value::Null, "2 zones instead of 3"),
        ("SubnetA", "/Properties/MapPublicIpOnLaunch", json!(true), "public addresses"),
        ("Vpc", "", json!({"Type": "AWS::EC2::NatGateway"}), "NAT gateway"),
        ("Vpc", "", json!({"Type": "AWS::EC2::Route"}), "a route to the internet"),
        ("SqsEndpoint", "", Value::Null, "cannot reach sqs"),
        (
            "S3Endpoint",
            "/Properties/PolicyDocument/Statement/1/Resource",
            json!("*"),
            "cannot answer CloudFormation",
        ),
        (
            "User",
            "/Properties/UserId",
            json!("summarease-CacheStack-1A2B3C4D5E6F7"),
            "lower-case letters",
        ),
        ("Proxy", "/Properties/DBProxyName", json!("Summarease"), "lower-case letters"),
        ("Cluster", "/Properties/GlobalClusterIdentifier", json!("earth"), "is a secondary"),
        (
            "PrescaleRole",
            "/Properties/Policies/0/PolicyDocument/Statement/8/Action",
            json!(["lambda:GetProvisionedConcurrencyConfig"]),
            "lacks lambda:PutProvisionedConcurrencyConfig",
        ),
        (
            "PrescaleRole",
            "/Properties/Policies/0/PolicyDocument/Statement/9/Condition",
            Value::Null,
            "to everything",
        ),
        (
            "StoreGroup",
            "/Properties/SecurityGroupIngress/0/CidrIp",
            json!("0.0.0.0/0"),
            "from every address",
        ),
        (
            "ExpressDead",
            "",
            Value::Null,
            "ExpressDeadLetters has no alarm on ApproximateNumberOfMessagesVisible",
        ),
        (
            "StandardLate",
            "",
            Value::Null,
            "StandardQueue has no alarm on ApproximateAgeOfOldestMessage",
        ),
        ("RedriveErrors", "", Value::Null, "Redrive has no alarm on Errors"),
        (
            "LedgerThrottledRequests",
            "",
            Value::Null,
            "LedgerTable has no alarm on ThrottledRequests",
        ),
        ("ClusterAtBound", "", Value::Null, "no alarm on ServerlessDatabaseCapacity"),
        (
            "ClusterAtBound",
            "/Properties/Dimensions/0/Name",
            json!("DBClusterIdentifier"),
            "no metric ServerlessDatabaseCapacity with the dimensions",
        ),
        (
            "ClusterAtBound",
            "/Properties/TreatMissingData",
            json!("notBreaching"),
            "does not notice that its metric is missing",
        ),
        (
            "NodesBusy",
            "/Properties",
            json!({
                "Namespace": "AWS/ElastiCache", "MetricName": "EngineCPUUtilization", "TreatMissingData": "breaching",
                "Dimensions": [{"Name": "ReplicationGroupId", "Value": "summarease"}],
            }),
            "no metric EngineCPUUtilization with the dimensions",
        ),
        (
            "NodesBusy",
            "/Properties/Metrics/0/Expression",
            json!(r#"SELECT MAX(EngineCPUUtilization) FROM SCHEMA("AWS/ElastiCache", ReplicationGroupId)"#),
            "no metric EngineCPUUtilization with the dimensions",
        ),
        (
            "NodesBusy",
            "/Properties/Metrics/0/Expression",
            json!(r#"SELECT MAX(EngineCPUUtilization) FROM "AWS/ElastiCache" GROUP BY ReplicationGroupId"#),
            "no metric EngineCPUUtilization with the dimensions",
        ),
        (
            "NodesFull",
            "/Properties/Metrics/0/Expression",
            json!(r#"SELECT MAX(DatabaseMemory) FROM SCHEMA("AWS/ElastiCache", CacheClusterId, CacheNodeId)"#),
            "no metric DatabaseMemory",
        ),
        (
            "NodesFull",
            "/Properties/Metrics/0/Expression",
            json!("SELECT MAX(DatabaseMemoryUsagePercentage)"),
            "cannot be read",
        ),
        (
            "NodesFull",
            "/Properties/TreatMissingData",
            json!("notBreaching"),
            "does not notice that its metric is missing",
        ),
        (
            "DeployAlarm",
            "/Properties/Metrics/1/MetricStat/Metric/Dimensions/0/Name",
            json!("Function"),
            "no metric Errors with the dimensions",
        ),
        (
            "ProxyPinned",
            "",
            Value::Null,
            "no alarm on DatabaseConnectionsCurrentlySessionPinned",
        ),
        ("Down", "", Value::Null, "the service is down"),
        (
            "Down",
            "/Properties/ActionsSuppressor",
            json!({"Ref": "DeployAlarm"}),
            "silent while another alarm is on",
        ),
        (
            "Dashboard",
            "/Properties/DashboardName",
            json!("summarease"),
            "as in every other region",
        ),
        (
            "ApiRole",
            "/Properties/RoleName",
            json!("summarease-api"),
            "as in every other region",
        ),
        (
            "Dashboard",
            "/Properties/DashboardBody",
            json!(r#"{"widgets":[{"properties":{"metrics":[["SummarEase","Smiles"]]}}]}"#),
            "which nothing emits",
        ),
    ];
    every_defect_is_caught(&estate("scale-use1"), &defects);
}

#[test]
fn seeded_defects_of_a_single_instance_are_caught() {
    let defects: Vec<Defect> = vec![
        ("Instance", "/DeletionPolicy", json!("Delete"), "deleted by mistake"),
        ("Instance", "/UpdateReplacePolicy", Value::Null, "deleted by mistake"),
        ("Instance", "/Properties/StorageEncrypted", json!(false), "not encrypted"),
    ];
    every_defect_is_caught(&estate("startup"), &defects);
}

#[test]
fn seeded_defects_of_copied_backups_are_caught() {
    let rule = "/Properties/BackupPlan/BackupPlanRule/0";
    let place = |field: &str| format!("{rule}/{field}");
    let (copies, kept) = (place("CopyActions"), place("CopyActions/0/Lifecycle/DeleteAfterDays"));
    let defects: Vec<Defect> = vec![
        ("Plan", &copies, Value::Null, "copies nothing"),
        ("Plan", &kept, json!(13), "before the backups they are of"),
        (
            "Selection",
            "/Properties/BackupSelection/Resources",
            json!("DirectoryTable, LedgerTable"),
            "leaves out DatabaseArn",
        ),
        (
            "Selection",
            "/Properties/BackupSelection/Resources",
            json!("DatabaseArn, LedgerTable"),
            "leaves out DirectoryTable",
        ),
        (
            "BackupFailed",
            "/Properties/Metrics/0/Expression",
            json!(r#"SELECT SUM(NumberOfBackupJobsFailed) FROM "AWS/Vault""#),
            "no metric NumberOfBackupJobsFailed",
        ),
        ("BackupCopyFailed", "", Value::Null, "no alarm on NumberOfCopyJobsFailed"),
        ("Vault", "/DeletionPolicy", json!("Retain"), "after a first deployment that fails"),
        (
            "ServerlessCache",
            "/Properties/SubnetIds",
            json!("${SubnetA},${SubnetB}"),
            "never get other subnets",
        ),
        (
            "ReaderA",
            "/Properties/EnablePerformanceInsights",
            json!(true),
            "that Performance Insights needs",
        ),
    ];
    every_defect_is_caught(&estate("growth"), &defects);
}

#[test]
fn seeded_defects_of_a_region_among_several_are_caught() {
    let check = "/Properties/HealthCheckConfig/ResourcePath";
    let settings = "/Properties/RouteSettings/GET ~1v1~1health~1routing";
    let [rate, burst] = ["ThrottlingRateLimit", "ThrottlingBurstLimit"].map(|limit| format!("{settings}/{limit}"));
    let defects: Vec<Defect> = vec![
        ("HealthCheck", check, json!("/v1/health/deep"), "more than accepting a job needs"),
        ("HttpApiRoutingRoute", "", Value::Null, "no route of its own"),
        ("HttpApiStage", "/Properties/RouteSettings", Value::Null, "together with clients"),
        ("HttpApiStage", &burst, Value::Null, "together with clients"),
        ("HttpApiStage", &rate, json!(100), "lets anyone use up the throttle"),
        ("HttpApiStage", &burst, json!(100), "lets anyone use up the throttle"),
        ("HttpApiStage", "/DependsOn", Value::Null, "may not be made yet"),
        (
            "Domain",
            "/Properties/DomainNameConfigurations/0/IpAddressType",
            Value::Null,
            "IPv6 address",
        ),
    ];
    let region = super::environments::region_among_several();
    assert!(region.root["HttpApiStage"].pointer(settings).is_some());
    every_defect_is_caught(&region, &defects);
}

#[test]
fn seeded_defects_of_templates_that_stand_alone_are_caught() {
    let group = "/Properties/Rules/2/Statement/ManagedRuleGroupStatement";
    let place = |field: &str| format!("{group}/{field}");
    let (overrides, first, name, vendor) = (
        place("RuleActionOverrides"),
        place("RuleActionOverrides/0/ActionToUse"),
        place("Name"),
        place("VendorName"),
    );
    let edge: Vec<Defect> = vec![
        ("Firewall", &overrides, Value::Null, "takes for an attack"),
        ("Firewall", &first, json!({"Block": {}}), "takes for an attack"),
        (
            "Firewall",
            &name,
            json!("AWSManagedRulesCommonRuleSet"),
            "AWSManagedRulesCommonRuleSet is no group",
        ),
        (
            "Firewall",
            &name,
            json!("AWSManagedRulesSQLiRuleSet"),
            "AWSManagedRulesSQLiRuleSet is no group",
        ),
        ("Firewall", &vendor, json!("Somebody"), "is no group"),
        (
            "Firewall",
            "/Properties/Rules/0/Statement",
            json!({"SizeConstraintStatement": {"FieldToMatch": {"Body": {}}, "ComparisonOperator": "GT", "Size": 8192}}),
            "the rule rate refuses a request for its body",
        ),
        (
            "Firewall",
            "/Properties/Rules/0/Statement",
            json!({"AndStatement": {"Statements": [{"NotStatement": {"Statement": {"SqliMatchStatement": {"FieldToMatch": {"JsonBody": {"MatchScope": "ALL"}}}}}}]}}),
            "the rule rate refuses a request for its body",
        ),
        (
            "Firewall",
            "/Properties/Rules/0/Statement",
            json!({"LabelMatchStatement": {"Scope": "LABEL", "Key": "awswaf:managed:aws:known-bad-inputs:Log4JRCE_Body"}}),
            "the rule rate refuses a request for its body",
        ),
        (
            "Firewall",
            "/Properties/Rules/0/Statement",
            json!({"RuleGroupReferenceStatement": {"Arn": "group"}}),
            "nobody knows whether the group",
        ),
    ];
    let global: Vec<Defect> = vec![
        ("GlobalCluster", "/DeletionPolicy", json!("Retain"), "first deployment that fails"),
        ("LedgerTable", "/DeletionPolicy", json!("Retain"), "first deployment that fails"),
    ];
    let vault: Vec<Defect> = vec![("Vault", "/DeletionPolicy", json!("Retain"), "first deployment that fails")];
    for (file, values) in ALONE {
        let defects = match file {
            "edge.yaml" => &edge,
            "global.yaml" => &global,
            _ => &vault,
        };
        every_defect_is_caught(&alone(file, values).unwrap(), defects);
    }
}

fn every_defect_is_caught(clean: &Estate, defects: &[Defect]) {
    assert_eq!(findings(clean), Vec::<String>::new());
    for defect in defects {
        let mut spoiled = Estate {
            environment: clean.environment.clone(),
            root: clean.root.clone(),
            nested: clean.nested.clone(),
        };
        spoil(&mut spoiled, defect);
        let found = findings(&spoiled);
        assert!(found.iter().any(|finding| finding.contains(defect.3)), "{defect:?} gave {found:?}");
    }
}
