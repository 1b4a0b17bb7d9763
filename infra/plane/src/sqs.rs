//! The wire format of SQS: JSON, as the SDKs of AWS have sent it since 2023
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html>).

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Error, Result};
use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::queues::{NoQueue, Queues, Received, Sent};

/// The account in addresses. It has no meaning.
const ACCOUNT: &str = "000000000000";
/// The most bytes of a message, and of all messages of a call.
const BYTES: usize = 1024 * 1024;
/// The most messages of a call.
const CALL: usize = 10;

/// A request that is refused: the code and the cause.
struct Refusal(&'static str, String);

impl From<NoQueue> for Refusal {
    fn from(_: NoQueue) -> Self {
        Self("QueueDoesNotExist", "The queue does not exist.".to_owned())
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        Self("InvalidParameterValue", error.to_string())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self("InternalFailure", format!("{error:#}"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    queue_name: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    queue_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Of {
    queue_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    #[serde(default)]
    id: String,
    #[serde(rename = "MessageBody")]
    body: String,
    #[serde(default, rename = "MessageGroupId")]
    group: String,
    #[serde(default)]
    delay_seconds: u64,
}

#[derive(Deserialize)]
struct Redrive {
    #[serde(rename = "deadLetterTargetArn")]
    target: String,
    #[serde(rename = "maxReceiveCount")]
    most: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Receive {
    #[serde(default)]
    max_number_of_messages: Option<usize>,
    #[serde(default)]
    visibility_timeout: Option<u64>,
    #[serde(default)]
    wait_time_seconds: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Receipt {
    #[serde(default)]
    id: String,
    #[serde(rename = "ReceiptHandle")]
    handle: String,
    #[serde(default)]
    visibility_timeout: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entries<T> {
    #[serde(default = "Vec::new")]
    entries: Vec<T>,
}

/// Answers a request.
pub(crate) async fn answer(queues: &Queues, action: &str, body: &[u8]) -> Response {
    let json = [(header::CONTENT_TYPE, "application/x-amz-json-1.0")];
    match act(queues, action, body).await {
        Ok(answer) => (json, answer.to_string()).into_response(),
        Err(Refusal(code, message)) => {
            let status = if code == "InternalFailure" {
                StatusCode::INTERNAL_SERVER_ERROR
            } else {
                StatusCode::BAD_REQUEST
            };
            let error = json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": message});
            (status, json, error.to_string()).into_response()
        }
    }
}

async fn act(queues: &Queues, action: &str, body: &[u8]) -> Result<Value, Refusal> {
    match action {
        "CreateQueue" => {
            let create: Create = parse(body)?;
            let seconds = create.attributes.get("VisibilityTimeout").and_then(|seconds| seconds.parse().ok());
            let redrive = create
                .attributes
                .get("RedrivePolicy")
                .map(|policy| serde_json::from_str::<Redrive>(policy))
                .transpose()?;
            let dead = redrive.map(|redrive| {
                let most = redrive.most.as_u64().or_else(|| redrive.most.as_str()?.parse().ok());
                (
                    name(&redrive.target).to_owned(),
                    most.and_then(|most| u32::try_from(most).ok()).unwrap_or(u32::MAX),
                )
            });
            queues.create(&create.queue_name, Duration::from_secs(seconds.unwrap_or(30)), dead)?;
            Ok(json!({"QueueUrl": url(&create.queue_name)}))
        }
        "GetQueueUrl" => {
            let named: Named = parse(body)?;
            if queues.exists(&named.queue_name) {
                Ok(json!({"QueueUrl": url(&named.queue_name)}))
            } else {
                Err(NoQueue.into())
            }
        }
        "GetQueueAttributes" => {
            let queue = of(body)?;
            let counts = queues.counts(&queue)?;
            Ok(json!({"Attributes": {
                "QueueArn": format!("arn:aws:sqs:local:{ACCOUNT}:{queue}"),
                "ApproximateNumberOfMessages": counts.visible.to_string(),
                "ApproximateNumberOfMessagesNotVisible": counts.invisible.to_string(),
            }}))
        }
        "SendMessage" => {
            let message: Message = parse(body)?;
            let hash = hash(&message.body);
            let ids = send(queues, &of(body)?, vec![message])?;
            Ok(json!({"MessageId": ids[0], "MD5OfMessageBody": hash}))
        }
        "SendMessageBatch" => {
            let entries: Entries<Message> = parse(body)?;
            let answers = entries.entries.iter().map(|entry| (entry.id.clone(), hash(&entry.body)));
            let answers: Vec<(String, String)> = answers.collect();
            check_batch(answers.iter().map(|(id, _)| id.as_str()))?;
            let ids = send(queues, &of(body)?, entries.entries)?;
            let successful = answers.into_iter().zip(ids);
            let successful = successful.map(|((entry, hash), id)| json!({"Id": entry, "MessageId": id, "MD5OfMessageBody": hash}));
            Ok(json!({"Successful": successful.collect::<Vec<_>>(), "Failed": []}))
        }
        "ReceiveMessage" => {
            let receive: Receive = parse(body)?;
            let most = receive.max_number_of_messages.unwrap_or(1);
            if !(1..=CALL).contains(&most) || receive.wait_time_seconds > 20 {
                return Err(invalid("MaxNumberOfMessages is from 1 to 10, and WaitTimeSeconds at most 20."));
            }
            let visibility = receive.visibility_timeout.map(Duration::from_secs);
            let wait = Duration::from_secs(receive.wait_time_seconds);
            let received = queues.receive(&of(body)?, most, visibility, wait).await??;
            Ok(json!({"Messages": received.into_iter().map(shown).collect::<Vec<_>>()}))
        }
        "DeleteMessage" => {
            let receipt: Receipt = parse(body)?;
            queues.delete(&of(body)?, &[&receipt.handle])??;
            Ok(json!({}))
        }
        "DeleteMessageBatch" => {
            let entries: Entries<Receipt> = parse(body)?;
            check_batch(entries.entries.iter().map(|entry| entry.id.as_str()))?;
            let receipts: Vec<&str> = entries.entries.iter().map(|entry| entry.handle.as_str()).collect();
            queues.delete(&of(body)?, &receipts)??;
            let successful: Vec<Value> = entries.entries.iter().map(|entry| json!({"Id": entry.id})).collect();
            Ok(json!({"Successful": successful, "Failed": []}))
        }
        "ChangeMessageVisibility" => {
            let receipt: Receipt = parse(body)?;
            let visibility = Duration::from_secs(receipt.visibility_timeout);
            if queues.delay(&of(body)?, &receipt.handle, visibility)? {
                Ok(json!({}))
            } else {
                Err(Refusal(
                    "MessageNotInflight",
                    "The receipt handle is not that of an invisible message.".to_owned(),
                ))
            }
        }
        _ => Err(Refusal("InvalidAction", format!("This server has no {action}."))),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    Ok(serde_json::from_slice(body)?)
}

/// The queue that a request is about.
fn of(body: &[u8]) -> Result<String, Refusal> {
    let of: Of = parse(body)?;
    Ok(of.queue_url.rsplit('/').next().unwrap_or_default().to_owned())
}

/// The queue in an ARN.
fn name(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

/// The SDKs send a request to the host in this address only if no endpoint is set, so that it can be any.
fn url(queue: &str) -> String {
    format!("http://localhost/{ACCOUNT}/{queue}")
}

fn hash(body: &str) -> String {
    format!("{:x}", md5::compute(body))
}

fn invalid(message: &str) -> Refusal {
    Refusal("InvalidParameterValue", message.to_owned())
}

/// Checks the ids of a batch.
fn check_batch<'a>(ids: impl Iterator<Item = &'a str>) -> Result<(), Refusal> {
    let mut ids: Vec<&str> = ids.collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    let refused = |code, message: &str| Err(Refusal(code, message.to_owned()));
    match count {
        0 => refused("EmptyBatchRequest", "The batch has no entry."),
        _ if count > CALL => refused("TooManyEntriesInBatchRequest", "A batch has at most ten entries."),
        _ if ids.len() < count => refused("BatchEntryIdsNotDistinct", "Two entries have the same id."),
        _ => Ok(()),
    }
}

fn send(queues: &Queues, queue: &str, messages: Vec<Message>) -> Result<Vec<String>, Refusal> {
    let bytes: usize = messages.iter().map(|message| message.body.len()).sum();
    if bytes > BYTES {
        return Err(Refusal(
            "BatchRequestTooLong",
            format!("The messages have {bytes} bytes. {BYTES} are allowed."),
        ));
    }
    if messages
        .iter()
        .any(|message| message.body.is_empty() || message.delay_seconds > 900)
    {
        return Err(invalid("A message has a body, and a delay of at most 900 seconds."));
    }
    let messages = messages.into_iter().map(|message| Sent {
        body: message.body,
        group: message.group,
        delay: Duration::from_secs(message.delay_seconds),
    });
    Ok(queues.send(queue, messages.collect())??)
}

fn shown(message: Received) -> Value {
    let milliseconds = |moment: SystemTime| moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string();
    let mut attributes = json!({
        "ApproximateReceiveCount": message.receives.to_string(),
        "ApproximateFirstReceiveTimestamp": milliseconds(message.first_received_at),
        "SentTimestamp": milliseconds(message.sent_at),
    });
    if !message.group.is_empty() {
        attributes["MessageGroupId"] = message.group.into();
    }
    json!({
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "MD5OfBody": hash(&message.body),
        "Body": message.body,
        "Attributes": attributes,
    })
}
