//! Idempotency keys: a submission that is repeated with the same key makes no second job
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! The id of an item is `idempotency#<tenant>#<SHA-256 of the key, hex>`. It has `job` (a job id),
//! `body` (the SHA-256 of the request, hex), `submitted_by` (the key that submitted the job),
//! `expires_at`, and, if the message of the job was sent again, `sent_again_at` (seconds since 1970).

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use time::OffsetDateTime;

use super::{
    Ledger,
    item::{Item, number, seconds},
    repeatable::{Earlier, Repeatable},
    update::updated,
};
use crate::{
    job::{Job, JobId, KeyId},
    store::{BoxError, Store, StoreError},
};

/// DynamoDB deletes an item some time after it has expired, so that an expired one counts as absent.
const ABSENT: &str = "attribute_not_exists(id) OR expires_at <= :now";

impl Ledger {
    /// Records a job together with the key of its submission.
    pub(super) async fn accept_once(&self, accepted: Item, job: &Job, repeatable: &Repeatable) -> Result<Option<Earlier>, StoreError> {
        const OPERATION: &str = "record an accepted job";
        let failed = |error: BoxError| StoreError::new(Store::Ledger, OPERATION, error);
        let now = OffsetDateTime::now_utc();
        let key = Put::builder()
            .table_name(&self.table)
            .set_item(Some(repeatable.item(&job.resource.id, job.key.as_ref(), now)))
            .condition_expression(ABSENT)
            .expression_attribute_values(":now", seconds(now))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let accepted = Put::builder()
            .table_name(&self.table)
            .set_item(Some(accepted))
            .condition_expression("attribute_not_exists(id)");
        let items = [key, accepted].map(|put| Ok(TransactWriteItem::builder().put(put.build()?).build()));
        let items: Result<Vec<_>, BoxError> = items.into_iter().collect();
        let items = items.map_err(failed)?;
        let sent = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        match sent.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(None),
            Err(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                let reasons = canceled.cancellation_reasons.unwrap_or_default();
                match reasons.first().and_then(CancellationReason::item) {
                    Some(item) => repeatable.earlier(item).map(Some).map_err(failed),
                    // Two submissions with the same key came at the same time. The other one was recorded,
                    // or will be in a moment.
                    None => self.earlier(repeatable).await?.map(Some).ok_or_else(|| {
                        StoreError::new(
                            Store::Ledger,
                            OPERATION,
                            "another submission with the same idempotency key is being recorded",
                        )
                    }),
                }
            }
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Records that a submission was answered with a job that exists already. Returns the job of the
    /// earlier submission, if there was one.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn answered(&self, repeatable: &Repeatable, job: &JobId, key: &KeyId) -> Result<Option<Earlier>, StoreError> {
        const OPERATION: &str = "record an idempotency key";
        let now = OffsetDateTime::now_utc();
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(repeatable.item(job, Some(key), now)))
            .condition_expression(ABSENT)
            .expression_attribute_values(":now", seconds(now))
            .send()
            .await;
        match put.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(None),
            Err(error) if error.is_conditional_check_failed_exception() => self.earlier(repeatable).await,
            Err(error) => Err(StoreError::new(Store::Ledger, OPERATION, error)),
        }
    }

    /// What an earlier submission with the same key has led to.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn earlier(&self, repeatable: &Repeatable) -> Result<Option<Earlier>, StoreError> {
        let find = async {
            let Some(item) = self.get(&repeatable.item_id()).await? else {
                return Ok(None);
            };
            if number::<i64>(item.get("expires_at").ok_or("an idempotency key has no end")?)? <= OffsetDateTime::now_utc().unix_timestamp()
            {
                return Ok(None);
            }
            repeatable.earlier(&item).map(Some)
        };
        find.await.map_err(StoreError::because(Store::Ledger, "find an idempotency key"))
    }

    /// Notes that the message of the job was sent again, so that further repetitions send nothing for a
    /// minute.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn sent_again(&self, repeatable: &Repeatable) -> Result<(), StoreError> {
        let update = self
            .update(&repeatable.item_id())
            .update_expression("SET sent_again_at = :now")
            // If it is not fulfilled, the key has expired meanwhile.
            .condition_expression("attribute_exists(id)")
            .expression_attribute_values(":now", seconds(OffsetDateTime::now_utc()));
        updated(update, "note that a message was sent again").await.map(drop)
    }
}
