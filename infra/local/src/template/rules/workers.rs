//! The event source mappings that feed the workers, and how many workers they may start.

use super::estate::{Estate, mentions, number};

pub(super) fn mappings(estate: &Estate, findings: &mut Vec<String>) {
    for (name, mapping) in estate.properties("AWS::Lambda::EventSourceMapping") {
        if !mentions(&mapping["FunctionResponseTypes"], "ReportBatchItemFailures") {
            findings.push(format!("{name} reports no partial batch failures"));
        }
        if !mapping["FilterCriteria"].is_null() {
            findings.push(format!("{name} has a filter, which deletes what it does not match"));
        }
        let bounded = mapping["ScalingConfig"]["MaximumConcurrency"].is_null();
        let polled = mapping["ProvisionedPollerConfig"]["MaximumPollers"].is_null();
        if bounded == polled {
            findings.push(format!("{name} needs either MaximumConcurrency or provisioned pollers"));
        }
        let batch = number(&mapping["BatchSize"]).unwrap_or(10.0);
        let window = number(&mapping["MaximumBatchingWindowInSeconds"]).unwrap_or(0.0);
        if batch > 10.0 && window < 1.0 {
            findings.push(format!("{name} has batches of more than 10 without a window"));
        }
        let queue = mapping["EventSourceArn"]["Fn::GetAtt"][0].as_str().unwrap_or_default();
        let visibility = number(&estate.root[queue]["Properties"]["VisibilityTimeout"]).unwrap_or(30.0);
        let timeout = estate
            .function(&mapping["FunctionName"])
            .and_then(|(_, function)| number(&function["Timeout"]));
        if timeout.is_none_or(|timeout| visibility < 6.0 * timeout + window) {
            findings.push(format!(
                "{queue}: a visibility time-out of {visibility} s is below six times the worker's plus the window"
            ));
        }
    }
}

pub(super) fn concurrency(estate: &Estate, findings: &mut Vec<String>) {
    for (name, mapping) in estate.properties("AWS::Lambda::EventSourceMapping") {
        let Some((worker, function)) = estate.function(&mapping["FunctionName"]) else {
            findings.push(format!("{name} sends messages to no function of this template"));
            continue;
        };
        // A provisioned poller runs up to ten workers.
        let most = number(&mapping["ScalingConfig"]["MaximumConcurrency"])
            .or_else(|| Some(10.0 * number(&mapping["ProvisionedPollerConfig"]["MaximumPollers"])?))
            .unwrap_or(f64::INFINITY);
        // Each gradual deployment invokes the worker once, beside what the lane starts, and all
        // versions of a function share what is reserved.
        let hooks = estate.count("AWS::CodeDeploy::DeploymentGroup");
        match number(&function["ReservedConcurrentExecutions"]) {
            Some(reserved) if reserved < most + hooks => {
                findings.push(format!(
                    "{worker} reserves {reserved}, but its lane starts up to {most} and deployments {hooks} more"
                ));
            }
            None if estate.is_large() => findings.push(format!("{worker} reserves no concurrency")),
            _ => {}
        }
    }
    for (name, alias) in estate.properties("AWS::Lambda::Alias") {
        let provisioned = number(&alias["ProvisionedConcurrencyConfig"]["ProvisionedConcurrentExecutions"]).unwrap_or(0.0);
        let reserved = estate
            .function(&alias["FunctionName"])
            .and_then(|(_, function)| number(&function["ReservedConcurrentExecutions"]));
        if reserved.is_some_and(|reserved| provisioned > reserved) {
            findings.push(format!("{name} provisions more than is reserved"));
        }
    }
    for (name, target) in estate.properties("AWS::ApplicationAutoScaling::ScalableTarget") {
        let (least, most) = (number(&target["MinCapacity"]), number(&target["MaxCapacity"]));
        // The function `prescale` sets the number of readers, so minimum and maximum may be equal.
        if target["ServiceNamespace"] != "lambda" {
            continue;
        }
        if least >= most {
            findings.push(format!("{name} has a minimum that is not below its maximum"));
        }
        let functions = estate.properties("AWS::Lambda::Function");
        let scaled = functions
            .iter()
            .find(|(function, _)| mentions(&target["ResourceId"], &format!("${{{function}}}")));
        let reserved = scaled.and_then(|(_, function)| number(&function["ReservedConcurrentExecutions"]));
        if reserved.is_some_and(|reserved| most > Some(reserved)) {
            findings.push(format!("{name} may provision more than is reserved"));
        }
    }
}
