//! The queues of the lanes in SQS.

use aws_sdk_sqs::{
    Client,
    types::{Message, MessageSystemAttributeName, QueueAttributeName},
};
use futures::future::try_join_all;

use crate::{
    config::{self, ConfigError},
    job::{PerLane, TenantId},
    store::{Store, StoreError},
};

/// An SQS queue.
#[derive(Clone)]
pub struct Queue {
    client: Client,
    url: String,
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
        })
    }

    /// Sends a message. Its message group is the tenant, so that a tenant with very many messages
    /// delays mostly its own (fair queues of SQS).
    ///
    /// # Errors
    /// If SQS does not answer or refuses the message.
    pub async fn send(&self, tenant: &TenantId, body: String) -> Result<(), StoreError> {
        self.send_later(tenant, body, 0).await
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
        try_join_all(requests)
            .await
            .map(drop)
            .map_err(StoreError::because(Store::Lanes, "change the visibility timeout of messages"))
    }

    /// Receives up to ten messages with their receive counts. It waits up to a second for the first
    /// message.
    ///
    /// # Errors
    /// If SQS does not answer.
    pub async fn receive(&self) -> Result<Vec<Message>, StoreError> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .wait_time_seconds(1);
        let request = request.message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
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
        try_join_all(requests)
            .await
            .map(drop)
            .map_err(StoreError::because(Store::Lanes, "delete messages"))
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
