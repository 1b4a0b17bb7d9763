//! Names that AWS changes to lower case.

use super::estate::Estate;
use crate::template::stack::text;

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
}
