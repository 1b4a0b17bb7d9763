//! Jobs that were accepted and are not finished: DynamoDB.
//!
//! Table: partition key `id` (string, the job id); `tenant`; `resource` (the queued summary
//! resource, JSON); `attempts` (list of JSON strings); `expires_at` (TTL, seconds since 1970,
//! far beyond the life of a message).

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    types::{AttributeValue, DeleteRequest, WriteRequest},
};
use futures::future::try_join_all;

use crate::{
    config::{self, ConfigError},
    job::{Attempt, JobId, SummaryResource, TenantId},
    store::{BoxError, Store, StoreError},
};

/// Longer than a message can stay in a lane and its dead-letter queue together.
const KEPT: Duration = Duration::from_hours(60 * 24);
/// Items in one `BatchWriteItem`.
const BATCH: usize = 25;
/// Times a partly taken batch is sent again.
const TRIES: u32 = 5;

/// An unfinished job.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub tenant: TenantId,
    pub resource: SummaryResource,
}

/// The table of unfinished jobs.
pub struct Ledger {
    client: Client,
    table: String,
}

impl Ledger {
    /// The ledger named by `LEDGER_TABLE`.
    ///
    /// # Errors
    /// If the variable is not set.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::required("LEDGER_TABLE")?))
    }

    /// The ledger in `table`.
    pub fn new(aws: &aws_config::SdkConfig, table: String) -> Self {
        Self {
            client: Client::new(aws),
            table,
        }
    }

    /// Writes down a job that is about to be queued.
    ///
    /// # Errors
    /// If DynamoDB does not take it, or has a job of this id.
    pub async fn accept(&self, entry: &Entry) -> Result<(), StoreError> {
        const OPERATION: &str = "write down a job";
        let resource = serde_json::to_string(&entry.resource).map_err(StoreError::because(Store::Ledger, OPERATION))?;
        let expires = (entry.resource.created_at + KEPT).unix_timestamp();
        self.client
            .put_item()
            .table_name(&self.table)
            .item("id", AttributeValue::S(entry.resource.id.to_string()))
            .item("tenant", AttributeValue::S(entry.tenant.to_string()))
            .item("resource", AttributeValue::S(resource))
            .item("attempts", AttributeValue::L(Vec::new()))
            .item("expires_at", AttributeValue::N(expires.to_string()))
            .condition_expression("attribute_not_exists(id)")
            .send()
            .await
            .map_err(StoreError::because(Store::Ledger, OPERATION))?;
        Ok(())
    }

    /// An unfinished job with the attempts made so far, read consistently.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn find(&self, id: &JobId) -> Result<Option<Entry>, StoreError> {
        const OPERATION: &str = "find a job";
        let reply = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", AttributeValue::S(id.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::because(Store::Ledger, OPERATION))?;
        let Some(item) = reply.item else { return Ok(None) };
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
        let read = || -> Result<Entry, BoxError> {
            let mut resource: SummaryResource = serde_json::from_str(&text("resource"))?;
            for attempt in item.get("attempts").and_then(|value| value.as_l().ok()).into_iter().flatten() {
                resource
                    .attempts
                    .push(serde_json::from_str(attempt.as_s().map_err(|_| "an attempt is no string")?)?);
            }
            Ok(Entry {
                tenant: text("tenant").try_into()?,
                resource,
            })
        };
        read().map(Some).map_err(StoreError::because(Store::Ledger, OPERATION))
    }

    /// Appends what went wrong with each of these jobs. Jobs that are finished stay untouched.
    ///
    /// # Errors
    /// If DynamoDB does not take one of them.
    pub async fn record(&self, attempts: &[(JobId, Attempt)]) -> Result<(), StoreError> {
        try_join_all(attempts.iter().map(|(id, attempt)| self.append(id, attempt)))
            .await
            .map(drop)
    }

    async fn append(&self, id: &JobId, attempt: &Attempt) -> Result<(), StoreError> {
        const OPERATION: &str = "record an attempt";
        let attempt = serde_json::to_string(attempt).map_err(StoreError::because(Store::Ledger, OPERATION))?;
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", AttributeValue::S(id.to_string()))
            .update_expression("SET attempts = list_append(attempts, :attempt)")
            .condition_expression("attribute_exists(id)")
            .expression_attribute_values(":attempt", AttributeValue::L(vec![AttributeValue::S(attempt)]))
            .send()
            .await;
        match sent.map_err(SdkError::into_service_error) {
            Err(error) if error.is_conditional_check_failed_exception() => Ok(()),
            other => other.map(drop).map_err(StoreError::because(Store::Ledger, OPERATION)),
        }
    }

    /// Strikes out finished jobs.
    ///
    /// # Errors
    /// If DynamoDB leaves some of them in.
    pub async fn strike(&self, ids: &[JobId]) -> Result<(), StoreError> {
        const OPERATION: &str = "strike out finished jobs";
        for chunk in ids.chunks(BATCH) {
            let mut left: Vec<WriteRequest> = chunk.iter().filter_map(deletion).collect();
            for pause in 0..TRIES {
                if left.is_empty() {
                    break;
                }
                if pause > 0 {
                    // DynamoDB asks to back off before sending unprocessed items again.
                    tokio::time::sleep(Duration::from_millis(25 << pause)).await;
                }
                let request = self.client.batch_write_item().request_items(&self.table, left);
                let reply = request.send().await.map_err(StoreError::because(Store::Ledger, OPERATION))?;
                left = reply
                    .unprocessed_items
                    .and_then(|mut tables| tables.remove(&self.table))
                    .unwrap_or_default();
            }
            if !left.is_empty() {
                return Err(StoreError::new(Store::Ledger, OPERATION, "items stayed unprocessed"));
            }
        }
        Ok(())
    }

    /// Whether DynamoDB answers for this table.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let key = AttributeValue::S("ping".to_owned());
        let reply = self.client.get_item().table_name(&self.table).key("id", key).send().await;
        reply.map(drop).map_err(StoreError::because(Store::Ledger, "answer"))
    }
}

fn deletion(id: &JobId) -> Option<WriteRequest> {
    let delete = DeleteRequest::builder().key("id", AttributeValue::S(id.to_string())).build().ok()?;
    Some(WriteRequest::builder().delete_request(delete).build())
}
