//! How each function runs, logs and is configured.

use super::estate::{Estate, number};
use crate::template::stack::{entries, text};

pub(super) fn functions(estate: &Estate, findings: &mut Vec<String>) {
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
        for (variable, value) in entries(&function["Environment"]["Variables"]) {
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
