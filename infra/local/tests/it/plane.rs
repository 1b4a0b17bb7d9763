//! The AWS of load runs answers as MiniStack does, and keeps what it has acknowledged.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command},
};

use aws_config::SdkConfig;
use aws_sdk_sqs::{
    Client,
    error::ProvideErrorMetadata,
    types::{DeleteMessageBatchRequestEntry, MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry},
};
use local::checkout;
use serde_json::json;
use shared::{
    job::{Job, JobId, Lane, RegionTag, Submission, SummaryResource},
    ledger::Ledger,
};
use time::OffsetDateTime;
use tokio::net::TcpListener;

use crate::cloud::{SUPERVISOR, comes_true, region};

/// The AWS of load runs in a process of its own.
struct Plane {
    dir: PathBuf,
    ports: [u16; 2],
    process: Child,
}

impl Plane {
    async fn start(name: &str) -> Self {
        let dir = checkout::local().join("test-planes").join(name);
        fs::remove_dir_all(&dir)
            .or_else(|error| if dir.exists() { Err(error) } else { Ok(()) })
            .unwrap();
        let mut ports = [0; 2];
        for port in &mut ports {
            *port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        }
        let plane = Self {
            process: Self::process(&dir, ports),
            dir,
            ports,
        };
        plane.answers().await;
        plane
    }

    fn process(dir: &PathBuf, ports: [u16; 2]) -> Child {
        let ports = ports.map(|port| port.to_string());
        Command::new(SUPERVISOR).arg("plane").arg(dir).args(ports).spawn().unwrap()
    }

    async fn answers(&self) {
        let address = format!("http://127.0.0.1:{}/_calls", self.ports[0]);
        comes_true("the plane answers", async || reqwest::get(&address).await.is_ok()).await;
    }

    async fn kill_and_start_again(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = Self::process(&self.dir, self.ports);
        self.answers().await;
    }

