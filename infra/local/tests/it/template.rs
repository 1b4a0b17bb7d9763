//! What the templates must hold, checked on the CloudFormation that AWS makes of them.

use std::{collections::BTreeSet, fs};

use local::{
    instance::workspace,
    python::Environment,
    template::{
        self, REGIONS,
        rules::{Estate, findings},
        stack::{self, Parameters, Stack},
    },
};
use serde_json::{Value, json};
use shared::capacity::{Lever, Plan, Prices};

use crate::cloud::region;

fn estate(environment: &str) -> Estate {
    Environment::Tools.install().unwrap();
    template::estate(environment, &template::environments().unwrap()[environment])
        .unwrap()
        .0
}

#[test]
fn every_environment_keeps_the_rules() {
    for environment in template::environments().unwrap().into_keys() {
        assert_eq!(findings(&estate(&environment)), Vec::<String>::new(), "{environment}");
    }
}

/// Several regions share tables, documents and a name.
#[test]
fn a_region_among_several_keeps_the_rules() {
    let (region, mut parameters) = template::environments().unwrap()["scale-euw1"].clone();
    let shared = [
        ("DirectoryTableName", "summarease-global-directory"),
        ("LedgerTableName", "summarease-global-ledger"),
        ("GlobalClusterId", "summarease-global"),
        ("Writes", "forwarded"),
        ("ReplicaBucketArn", "arn:aws:s3:::elsewhere"),
        ("DomainName", "api.example.com"),
        ("HostedZoneId", "Z0"),
    ];
    parameters.extend(shared.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let (estate, _) = template::estate("scale-euw1", &(region, parameters)).unwrap();
    assert_eq!(findings(&estate), Vec::<String>::new());
    assert!(!estate.root.contains_key("LedgerTable"), "the tables are not made a second time");
    assert!(estate.root.contains_key("ReplicationRole") && estate.nested.contains_key("domain.yaml"));
    let record = &estate.nested["domain.yaml"]["Record"]["Properties"];
    assert_eq!(
        (&record["SetIdentifier"], &record["Region"]),
        (&json!("eu-west-1"), &json!("eu-west-1"))
    );
    assert_eq!(
        estate.nested["domain.yaml"]["HealthCheck"]["Properties"]["HealthCheckConfig"]["ResourcePath"],
        "/v1/health/deep"
    );
}

/// What is done to an estate: to a resource of the root or of a nested stack, at a JSON pointer.
/// `null` takes the place away.
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

/// A check that cannot fail proves nothing.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn seeded_defects_are_caught() {
    let defects: Vec<Defect> = vec![
        ("StandardQueue", "/Properties/VisibilityTimeout", json!(359), "six times"),
        ("BulkQueue", "/Properties/VisibilityTimeout", json!(364), "six times"),
        ("ExpressQueue", "/Properties/RedrivePolicy", Value::Null, "no dead-letter queue"),
        ("ExpressQueue", "/Properties/RedrivePolicy/maxReceiveCount", json!(1000), "give up"),
        ("BulkDeadLetters", "/Properties/RedriveAllowPolicy", Value::Null, "from any queue"),
        ("BulkDeadLetters", "/Properties/MessageRetentionPeriod", json!(345_600), "14 days"),
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
            "reserves 64 of the 65",
        ),
        (
            "SummarizeExpress",
            "/Properties/ReservedConcurrentExecutions",
            json!(99),
            "reserves 99 of the 100",
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
        ("ApiScaling", "/Properties/MaxCapacity", json!(10), "no room to scale"),
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
            "ApiRole",
            "/Properties/Policies/0/PolicyDocument/Statement/2/Action",
            json!("dynamodb:*"),
            "anything of a kind",
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
        ("HttpApiPermission", "/Properties/SourceArn", Value::Null, "lets anyone"),
        ("SummarizeBulkAliaslive", "", Value::Null, "no alias `live`"),
        ("ApiAliaslive", "/UpdatePolicy", Value::Null, "all at once"),
        (
            "ApiAliaslive",
            "/UpdatePolicy/CodeDeployLambdaAliasUpdate/BeforeAllowTrafficHook",
            Value::Null,
            "before it was tried",
        ),
        ("CanaryOften", "/Properties/State", json!("DISABLED"), "never fires"),
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
        ("LedgerTable", "/UpdateReplacePolicy", Value::Null, "goes away with its stack"),
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
        (
            "Cluster",
            "/Properties/ServerlessV2ScalingConfiguration/MinCapacity",
            json!(65),
            "floor above",
        ),
        ("Proxy", "/Properties/RequireTLS", json!(false), "without TLS or IAM"),
        (
            "ReplicationGroup",
            "/Properties/TransitEncryptionEnabled",
            json!(false),
            "not encrypted",
        ),
        (
            "ReplicationGroup",
            "/Properties/MultiAZEnabled",
            json!(false),
            "does not survive a zone",
        ),
        ("ReplicationGroup", "/Properties/UserGroupIds", Value::Null, "lets anyone in"),
        (
            "User",
            "/Properties/AccessString",
            json!("on ~* +@all"),
            "more than the functions do",
        ),
        ("SubnetC", "", Value::Null, "2 zones instead of 3"),
        ("SubnetA", "/Properties/MapPublicIpOnLaunch", json!(true), "public addresses"),
        ("Vpc", "", json!({"Type": "AWS::EC2::NatGateway"}), "NAT gateway"),
        ("Vpc", "", json!({"Type": "AWS::EC2::Route"}), "a way out"),
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
            "/Properties/Policies/0/PolicyDocument/Statement/7/Action",
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
            "lets everyone in",
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
        ("Down", "", Value::Null, "the service is down"),
        (
            "Dashboard",
            "/Properties/DashboardBody",
            json!(r#"{"widgets":[{"properties":{"metrics":[["SummarEase","Smiles"]]}}]}"#),
            "which nothing emits",
        ),
    ];
    every_defect_is_caught("scale-use1", &defects);
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
        ("BackupCopyFailed", "", Value::Null, "no alarm on NumberOfCopyJobsFailed"),
    ];
    every_defect_is_caught("growth", &defects);
}

