//! The lanes' queues and their dead-letter queues.

use super::estate::{Estate, number};

pub(super) fn queues(estate: &Estate, findings: &mut Vec<String>) {
    let queues = estate.properties("AWS::SQS::Queue");
    for (name, queue) in &queues {
        if queue["SqsManagedSseEnabled"] != true && queue["KmsMasterKeyId"].is_null() {
            findings.push(format!("{name} is not encrypted"));
        }
        if number(&queue["MessageRetentionPeriod"]) != Some(1_209_600.0) {
            findings.push(format!("{name} does not keep messages for 14 days"));
        }
        let target = &queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0];
        let fed = queues
            .iter()
            .any(|(_, other)| other["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0] == *name);
        if fed {
            if queue["RedriveAllowPolicy"]["redrivePermission"] != "byQueue" {
                findings.push(format!("{name} takes dead letters from any queue"));
            }
        } else if target.is_null() {
            findings.push(format!("{name} has no dead-letter queue"));
        } else if number(&queue["RedrivePolicy"]["maxReceiveCount"]) != Some(5.0) {
            findings.push(format!(
                "{name} does not move a message to its dead-letter queue after five receives"
            ));
        }
    }
}
