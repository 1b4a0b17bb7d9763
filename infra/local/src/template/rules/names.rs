//! Names, and the resources that keep theirs.

use serde_json::Value;

use super::estate::{Estate, mentions};
use crate::template::{REGIONS, stack::text};

/// AWS changes these names to lower case. Tokens are signed for the changed name, and roles name
/// it, so a name with capital letters would match neither.
pub(super) fn names(estate: &Estate, findings: &mut Vec<String>) {
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
    // These belong to the account and not to a region, so that a second region cannot make one of
    // the same name.
    for (kind, property) in [
        ("AWS::CloudWatch::Dashboard", "DashboardName"),
        ("AWS::IAM::Role", "RoleName"),
        ("AWS::S3::Bucket", "BucketName"),
    ] {
        for (resource, properties) in estate.properties(kind) {
            let name = text(&properties[property]);
            if !properties[property].is_null() && !REGIONS.iter().any(|region| name.contains(region)) {
                findings.push(format!("{resource} is named {name}, as in every other region"));
            }
        }
    }
}

/// A resource that stays when its stack is deleted must not stay when the first deployment fails,
/// because the next one would find its name taken. What stays also needs what it is in.
pub(super) fn kept(estate: &Estate, findings: &mut Vec<String>) {
    for (name, resource) in estate.all() {
        // A version has no name of its own, and goes with its function.
        if resource["DeletionPolicy"] == "Retain" && resource["Type"] != "AWS::Lambda::Version" {
            findings.push(format!("{name} stays after a first deployment that fails"));
        }
    }
    let stays = |resource: &Value| mentions(&resource["DeletionPolicy"], "Retain");
    let nests = estate.of("AWS::CloudFormation::Stack");
    for (name, nest) in nests.iter().filter(|(_, nest)| stays(nest)) {
        for (used, _) in nests.iter().filter(|(_, other)| !stays(other)) {
            let outputs = format!("[\"{used}\",\"Outputs.");
            if mentions(&nest["Properties"], &outputs) {
                findings.push(format!(
                    "{name} stays when the stack is deleted, but {used}, which it is in, does not"
                ));
            }
        }
    }
}
