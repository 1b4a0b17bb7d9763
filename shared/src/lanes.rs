//! The queues of the lanes in SQS.

use std::time::Duration;

use aws_sdk_sqs::{
    Client, Config,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry},
};
use futures::future::join_all;

use crate::{
    config::{self, ConfigError},
    gather::{Gather, Sink},
    job::{PerLane, TenantId},
    store::{BoxError, Chain, Store, StoreError},
};

/// The most messages of one call.
pub const CALL: usize = 10;
/// How long the answer to a long poll may take after its wait.
const ANSWER: Duration = Duration::from_secs(3);

/// An SQS queue.
#[derive(Clone)]
pub struct Queue {
    client: Client,
    url: String,
    /// Messages that are sent together with others.
    gathered: Option<Gather<Sending>>,
}

/// One queue for each lane.
pub type Lanes = PerLane<Queue>;

/// The environment variables with the URLs of the lanes.
pub const URLS: PerLane<&str> = PerLane {
    express: "EXPRESS_URL",
    standard: "STANDARD_URL",
    bulk: "BULK_URL",
};

/// A lane with so many waiting messages gets no dead letters back.
pub const FULL: f64 = 500.0;

/// The queues whose URLs are in these environment variables.
///
/// # Errors
/// If one of the variables is not set.
pub fn from_env(aws: &aws_config::SdkConfig, names: PerLane<&'static str>) -> Result<Lanes, ConfigError> {
    names.try_map(|name| Queue::from_env(aws, name))
}

impl Queue {
    /// The queue whose URL is in the environment variable `name`.
    ///
    /// # Errors
    /// If the variable is not set.
    pub fn from_env(aws: &aws_config::SdkConfig, name: &'static str) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::new(aws),
            url: config::required(name)?,
            gathered: None,
        })
    }

    /// Sends messages in calls of up to ten, which are gathered from requests at the same time.
    #[must_use]
    pub fn gathering(mut self) -> Self {
        self.gathered = Some(Gather::new(Sending(self.clone())));
        self
    }

    /// Sends a message. Its message group is the tenant, so that a tenant with very many messages
    /// delays mostly its own (fair queues of SQS).
    ///
    /// # Errors
    /// If SQS does not answer or refuses the message.
    pub async fn send(&self, tenant: &TenantId, body: String) -> Result<(), StoreError> {
        match &self.gathered {
            Some(gathered) => gathered.write((tenant.clone(), body)).await,
            None => self.send_later(tenant, body, 0).await,
        }
    }

    /// Sends a message that can be received after some seconds.
    ///
    /// # Errors
    /// If SQS does not answer or refuses the message.
    pub async fn send_later(&self, tenant: &TenantId, body: String, seconds: i32) -> Result<(), StoreError> {
        let request = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_group_id(tenant.as_str())
            .set_delay_seconds(Some(seconds).filter(|seconds| *seconds > 0))
            .message_body(body);
        request
            .send()
            .await
            .map(drop)
            .map_err(StoreError::because(Store::Lanes, "send a message"))
    }

    /// Makes received messages visible again after the given seconds. Each pair is a receipt handle
    /// and its seconds. One call is made for each message, all at the same time: such messages are
    /// rare, and IAM permissions exist only for the single call.
    ///
    /// # Errors
    /// If SQS does not answer or refuses one of the calls.
    pub async fn delay(&self, messages: &[(String, i32)]) -> Result<(), StoreError> {
        let requests = messages.iter().map(|(receipt, seconds)| {
            let request = self.client.change_message_visibility().queue_url(&self.url);
            request.receipt_handle(receipt).visibility_timeout(*seconds).send()
        });
        all(requests)
            .await
            .map_err(StoreError::because(Store::Lanes, "change the visibility timeout of messages"))
    }

    /// Receives up to so many messages, ten at most, with their receive counts. It waits up to so many
    /// seconds, 20 at most, for the first message.
    ///
    /// # Errors
    /// If SQS does not answer.
    pub async fn receive(&self, most: i32, wait: i32) -> Result<Vec<Message>, StoreError> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(most)
            .wait_time_seconds(wait);
        let request = request.message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        // The usual time-outs would end a long poll.
        let wait = Duration::from_secs(wait.unsigned_abs().into());
        let patient = TimeoutConfig::builder()
            .operation_attempt_timeout(wait + ANSWER)
            .operation_timeout(wait + ANSWER)
            .build();
        // A second poll could be given messages whose answer nobody reads any more.
        let patient = Config::builder().timeout_config(patient).retry_config(RetryConfig::disabled());
        let request = request.customize().config_override(patient);
        let reply = request
            .send()
            .await
            .map_err(StoreError::because(Store::Lanes, "receive messages"))?;
        Ok(reply.messages.unwrap_or_default())
    }

    /// Deletes received messages by their receipt handles.
    ///
    /// # Errors
    /// If SQS does not answer or refuses one of the calls.
    pub async fn delete(&self, receipts: &[String]) -> Result<(), StoreError> {
        let requests = receipts
            .iter()
            .map(|receipt| self.client.delete_message().queue_url(&self.url).receipt_handle(receipt).send());
        all(requests).await.map_err(StoreError::because(Store::Lanes, "delete messages"))
    }

    /// Deletes received messages by their receipt handles, ten in one call. The local IAM knows no role
    /// that may do this, so that it is for processes outside of Lambda.
    ///
    /// # Errors
    /// If SQS does not answer, or refuses one of the messages.
    pub async fn delete_together(&self, receipts: &[String]) -> Result<(), StoreError> {
        const OPERATION: &str = "delete messages";
        let calls = receipts.chunks(CALL).map(async |receipts| {
            let mut request = self.client.delete_message_batch().queue_url(&self.url);
            for (number, receipt) in receipts.iter().enumerate() {
                let entry = DeleteMessageBatchRequestEntry::builder()
                    .id(number.to_string())
                    .receipt_handle(receipt);
                request = request.entries(entry.build()?);
            }
            let reply = request.send().await?;
            match reply.failed.first() {
                None => Ok(()),
                Some(failed) => Err::<(), BoxError>(format!("{} messages: {}", reply.failed.len(), failed.code).into()),
            }
        });
        all(calls).await.map_err(StoreError::because(Store::Lanes, OPERATION))
    }

    /// How many messages wait to be received. SQS gives an approximate number.
    ///
    /// # Errors
    /// If SQS does not answer.
    pub async fn depth(&self) -> Result<f64, StoreError> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let request = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(name.clone());
        let reply = request
            .send()
            .await
            .map_err(StoreError::because(Store::Lanes, "count the waiting messages"))?;
        let depth = reply.attributes.and_then(|attributes| attributes.get(&name)?.parse().ok());
        depth.ok_or_else(|| StoreError::new(Store::Lanes, "count the waiting messages", "the answer has no number"))
    }

    /// Checks that SQS answers for this queue.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let request = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::QueueArn);
        request
            .send()
            .await
            .map(drop)
            .map_err(StoreError::because(Store::Lanes, "reach the queue"))
    }
}