fn every_defect_is_caught(environment: &str, defects: &[Defect]) {
    let clean = estate(environment);
    assert!(findings(&clean).is_empty());
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

/// The root template as CloudFormation, its parameters not filled in.
fn translated() -> Value {
    Environment::Tools.install().unwrap();
    let text = template::translate("template.yaml", &Parameters::new(), REGIONS[0]).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_wrong_mix_of_parameters_is_refused() {
    let template = translated();
    let refusals = |pairs: &[(&str, &str)]| {
        let given = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Stack::new("summarease", &template, &given, REGIONS[0]).refusals().join("; ")
    };
    let brought = [
        ("DatabaseUrl", "postgres://a@b:5432/c"),
        ("DatabaseDirectUrl", "postgres://a@b:5432/c"),
        ("ValkeyUrl", "redis://b:6379"),
    ];
    assert_eq!(refusals(&brought), "");
    for (change, says) in [
        (("DatabaseUrl", ""), "Database=bring needs DatabaseUrl"),
        (("DatabaseDirectUrl", ""), "needs DatabaseDirectUrl"),
        (("ValkeyUrl", ""), "Cache=bring needs ValkeyUrl"),
        (("Database", "aurora"), "a database made here needs Network=create"),
        (("Cache", "serverless"), "ValkeyUrl is for Cache=bring only"),
        (("BackupCopyRegion", REGIONS[0]), "another region than this one"),
        (("BackupCopyRegion", REGIONS[1]), "needs a database made here"),
        (("GlobalClusterId", "earth"), "GlobalClusterId needs Database=aurora"),
        (("Writes", "forwarded"), "Writes=forwarded needs Database=aurora"),
        (("LedgerTableName", "ledger"), "either both tables are global or none"),
        (("DomainName", "api.example.com"), "DomainName needs HostedZoneId"),
        (("GradualDeployments", "true"), "GradualDeployments needs Monitoring"),
        (("CapacityPlan", "guess"), "CapacityPlan may not be guess"),
        (("AvailabilityZones", "1"), "AvailabilityZones may not be 1"),
        (("ExpressConcurrency", "1"), "ExpressConcurrency is out of bounds"),
        (("WorkerTimeout", "61"), "WorkerTimeout may not be 61"),
        (("Colour", "blue"), "there is no parameter Colour"),
    ] {
        let mut pairs = brought.to_vec();
        pairs.retain(|(name, _)| *name != change.0);
        pairs.push(change);
        let found = refusals(&pairs);
        assert!(found.contains(says), "{change:?} gave {found:?}");
    }
    let planned = [brought.as_slice(), &[("Prescaling", "true"), ("BulkLane", "false")]].concat();
    assert!(refusals(&planned).contains("Prescaling needs BulkLane"));
}

/// What a plan says of its phase is what the phase has.
#[test]
fn capacity_plans_fit_their_environments() {
    let prices = Prices::parse(&fs::read_to_string(workspace().join("infra/cost.toml")).unwrap()).unwrap();
    let mut planned = 0;
    for (name, (_, values)) in template::environments().unwrap() {
        let is = |parameter: &str, wanted: &str| values.get(parameter).is_some_and(|value| value == wanted);
        if !is("Prescaling", "true") {
            continue;
        }
        let file = format!("infra/capacity/{}.toml", values["CapacityPlan"]);
        let text = fs::read_to_string(workspace().join(&file)).unwrap();
        let plan = Plan::parse(&file, &text, &prices).unwrap();
        let value = |parameter: &str| values.get(parameter).map_or(0.0, |value| value.parse::<f64>().unwrap());
        let memory = plan.work.worker_memory_mb;
        for (says, parameter) in [
            (plan.work.api_memory_mb, "ApiMemory"),
            (memory.express, "ExpressMemory"),
            (memory.standard, "StandardMemory"),
            (memory.bulk, "BulkMemory"),
        ] {
            assert!(
                (says - value(parameter)).abs() < 1e-9,
                "{name}: {file} says {says}, {parameter} is {}",
                value(parameter)
            );
        }
        for (lever, parameter, is_there) in [
            (Lever::Warm, "ApiProvisionedMax", value("ApiProvisioned") > 0.0),
            (Lever::Express, "ExpressConcurrency", true),
            (Lever::Standard, "StandardConcurrency", true),
            (Lever::Bulk, "BulkConcurrency", true),
            (Lever::Acus, "MaxAcu", is("Database", "aurora")),
            (Lever::Cache, "CacheMaxEcpuPerSecond", is("Cache", "serverless")),
        ] {
            let ceiling = plan.levers.get(&lever).map(|bounds| bounds.ceiling);
            assert_eq!(ceiling, is_there.then(|| value(parameter)), "{name}: {file}, {lever}");
        }
        let pollers = plan.levers[&Lever::Express].multiple_of;
        assert_eq!(pollers, (value("ExpressPollers") > 0.0).then_some(10.0), "{name}: whole pollers");
        planned += 1;
    }
    assert!(planned >= 5, "growth, scale and its regions: {planned}");
}

/// The three phases, as they were decided.
#[test]
fn the_phases_have_their_values() {
    let environments = template::environments().unwrap();
    let names: Vec<_> = environments.keys().map(String::as_str).collect();
    assert_eq!(names, ["growth", "scale", "scale-apse1", "scale-euw1", "scale-use1", "startup"]);
    let table = [
        ("Database", "rds", "aurora", "aurora"),
        ("MinAcu", "-", "1", "4"),
        ("MaxAcu", "-", "8", "64"),
        ("Readers", "-", "1", "2"),
        ("BackupRetentionDays", "7", "14", "35"),
        ("BackupCopyRegion", "-", "us-west-2", "-"),
        ("DeletionProtection", "true", "true", "true"),
        ("ProxyMaxConnectionsPercent", "60", "80", "80"),
        ("ProxyMaxIdlePercent", "20", "20", "40"),
        ("ProxyBorrowSeconds", "5", "5", "3"),
        ("Cache", "serverless", "serverless", "cluster"),
        ("CacheMaxStorageGb", "1", "5", "-"),
        ("CacheMaxEcpuPerSecond", "5000", "20000", "-"),
        ("CacheSnapshotDays", "0", "1", "1"),
        ("CacheShards", "-", "-", "2"),
        ("CacheReplicasPerShard", "-", "-", "1"),
        ("ApiMemory", "256", "256", "512"),
        ("ApiReserved", "10", "100", "1000"),
        ("ApiProvisioned", "0", "2", "20"),
        ("ApiProvisionedMin", "-", "2", "10"),
        ("ApiProvisionedMax", "-", "20", "200"),
        ("ExpressMemory", "1024", "1024", "1024"),
        ("StandardMemory", "1024", "1024", "1769"),
        ("BulkMemory", "1024", "1769", "3538"),
        ("ExpressConcurrency", "2", "4", "100"),
        ("ExpressPollers", "-", "-", "10"),
        ("StandardConcurrency", "2", "8", "64"),
        ("BulkLane", "false", "true", "true"),
        ("BulkConcurrency", "-", "4", "32"),
        ("StandardBatchSize", "1", "5", "10"),
        ("BulkBatchSize", "1", "10", "50"),
        ("BulkWindowSeconds", "0", "2", "5"),
        ("WorkerTimeout", "60", "60", "60"),
        ("ThrottleRate", "20", "200", "2000"),
        ("ThrottleBurst", "40", "400", "4000"),
        ("LogRetentionDays", "7", "30", "90"),
        ("AvailabilityZones", "2", "2", "3"),
        ("GradualDeployments", "false", "true", "true"),
        ("Prescaling", "-", "true", "true"),
        ("CapacityPlan", "-", "growth", "scale"),
        ("TrafficShift", "-", "Canary10Percent5Minutes", "Canary10Percent10Minutes"),
    ];
    for (name, startup, growth, scale) in table {
        for (environment, wanted) in [("startup", startup), ("growth", growth), ("scale", scale)] {
            let value = environments[environment].1.get(name).map_or("-", String::as_str);
            assert_eq!(value, wanted, "{name} of {environment}");
        }
    }
    for region in ["scale-use1", "scale-euw1", "scale-apse1"] {
        assert_eq!(environments[region].1, environments["scale"].1, "{region} is scale elsewhere");
        assert!(environments[region].0.is_some(), "{region} names its region");
    }
}

/// The Rust of a folder, without its tests.
fn code_of(folder: &str) -> Vec<String> {
    let (mut code, mut folders) = (Vec::new(), vec![workspace().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(entry).unwrap();
                code.push(text.split("#[cfg(test)]").next().unwrap().to_owned());
            }
        }
    }
    code
}

/// What a function can come to run: its own code, and what that calls of the common crate, by name, and so on.
fn reach(function: &str) -> String {
    let mut reached = code_of(&format!("functions/{function}/src")).concat();
    let shared = code_of("shared/src");
    let mut unreached: Vec<&str> = shared.iter().flat_map(|file| file.split("fn ").skip(1)).collect();
    loop {
        let before = unreached.len();
        unreached.retain(|body| {
            let call = format!("{}(", &body[..body.find(['(', '<']).unwrap_or(0)]);
            let mut calls = reached.match_indices(&call).map(|(at, _)| &reached[..at]);
            let called = calls.any(|before| before.ends_with(['.', ':', ' ']));
            if called {
                reached += body;
            }
            !called
        });
        if unreached.len() == before {
            return reached;
        }
    }
}

#[test]
fn a_function_reaches_what_it_calls_and_nothing_else() {
    let (summarize, canary) = (reach("summarize"), reach("canary"));
    assert!(summarize.contains(".change_message_visibility()") && summarize.contains(".get_object()"));
    assert!(!canary.contains(".change_message_visibility()") && !canary.contains(".get_object()"));
}

/// Every right that a role has is one that its function's code makes use of. The local cloud's IAM holds the other direction.
#[test]
fn no_role_has_a_right_that_its_function_does_not_use() {
    // What Lambda and the scheduler do with a role, and what is decided where a connection begins.
    let by_service = [
        "lambda:InvokeFunction", "logs:", "xray:", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
    ];
    let by_token = ["rds-db:connect", "elasticache:Connect"];
    // What Application Auto Scaling tries in the caller's name, and only it.
    let on_behalf = |statement: &&Value| statement["Condition"]["Bool"]["aws:ViaAWSService"] == "true";
    // S3 answers 403 instead of 404 to those who may not list.
    let by_answer = ["s3:ListBucket"];
    let estate = estate("scale-use1");
    for (name, role) in estate
        .root
        .iter()
        .filter(|(name, resource)| resource["Type"] == "AWS::IAM::Role" && *name != "DeployRole")
    {
        let owner = name.trim_end_matches("Role").to_lowercase();
        let functions = ["api", "canary", "maintain", "prescale", "redrive"];
        let function = functions.into_iter().find(|function| *function == owner);
        let function = function.or(owner.starts_with("summarize").then_some("summarize"));
        // The role of a schedule has no code: it invokes.
        let code = function.map_or_else(String::new, reach);
        let statements = role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap();
        for action in statements
            .iter()
            .filter(|statement| !on_behalf(statement))
            .flat_map(|statement| match &statement["Action"] {
                Value::Array(actions) => actions.clone(),
                action => vec![action.clone()],
            })
        {
            let action = action.as_str().unwrap();
            if by_service
                .iter()
                .chain(&by_token)
                .chain(&by_answer)
                .any(|known| action.starts_with(known))
            {
                continue;
            }
            let call: String = action.split(':').nth(1).unwrap().chars().fold(String::new(), |mut call, c| {
                if c.is_uppercase() && !call.is_empty() {
                    call.push('_');
                }
                call.extend(c.to_lowercase());
                call
            });
            let call = call.replace("d_b_", "db_");
            assert!(
                code.contains(&format!(".{call}()")),
                "{name} may {action}, but its function never calls {call}"
            );
        }
    }
}

#[test]
fn every_metric_is_emitted_by_a_function() {
    let names = fs::read_to_string(workspace().join("shared/src/telemetry.rs")).unwrap();
    let mut code = String::new();
    for file in [
        "api/src/middleware.rs", "api/src/submit.rs", "summarize/src/worker.rs", "redrive/src/lib.rs", "maintain/src/lib.rs",
        "canary/src/lib.rs", "prescale/src/lib.rs",
    ] {
        code += &fs::read_to_string(workspace().join("functions").join(file)).unwrap();
    }
    for value in shared::telemetry::metric::ALL {
        let name = names
            .split(&format!(": &str = \"{value}\""))
            .next()
            .unwrap()
            .rsplit(' ')
            .next()
            .unwrap();
        assert!(code.contains(&format!("metric::{name}")), "{value} is emitted nowhere");
    }
}

#[test]
fn every_runbook_that_an_alarm_names_is_there() {
    let text = fs::read_to_string(workspace().join("infra/monitoring.yaml")).unwrap();
    let named: Vec<_> = text
        .split("See ")
        .skip(1)
        .map(|rest| rest.split_whitespace().next().unwrap().trim_end_matches('.'))
        .collect();
    assert!(named.len() >= 7);
    for path in named {
        assert!(workspace().join(path).is_file(), "{path}");
    }
}

/// A runbook is read at night: whatever its commands refer to, it says where to get.
#[test]
fn every_runbook_defines_what_it_uses() {
    let letters = |c: char| c.is_ascii_uppercase() || c == '_';
    for entry in fs::read_dir(workspace().join("infra/runbooks")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for used in text.split('$').skip(1) {
            let name = used.trim_start_matches('{');
            let name = &name[..name.find(|c| !letters(c)).unwrap_or(name.len())];
            let defined = [" ", "\n", "("].iter().any(|before| text.contains(&format!("{before}{name}=")));
            assert!(name.is_empty() || defined, "{} uses {name}", path.display());
        }
    }
}

#[test]
fn nothing_names_a_region_an_account_or_a_partition() {
    for file in template::NESTED
        .map(|name| format!("infra/{name}"))
        .into_iter()
        .chain(["template.yaml".to_owned()])
    {
        let text = fs::read_to_string(workspace().join(&file)).unwrap();
        for line in text.lines() {
            let region = ["us-", "eu-", "ap-"].iter().any(|area| {
                line.match_indices(area).any(|(at, _)| {
                    let rest = &line[at + area.len()..];
                    ["east-", "west-", "central-", "southeast-", "northeast-", "south-", "north-"]
                        .iter()
                        .any(|side| rest.starts_with(side))
                })
            });
            let account = line.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() == 12);
            assert!(!region && !account && !line.contains("arn:aws"), "{file}: {line}");
        }
    }
}

