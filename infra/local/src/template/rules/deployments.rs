//! How new versions get traffic, and what runs on a schedule.

use super::estate::{Estate, mentions, number};

pub(super) fn deployments(estate: &Estate, findings: &mut Vec<String>) {
    let aliases = estate.of("AWS::Lambda::Alias");
    for (name, _) in estate.properties("AWS::Lambda::Function") {
        let alias = aliases
            .iter()
            .find(|(_, alias)| alias["Properties"]["Name"] == "live" && alias["Properties"]["FunctionName"]["Ref"] == name);
        let in_traffic = name == "Api" || name.starts_with("Summarize");
        let Some((_, alias)) = alias.filter(|_| in_traffic) else {
            if in_traffic {
                findings.push(format!("{name} has no alias `live`"));
            }
            continue;
        };
        if estate.is_large() && alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"].is_null() {
            findings.push(format!("{name} is deployed all at once"));
        }
        if estate.is_large() && alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["BeforeAllowTrafficHook"].is_null() {
            findings.push(format!("{name} gets traffic before the canary has passed"));
        }
    }
    let hooks = estate.count("AWS::CodeDeploy::DeploymentGroup");
    for (name, function) in estate.properties("AWS::Lambda::Function") {
        let reserved = number(&function["ReservedConcurrentExecutions"]);
        if name == "Canary" && reserved.is_some_and(|reserved| reserved < hooks + 1.0) {
            findings.push(format!("{name} cannot run for {hooks} deployments and on its schedule at once"));
        }
    }
    for (name, group) in estate.properties("AWS::CodeDeploy::DeploymentGroup") {
        if group["AlarmConfiguration"]["Alarms"].as_array().is_none_or(Vec::is_empty) {
            findings.push(format!("{name} has no alarm that stops a deployment"));
        }
        if !mentions(&group["DeploymentConfigName"], "Canary10Percent") {
            findings.push(format!("{name} shifts all traffic at once"));
        }
    }
    for (name, schedule) in estate.properties("AWS::Scheduler::Schedule") {
        // The smallest phase has no capacity plan, so nothing of it is scaled ahead of demand.
        let needed = estate.nested.contains_key("monitoring.yaml") && (estate.is_large() || !name.starts_with("Prescale"));
        if needed && schedule["State"] == "DISABLED" {
            findings.push(format!("{name} is disabled"));
        }
        if !schedule["Name"].is_null() {
            findings.push(format!("{name} has a name that another stack's schedule may have"));
        }
    }
}
