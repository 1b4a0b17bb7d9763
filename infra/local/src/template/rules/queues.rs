//! The lanes' queues and their dead-letter queues.

use serde_json::Value;
use shared::job::MOST_RECEIVES;

use super::estate::{Estate, number};

const DAY: f64 = 86_400.0;
const WEEK: f64 = 7.0 * DAY;
/// SQS keeps no message longer. A message keeps the time of its submission when it moves to a
/// dead-letter queue, so that the time in its lane counts there too
/// (docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html).
const LONGEST: f64 = 14.0 * DAY;

fn kept(queue: &Value) -> f64 {
    number(&queue["MessageRetentionPeriod"]).unwrap_or(4.0 * DAY)
}

pub(super) fn queues(estate: &Estate, findings: &mut Vec<String>) {
    let queues = estate.properties("AWS::SQS::Queue");
    for (name, queue) in &queues {
        if queue["SqsManagedSseEnabled"] != true && queue["KmsMasterKeyId"].is_null() {
            findings.push(format!("{name} is not encrypted"));
        }
        let target = &queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0];
        let fed = queues
            .iter()
            .any(|(_, other)| other["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0] == *name);
        if fed {
            if queue["RedriveAllowPolicy"]["redrivePermission"] != "byQueue" {
                findings.push(format!("{name} takes dead letters from any queue"));
            }
            if kept(queue) != LONGEST {
                findings.push(format!("{name} does not keep dead letters for 14 days"));
            }
        } else if target.is_null() {
            findings.push(format!("{name} has no dead-letter queue"));
        } else {
            if number(&queue["RedrivePolicy"]["maxReceiveCount"]) != Some(f64::from(MOST_RECEIVES)) {
                findings.push(format!(
                    "{name} does not move a message to its dead-letter queue after {MOST_RECEIVES} receives"
                ));
            }
            if !(WEEK..=LONGEST - 4.0 * DAY).contains(&kept(queue)) {
                findings.push(format!(
                    "{name} must keep messages for a week at least, and four days less than its dead-letter queue"
                ));
            }
        }
    }
}