    async fn sdk(&self, port: usize) -> SdkConfig {
        let sdk = region().await.sdk.into_builder();
        sdk.endpoint_url(format!("http://127.0.0.1:{}", self.ports[port])).build()
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What one server says to a script of calls, a line for each.
#[expect(clippy::too_many_lines, reason = "it is one script")]
async fn said(sqs: &Client) -> Vec<String> {
    let mut said = Vec::new();
    let make = async |name: &str, attributes: &[(QueueAttributeName, String)]| {
        let mut request = sqs.create_queue().queue_name(name);
        for (name, value) in attributes {
            request = request.attributes(name.clone(), value);
        }
        request.send().await.unwrap().queue_url.unwrap()
    };
    let letters = make("honest-dead", &[]).await;
    let arn = sqs
        .get_queue_attributes()
        .queue_url(&letters)
        .attribute_names(QueueAttributeName::QueueArn);
    let arn = arn
        .send()
        .await
        .unwrap()
        .attributes
        .unwrap()
        .remove(&QueueAttributeName::QueueArn)
        .unwrap();
    let redrive = json!({"deadLetterTargetArn": arn, "maxReceiveCount": "3"}).to_string();
    let queue = make(
        "honest",
        &[
            (QueueAttributeName::VisibilityTimeout, "30".to_owned()),
            (QueueAttributeName::RedrivePolicy, redrive),
        ],
    )
    .await;
    let receive = async |queue: &str, most: i32, wait: i32| {
        let request = sqs
            .receive_message()
            .queue_url(queue)
            .max_number_of_messages(most)
            .wait_time_seconds(wait);
        let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
        request.send().await.unwrap().messages.unwrap_or_default()
    };
    let counts = async |queue: &str| {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request = sqs.get_queue_attributes().queue_url(queue).attribute_names(QueueAttributeName::All);
        let found = request.send().await.unwrap().attributes.unwrap();
        names.map(|name| found[&name].clone()).join(" and ")
    };
    let shown = |messages: &[aws_sdk_sqs::types::Message]| {
        let mut shown: Vec<String> = messages
            .iter()
            .map(|message| {
                let attributes = message.attributes.as_ref().unwrap();
                let of = |name| attributes.get(&name).cloned().unwrap_or_default();
                format!(
                    "{} of {:?} for the {}. time, {}",
                    message.body.as_deref().unwrap(),
                    of(MessageSystemAttributeName::MessageGroupId),
                    of(MessageSystemAttributeName::ApproximateReceiveCount),
                    message.md5_of_body.as_deref().unwrap()
                )
            })
            .collect();
        shown.sort();
        shown.join("; ")
    };

    said.push(format!("empty: {}", shown(&receive(&queue, 10, 0).await)));
    let sent = sqs
        .send_message()
        .queue_url(&queue)
        .message_body("one ☃")
        .message_group_id("a")
        .send()
        .await
        .unwrap();
    said.push(format!("sent: {:?}", sent.md5_of_message_body));
    let first = receive(&queue, 10, 1).await;
    said.push(format!("received: {}", shown(&first)));
    said.push(format!("invisible: {}", shown(&receive(&queue, 10, 0).await)));
    said.push(format!("counts: {}", counts(&queue).await));
    let delay = async |receipt: &str, seconds| {
        let request = sqs
            .change_message_visibility()
            .queue_url(&queue)
            .receipt_handle(receipt)
            .visibility_timeout(seconds);
        request.send().await.map(drop).map_err(|error| error.code().map(str::to_owned))
    };
    let receipt = |messages: &[aws_sdk_sqs::types::Message]| messages[0].receipt_handle.clone().unwrap();
    said.push(format!("given back: {:?}", delay(&receipt(&first), 0).await));
    let second = receive(&queue, 10, 1).await;
    said.push(format!("again: {}", shown(&second)));
    said.push(format!("given back: {:?}", delay(&receipt(&second), 1).await));
    // It waits longer than the message is invisible.
    let third = receive(&queue, 10, 5).await;
    said.push(format!("after a second: {}", shown(&third)));
    said.push(format!("given back: {:?}", delay(&receipt(&third), 0).await));
    said.push(format!("too often: {}", shown(&receive(&queue, 10, 1).await)));
    let dead = receive(&letters, 10, 1).await;
    said.push(format!("dead: {} {}", dead.len(), dead[0].body.as_deref().unwrap()));
    sqs.delete_message()
        .queue_url(&letters)
        .receipt_handle(receipt(&dead))
        .send()
        .await
        .unwrap();
    said.push(format!("counts: {} and dead {}", counts(&queue).await, counts(&letters).await));

    let batch = async |ids: &[&str]| {
        let mut request = sqs.send_message_batch().queue_url(&queue);
        for id in ids {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(*id)
                .message_body(format!("body {id}"))
                .message_group_id("b");
            request = request.entries(entry.build().unwrap());
        }
        match request.send().await {
            Ok(reply) => {
                let ids: Vec<String> = reply
                    .successful
                    .iter()
                    .map(|entry| format!("{} {}", entry.id, entry.md5_of_message_body))
                    .collect();
                format!("{ids:?} and {} failed", reply.failed.len())
            }
            // The names of SQS in its two protocols differ by a prefix.
            Err(error) => format!(
                "refused: {}",
                error.code().unwrap_or_default().trim_start_matches("AWS.SimpleQueueService.")
            ),
        }
    };
    said.push(format!("batch: {}", batch(&["a", "b", "c"]).await));
    said.push(format!("empty batch: {}", batch(&[]).await));
    said.push(format!("equal ids: {}", batch(&["a", "a"]).await));
    said.push(format!(
        "eleven: {}",
        batch(&["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]).await
    ));
    let mut received = Vec::new();
    while received.len() < 3 {
        received.extend(receive(&queue, 10, 1).await);
    }
    said.push(format!("batch received: {}", shown(&received)));
    let mut request = sqs.delete_message_batch().queue_url(&queue);
    for (number, message) in received.iter().enumerate() {
        let entry = DeleteMessageBatchRequestEntry::builder().id(number.to_string());
        request = request.entries(entry.receipt_handle(message.receipt_handle.clone().unwrap()).build().unwrap());
    }
    let deleted = request.send().await.unwrap();
    said.push(format!("deleted: {} and {} failed", deleted.successful.len(), deleted.failed.len()));
    said.push(format!("counts: {}", counts(&queue).await));
    sqs.send_message()
        .queue_url(&queue)
        .message_body("late")
        .delay_seconds(1)
        .send()
        .await
        .unwrap();
    said.push(format!("delayed: {}", shown(&receive(&queue, 10, 0).await)));
    said.push(format!("not any more: {}", shown(&receive(&queue, 10, 5).await)));
    said
}

#[tokio::test]
async fn its_queues_answer_as_those_of_ministack() {
    let plane = Plane::start("queues").await;
    let (ours, theirs) = (Client::new(&plane.sdk(0).await), Client::new(&region().await.sdk));
    let (ours, theirs) = tokio::join!(said(&ours), said(&theirs));
    assert_eq!(ours, theirs);
}

#[tokio::test]
async fn a_tenant_with_many_messages_does_not_delay_the_others() {
    let plane = Plane::start("turns").await;
    let sqs = Client::new(&plane.sdk(0).await);
    let queue = sqs.create_queue().queue_name("turns").send().await.unwrap().queue_url.unwrap();
    let send = async |group: &str, number: usize| {
        let request = sqs
            .send_message()
            .queue_url(&queue)
            .message_group_id(group)
            .message_body(format!("{group} {number}"));
        request.send().await.unwrap();
    };
    for number in 0..50 {
        send("noisy", number).await;
    }
    send("quiet", 0).await;
    let received = sqs
        .receive_message()
        .queue_url(&queue)
        .max_number_of_messages(2)
        .send()
        .await
        .unwrap();
    let bodies: Vec<_> = received.messages.unwrap().into_iter().filter_map(|message| message.body).collect();
    assert_eq!(bodies, ["noisy 0", "quiet 0"]);
}

fn job() -> Job {
    let (_, request) = Submission::parse(br#"{"text":"One. Two."}"#).unwrap();
    let id = JobId::new(RegionTag::from_region("us-east-1"), uuid::Uuid::now_v7());
    Job {
        tenant: "acme".to_owned().try_into().unwrap(),
        key: None,
        resource: SummaryResource::queued(id, Lane::Standard, "us-east-1".to_owned(), OffsetDateTime::now_utc(), request),
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_the_end_of_the_process() {
    let mut plane = Plane::start("kept").await;
    let sqs = Client::new(&plane.sdk(0).await);
    let queue = sqs.create_queue().queue_name("kept").send().await.unwrap().queue_url.unwrap();
    for body in ["deleted", "kept"] {
        sqs.send_message().queue_url(&queue).message_body(body).send().await.unwrap();
    }
    let received = sqs.receive_message().queue_url(&queue).send().await.unwrap().messages.unwrap();
    let receipt = received[0].receipt_handle.clone().unwrap();
    sqs.delete_message().queue_url(&queue).receipt_handle(receipt).send().await.unwrap();
    let tables = plane.sdk(1).await;
    local::load::system::make_tables(&tables).await.unwrap();
    let ledger = Ledger::new(&tables, "ledger".to_owned()).gathering();
    let jobs: Vec<Job> = (0..60).map(|_| job()).collect();
    for outcome in futures::future::join_all(jobs.iter().map(|job| ledger.accept(job, None))).await {
        outcome.unwrap();
    }

    plane.kill_and_start_again().await;

    let received = sqs
        .receive_message()
        .queue_url(&queue)
        .max_number_of_messages(10)
        .send()
        .await
        .unwrap();
    let bodies: Vec<_> = received.messages.unwrap().into_iter().filter_map(|message| message.body).collect();
    assert_eq!(bodies, ["kept"]);
    for job in &jobs {
        assert_eq!(ledger.find(&job.resource.id).await.unwrap().as_ref(), Some(job));
    }
}