/// Waits for all calls. One that fails does not stop the others.
async fn all<T, E>(calls: impl IntoIterator<Item = impl Future<Output = Result<T, E>>>) -> Result<(), E> {
    join_all(calls).await.into_iter().try_for_each(|call| call.map(drop))
}

/// Messages that are sent together to a queue.
struct Sending(Queue);

impl Sink for Sending {
    type Entry = (TenantId, String);
    const ENTRIES: usize = CALL;
    /// SQS takes 1 MiB. Some servers that speak its protocol still have the limit of before 2025.
    const BYTES: usize = 256 * 1024;
    const STORE: Store = Store::Lanes;

    fn bytes((_, body): &Self::Entry) -> usize {
        body.len()
    }

    async fn write(&self, entries: Vec<Self::Entry>) -> Vec<Result<(), StoreError>> {
        const OPERATION: &str = "send a message";
        let count = entries.len();
        let send = async {
            let mut request = self.0.client.send_message_batch().queue_url(&self.0.url);
            for (number, (tenant, body)) in entries.into_iter().enumerate() {
                let entry = SendMessageBatchRequestEntry::builder().id(number.to_string()).message_body(body);
                request = request.entries(entry.message_group_id(tenant.as_str()).build()?);
            }
            Ok::<_, BoxError>(request.send().await?)
        };
        let reply = match send.await {
            Ok(reply) => reply,
            Err(error) => {
                let cause = Chain(&*error).to_string();
                return (0..count)
                    .map(|_| Err(StoreError::new(Store::Lanes, OPERATION, cause.clone())))
                    .collect();
            }
        };
        let outcome = |number: usize| {
            let id = number.to_string();
            if reply.successful.iter().any(|entry| entry.id == id) {
                return Ok(());
            }
            let failed = reply.failed.iter().find(|entry| entry.id == id);
            let cause = failed.map_or("SQS did not mention it", |failed| &failed.code);
            Err(StoreError::new(Store::Lanes, OPERATION, cause))
        };
        (0..count).map(outcome).collect()
    }
}
