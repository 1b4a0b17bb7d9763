//! The PostgreSQL database and the proxy in front of it.

use super::estate::{Estate, is_true, number};

pub(super) fn database(estate: &Estate, findings: &mut Vec<String>) {
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
                "{name} is a secondary: it must take users and databases from its primary, and forward writes"
            ));
        }
        let capacity = &properties["ServerlessV2ScalingConfiguration"];
        if number(&capacity["MinCapacity"]) > number(&capacity["MaxCapacity"]) {
            findings.push(format!("{name} has a minimum above its maximum"));
        }
    }
    for (name, proxy) in estate.properties("AWS::RDS::DBProxy") {
        if proxy["RequireTLS"] != true || proxy["DefaultAuthScheme"] != "IAM_AUTH" {
            findings.push(format!("{name} takes connections without TLS or IAM"));
        }
    }
}