#[test]
fn every_function_that_reaches_postgres_waits_for_the_newest_migration() {
    let estate = estate("startup");
    assert_eq!(
        estate.root["Schema"]["Properties"]["Version"],
        shared::archive::Archive::newest_migration().to_string()
    );
    for (name, function) in estate
        .root
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::Lambda::Function")
    {
        let waits = function["DependsOn"].to_string().contains("Schema")
            || !function["Properties"]["Environment"]["Variables"]["SETTINGS"].is_null();
        assert_eq!(waits, !["Maintain", "Prescale"].contains(&name.as_str()), "{name}");
    }
}

/// A version is published when `Settings` changes, and an alias serves versions only.
#[test]
fn a_new_value_of_a_parameter_reaches_the_functions_behind_an_alias() {
    let template = translated();
    let brought = ["DatabaseUrl", "DatabaseDirectUrl", "ValkeyUrl", "SubnetIds", "SecurityGroupIds"];
    let bases = [
        brought.map(|name| (name.to_owned(), format!("of-{name}"))).into(),
        template::environments().unwrap()["growth"].1.clone(),
    ];
    let mut concern = BTreeSet::new();
    for base in bases {
        let settings_and_functions = |given: &Parameters| {
            let mut resources = Stack::new("summarease", &template, given, REGIONS[0]).resources();
            let functions = ["Api", "SummarizeExpress", "SummarizeStandard", "SummarizeBulk"].map(|name| {
                let mut function = resources.remove(name).unwrap()["Properties"].take();
                // Not a version's, but the function's.
                function.as_object_mut().unwrap().remove("ReservedConcurrentExecutions");
                assert!(
                    function["Environment"]["Variables"]["SETTINGS"].to_string().contains("Digest"),
                    "{name}"
                );
                function
            });
            (resources["Schema"]["Properties"]["Settings"].clone(), functions)
        };
        let before = settings_and_functions(&base);
        for (name, definition) in template["Parameters"].as_object().unwrap() {
            let is = base.get(name).cloned().unwrap_or_else(|| stack::text(&definition["Default"]));
            let allowed = definition["AllowedValues"].as_array().into_iter().flatten().map(stack::text);
            let others: Vec<String> = allowed.filter(|value| *value != is).collect();
            let other = others.first().cloned().unwrap_or_else(|| format!("{is}1"));
            let mut given = base.clone();
            given.insert(name.clone(), other);
            let after = settings_and_functions(&given);
            if after.1 != before.1 {
                assert_ne!(after.0, before.0, "{name} is not among the settings of Schema");
                concern.insert(name.clone());
            }
        }
    }
    assert!(concern.contains("StandardMemory") && concern.contains("DatabaseUrl"), "{concern:?}");
}

