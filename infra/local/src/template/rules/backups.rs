//! Copies of the stores in another region.

use super::estate::{Estate, mentions, number};
use crate::template::stack::text;

/// All stores have copies in another region, and a copy is kept as long as the backup that it is
/// of.
pub(super) fn backups(estate: &Estate, findings: &mut Vec<String>) {
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
