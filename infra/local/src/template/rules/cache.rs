//! The Valkey cache and its users.

use super::estate::Estate;
use crate::template::stack::text;

pub(super) fn cache(estate: &Estate, findings: &mut Vec<String>) {
    for (name, group) in estate.properties("AWS::ElastiCache::ReplicationGroup") {
        if group["TransitEncryptionEnabled"] != true || group["AtRestEncryptionEnabled"] != true {
            findings.push(format!("{name} is not encrypted"));
        }
        if group["AutomaticFailoverEnabled"] != true || group["MultiAZEnabled"] != true {
            findings.push(format!("{name} does not survive the loss of a zone"));
        }
        if group["UserGroupIds"].is_null() {
            findings.push(format!("{name} accepts connections without a user"));
        }
    }
    for (name, cache) in estate.properties("AWS::ElastiCache::ServerlessCache") {
        if cache["UserGroupId"].is_null() {
            findings.push(format!("{name} accepts connections without a user"));
        }
        if cache["CacheUsageLimits"]["DataStorage"]["Maximum"].is_null() || cache["CacheUsageLimits"]["ECPUPerSecond"]["Maximum"].is_null()
        {
            findings.push(format!("{name} has no limit"));
        }
        if cache["SubnetIds"].as_array().is_none_or(|subnets| subnets.len() != 2) {
            findings.push(format!(
                "{name} can never get other subnets, so it must be in the two that every phase has"
            ));
        }
    }
    for (name, user) in estate.properties("AWS::ElastiCache::User") {
        let access = text(&user["AccessString"]);
        if user["AuthenticationMode"]["Type"] != "iam" || access.contains("+@all") || !access.contains("-@dangerous") {
            findings.push(format!("{name} may do more than the functions do"));
        }
    }
}