/// The emulator once dropped redrive policies and bounds without a word.
#[tokio::test]
async fn the_deployed_stack_has_the_bounds_of_the_template() {
    let region = region().await;
    let sqs = aws_sdk_sqs::Client::new(&region.sdk);
    for lane in ["Express", "Standard", "Bulk"] {
        let request = sqs.get_queue_attributes().queue_url(&region.outputs[&format!("{lane}Queue")]);
        let attributes = request
            .attribute_names(aws_sdk_sqs::types::QueueAttributeName::All)
            .send()
            .await
            .unwrap()
            .attributes
            .unwrap();
        let get = |name: &str| attributes.get(&name.into()).cloned().unwrap_or_default();
        assert_eq!(get("VisibilityTimeout"), "60");
        let policy: Value = serde_json::from_str(&get("RedrivePolicy")).unwrap();
        assert_eq!(policy["maxReceiveCount"].to_string().trim_matches('"'), "5");
        assert!(
            policy["deadLetterTargetArn"]
                .as_str()
                .unwrap()
                .ends_with(&format!("{}-dead-letters", lane.to_lowercase()))
        );
    }
    let lambda = aws_sdk_lambda::Client::new(&region.sdk);
    for lane in ["Express", "Standard", "Bulk"] {
        let worker = format!("{}:live", region.outputs[&format!("Summarize{lane}Function")]);
        let mappings = lambda.list_event_source_mappings().function_name(worker).send().await.unwrap();
        let mappings = mappings.event_source_mappings.unwrap();
        assert_eq!(mappings.len(), 1, "{lane}");
        assert_eq!(mappings[0].scaling_config().unwrap().maximum_concurrency(), Some(2), "{lane}");
    }
}
