//! The PostgreSQL database and the proxy in front of it.

use serde_json::Value;

use super::estate::{Estate, is_true, mentions, number, waits_for};

pub(super) fn database(estate: &Estate, findings: &mut Vec<String>) {
    let members = estate.properties("AWS::RDS::DBInstance");
    for (name, instance) in &members {
        if instance["PubliclyAccessible"] != false {
            findings.push(format!("{name} can be reached from the internet"));
        }
    }
    let single = members
        .iter()
        .filter(|(_, instance)| instance["DBClusterIdentifier"].is_null())
        .count();
    if estate.is_large() && (single > 0 || members.len() < 2) {
        findings.push("the database is in a single zone".to_owned());
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
        // A change of the phase can take the database out of the template. DeletionPolicy alone keeps
        // it then.
        let stays = database["UpdateReplacePolicy"] == "Retain" && database["DeletionPolicy"] == "RetainExceptOnCreate";
        if !is_true(&properties["DeletionProtection"]) || !stays {
            findings.push(format!("{name} can be deleted by mistake"));
        }
        if number(&properties["BackupRetentionPeriod"]).is_none_or(|days| days < 7.0) {
            findings.push(format!("{name} keeps backups for less than a week"));
        }
        let secondary = !properties["GlobalClusterIdentifier"].is_null();
        let master = ["MasterUsername", "DatabaseName"].iter().all(|name| properties[*name].is_null());
        if secondary && (!master || properties["EnableGlobalWriteForwarding"] != true) {
            findings.push(format!(
                "{name} is a secondary: it must take users and databases from its primary, and forward writes"
            ));
        }
        let capacity = &properties["ServerlessV2ScalingConfiguration"];
        if number(&capacity["MinCapacity"]) > number(&capacity["MaxCapacity"]) {
            findings.push(format!("{name} has a minimum above its maximum"));
        }
        // docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2.setting-capacity.html
        let small = number(&capacity["MinCapacity"]).is_some_and(|capacity| capacity < 2.0);
        for (member, instance) in members
            .iter()
            .filter(|(_, one)| one["DBClusterIdentifier"].is_null() == capacity.is_null())
        {
            let watched = is_true(&instance["EnablePerformanceInsights"]);
            if watched && small {
                findings.push(format!("{member} has less than the two units that Performance Insights needs"));
            }
            if !watched && !small {
                findings.push(format!("{member} has no performance insights"));
            }
        }
        if secondary
            && estate
                .of(TARGET)
                .iter()
                .any(|(_, target)| target["Properties"]["ServiceNamespace"] == "rds")
        {
            findings.push(format!("{name} is a secondary, which Application Auto Scaling does not support"));
        }
    }
    for (name, group) in estate.properties("AWS::RDS::DBClusterParameterGroup") {
        if group["Parameters"]["apg_write_forward.consistency_mode"] != "eventual" {
            findings.push(format!("{name} has a consistency mode that RDS Proxy does not support"));
        }
    }
    for (name, proxy) in estate.properties("AWS::RDS::DBProxy") {
        if proxy["RequireTLS"] != true || proxy["DefaultAuthScheme"] != "IAM_AUTH" {
            findings.push(format!("{name} takes connections without TLS or IAM"));
        }
    }
    proxies(estate, &members, findings);
}

const TARGET: &str = "AWS::ApplicationAutoScaling::ScalableTarget";

/// How a proxy reaches the instances of a cluster.
fn proxies(estate: &Estate, members: &[(&str, &Value)], findings: &mut Vec<String>) {
    for kind in ["AWS::RDS::DBProxy", "AWS::RDS::DBProxyEndpoint"] {
        for (name, proxy) in estate.properties(kind) {
            if proxy["VpcSubnetIds"].as_array().is_none_or(|subnets| subnets.len() != 2) {
                findings.push(format!(
                    "{name} can never get other subnets, so it must be in the two that every phase has"
                ));
            }
        }
    }
    for (name, target) in estate.of("AWS::RDS::DBProxyTargetGroup") {
        let properties = &target["Properties"];
        if properties["DBClusterIdentifiers"].is_null() {
            continue;
        }
        // github.com/aws/aws-cdk/issues/31304
        for (member, _) in members {
            if !waits_for(target, member) {
                findings.push(format!("{name} registers the cluster before {member} is ready"));
            }
        }
        // A writer needs a quarter of its connections for the writes that other regions forward
        // (docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-proxy-connections.html).
        let share = &properties["ConnectionPoolConfigurationInfo"]["MaxConnectionsPercent"];
        if number(share).is_none_or(|share| share > 75.0) {
            findings.push(format!("{name} leaves no connections for forwarded writes"));
        }
    }
    for (name, target) in estate.of(TARGET) {
        if target["Properties"]["ServiceNamespace"] == "rds" && !mentions(&target["DependsOn"], "ClusterTarget") {
            findings.push(format!("{name} adds readers while the template still makes them"));
        }
    }
}
