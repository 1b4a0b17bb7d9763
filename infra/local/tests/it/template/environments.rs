//! Every environment keeps the rules, and each phase has its values.

use std::fs;

use local::{
    checkout::workspace,
    template::{
        self,
        rules::{Estate, findings},
    },
};
use serde_json::json;
use shared::capacity::{CapacityPlan, Lever, Prices};

use super::estate;

#[test]
fn every_environment_keeps_the_rules() {
    for environment in template::environments().unwrap().into_keys() {
        assert_eq!(findings(&estate(&environment)), Vec::<String>::new(), "{environment}");
    }
}

/// Regions that belong together share tables, documents and a domain name.
pub(super) fn region_among_several() -> Estate {
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
    template::estate("scale-euw1", &(region, parameters)).unwrap().0
}

#[test]
fn a_region_among_several_keeps_the_rules() {
    let estate = region_among_several();
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
        "/v1/health/routing"
    );
}

/// The values of a capacity plan are those of its environment.
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
        let plan = CapacityPlan::parse(&file, &text, &prices).unwrap();
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
            // A serverless cache serves 30,000 units a second at once, so a minimum below that is of
            // no use (docs.aws.amazon.com/AmazonElastiCache/latest/dg/Scaling.html).
            (
                Lever::Cache,
                "CacheMaxEcpuPerSecond",
                is("Cache", "serverless") && value("CacheMaxEcpuPerSecond") > 30_000.0,
            ),
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

/// The values of the three phases.
#[test]
fn the_phases_have_their_values() {
    let environments = template::environments().unwrap();
    let names: Vec<_> = environments.keys().map(String::as_str).collect();
    assert_eq!(names, ["growth", "scale", "scale-apse1", "scale-euw1", "scale-use1", "startup"]);
    let table = [
        ("Database", "rds", "aurora", "aurora"),
        ("MinAcu", "1", "1", "4"),
        ("MaxAcu", "8", "8", "64"),
        ("PerformanceInsights", "true", "false", "true"),
        ("Readers", "1", "1", "2"),
        ("BackupRetentionDays", "7", "14", "35"),
        ("BackupCopyRegion", "", "us-west-2", ""),
        ("DeletionProtection", "true", "true", "true"),
        ("ProxyMaxConnectionsPercent", "60", "75", "75"),
        ("ProxyMaxIdlePercent", "20", "20", "40"),
        ("ProxyBorrowSeconds", "5", "5", "3"),
        ("Cache", "serverless", "serverless", "cluster"),
        ("CacheMaxStorageGb", "1", "5", "1"),
        ("CacheMaxEcpuPerSecond", "5000", "20000", "5000"),
        ("CacheSnapshotDays", "0", "1", "1"),
        ("CacheShards", "2", "2", "2"),
        ("CacheReplicasPerShard", "1", "1", "1"),
        ("ApiMemory", "256", "256", "512"),
        ("ApiReserved", "10", "100", "1000"),
        ("ApiProvisioned", "0", "2", "20"),
        ("ApiProvisionedMin", "1", "2", "10"),
        ("ApiProvisionedMax", "2", "20", "200"),
        ("ExpressMemory", "1024", "1024", "1024"),
        ("StandardMemory", "1024", "1024", "1769"),
        ("BulkMemory", "1024", "1769", "3538"),
        ("ExpressConcurrency", "2", "4", "100"),
        ("ExpressReserved", "6", "8", "104"),
        ("StandardReserved", "6", "12", "68"),
        ("BulkReserved", "6", "8", "36"),
        ("ExpressPollers", "0", "0", "10"),
        ("StandardConcurrency", "2", "8", "64"),
        ("BulkLane", "false", "true", "true"),
        ("BulkConcurrency", "2", "4", "32"),
        ("StandardBatchSize", "1", "5", "10"),
        ("BulkBatchSize", "1", "10", "50"),
        ("BulkWindowSeconds", "0", "2", "5"),
        ("WorkerTimeout", "60", "60", "60"),
        ("ThrottleRate", "20", "200", "2000"),
        ("ThrottleBurst", "40", "400", "4000"),
        ("LogRetentionDays", "7", "30", "90"),
        ("AvailabilityZones", "2", "2", "3"),
        ("GradualDeployments", "false", "true", "true"),
        ("Prescaling", "false", "true", "true"),
        ("CapacityPlan", "growth", "growth", "scale"),
        ("TrafficShift", "AllAtOnce", "Canary10Percent5Minutes", "Canary10Percent10Minutes"),
    ];
    for (name, startup, growth, scale) in table {
        for (environment, wanted) in [("startup", startup), ("growth", growth), ("scale", scale)] {
            assert_eq!(environments[environment].1[name], wanted, "{name} of {environment}");
        }
    }
    for region in ["scale-use1", "scale-euw1", "scale-apse1"] {
        assert_eq!(environments[region].1, environments["scale"].1, "{region} is scale elsewhere");
        assert!(environments[region].0.is_some(), "{region} names its region");
    }
}
