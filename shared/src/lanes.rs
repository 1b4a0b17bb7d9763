//! The queues: SQS.

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

/// One queue.
#[derive(Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

/// One queue for each lane.
pub type Lanes = PerLane<Queue>;

/// The queues whose URLs are in these variables.
///
/// # Errors
/// If one of the variables is not set.
pub fn from_env(aws: &aws_config::SdkConfig, names: PerLane<&'static str>) -> Result<Lanes, ConfigError> {
    names.try_map(|name| Queue::from_env(aws, name))
}

impl Queue {
    /// The queue whose URL is in the variable `name`.
    ///
    /// # Errors
    /// If the variable is not set.
    pub fn from_env(aws: &aws_config::SdkConfig, name: &'static str) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::new(aws),
            url: config::required(name)?,
        })
    }

    /// Sends a message; the tenant is its group, so that one tenant's flood delays only itself (fair queues).
    ///
    /// # Errors
    /// If SQS does not take it.
    pub async fn send(&self, tenant: &TenantId, body: String) -> Result<(), StoreError> {
        let request = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_group_id(tenant.as_str())
            .message_body(body);
        request
            .send()
            .await
            .map(drop)
            .map_err(StoreError::because(Store::Lanes, "send a message"))
    }

    /// Makes received messages visible again after the given seconds, by receipt handle. One call
    /// each, all at once: retries are rare, and IAM knows only the single action.
    ///
    /// # Errors
    /// If SQS does not take one of them.
    pub async fn delay(&self, messages: &[(String, i32)]) -> Result<(), StoreError> {
        let requests = messages.iter().map(|(receipt, seconds)| {
            let request = self.client.change_message_visibility().queue_url(&self.url);
            request.receipt_handle(receipt).visibility_timeout(*seconds).send()
        });
        try_join_all(requests)
            .await
            .map(drop)
            .map_err(StoreError::because(Store::Lanes, "change the visibility of messages"))
    }

    /// Up to ten messages, waiting a second for the first, with their receive count.
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

    /// Deletes received messages, by receipt handle.
    ///
    /// # Errors
    /// If SQS does not take one of them.
    pub async fn delete(&self, receipts: &[String]) -> Result<(), StoreError> {
        let requests = receipts
            .iter()
            .map(|receipt| self.client.delete_message().queue_url(&self.url).receipt_handle(receipt).send());
        try_join_all(requests)
            .await
            .map(drop)
            .map_err(StoreError::because(Store::Lanes, "delete messages"))
    }

    /// Messages that wait to be received, as SQS reckons.
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
            .map_err(StoreError::because(Store::Lanes, "reckon the depth of a queue"))?;
        let depth = reply.attributes.and_then(|attributes| attributes.get(&name)?.parse().ok());
        depth.ok_or_else(|| StoreError::new(Store::Lanes, "reckon the depth of a queue", "there is no number"))
    }

    /// Whether SQS answers for this queue.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let request = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::QueueArn);
        request.send().await.map(drop).map_err(StoreError::because(Store::Lanes, "answer"))
    }
}
