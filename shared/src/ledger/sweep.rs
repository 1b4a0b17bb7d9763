//! Looks for jobs that have been unfinished for long, by the index `unfinished` of the table, and notes
//! how often each of them was checked.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use time::{Duration, OffsetDateTime};

use super::{
    FORGET_CHECKS, Ledger,
    item::{Item, number, seconds, text},
    unfinished::{INDEX, listed},
    update::updated,
};
use crate::{
    job::{JobId, Lane, Span, SummaryResource, TenantId},
    store::{BoxError, Store, StoreError},
};

/// How many pages of one megabyte one run reads at most. A page holds about a thousand jobs.
const PAGES: usize = 20;
/// The index is read from one of so many places on.
const SEGMENTS: u32 = 16;
/// A check that no worker has received for so long counts as lost.
const LONGEST_CHECK: Duration = Duration::days(1);
/// How long after a failed attempt a job counts as alive. The longest wait before another attempt is a
/// quarter of an hour, but its lane may be paused.
const LONGEST_SILENCE: Duration = Duration::days(1);

/// A job that has been unfinished for long, and shows no sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    pub id: JobId,
    pub tenant: TenantId,
    pub lane: Lane,
}

impl Ledger {
    /// Unfinished jobs that were submitted before a moment and have no failed attempt of the last day.
    /// If there are very many, these are some of them: `chance` is a random number, which says where the
    /// search begins.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn unfinished_before(&self, moment: OffsetDateTime, chance: u32) -> Result<Vec<Unfinished>, StoreError> {
        const OPERATION: &str = "look for unfinished jobs";
        let (_, before) = Span::ALL.until(moment).submissions();
        let (mut found, mut pages) = (Vec::new(), 0);
        for number in 0..SEGMENTS {
            let segment = (chance % SEGMENTS + number) % SEGMENTS;
            let mut items = self
                .client
                .scan()
                .table_name(&self.table)
                .index_name(INDEX)
                .segment(segment.cast_signed())
                .total_segments(SEGMENTS.cast_signed())
                .filter_expression("submission <= :before")
                .expression_attribute_values(":before", AttributeValue::S(before.clone()))
                .into_paginator()
                .send();
            while let Some(page) = items.next().await {
                let page = page.map_err(StoreError::because(Store::Ledger, OPERATION))?;
                for item in page.items() {
                    found.extend(silent(item).map_err(StoreError::because(Store::Ledger, OPERATION))?);
                }
                pages += 1;
                if pages == PAGES {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// Notes that a message is sent that checks an unfinished job. Returns `false` if the job has finished,
    /// if it was sent such a message less than `between` ago, or if no worker has received that one yet.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn may_send_check(&self, id: &JobId, between: Duration) -> Result<bool, StoreError> {
        let now = OffsetDateTime::now_utc();
        let update = self
            .update(id)
            .update_expression("SET check_sent_at = :now")
            .condition_expression(
                "attribute_exists(attempts) AND (attribute_not_exists(check_sent_at) OR check_sent_at <= :lost \
                 OR (check_sent_at <= :before AND checked_at >= check_sent_at))",
            )
            .expression_attribute_values(":now", seconds(now))
            .expression_attribute_values(":before", seconds(now - between))
            .expression_attribute_values(":lost", seconds(now - LONGEST_CHECK));
        Ok(updated(update, "note that a job is to be checked").await?.is_some())
    }

    /// Notes that a worker checks an unfinished job, and returns how often that was. `None` if the job has
    /// finished, or was checked less than `between` ago.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn checked(&self, id: &JobId, between: Duration) -> Result<Option<u32>, StoreError> {
        const OPERATION: &str = "note that a job was checked";
        let now = OffsetDateTime::now_utc();
        let update = self
            .update(id)
            .update_expression("SET checked_at = :now ADD checks :one")
            .condition_expression("attribute_exists(attempts) AND (attribute_not_exists(checked_at) OR checked_at <= :before)")
            .expression_attribute_values(":now", seconds(now))
            .expression_attribute_values(":before", seconds(now - between))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .return_values(ReturnValue::UpdatedNew);
        let Some(item) = updated(update, OPERATION).await? else {
            return Ok(None);
        };
        let checks = item
            .get("checks")
            .ok_or_else(|| BoxError::from("the answer has no number of checks"));
        checks
            .and_then(number)
            .map(Some)
            .map_err(StoreError::because(Store::Ledger, OPERATION))
    }

    /// Forgets the checks of an unfinished job, because there is a sign of life of it.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn forget_checks(&self, id: &JobId) -> Result<(), StoreError> {
        let update = self
            .update(id)
            .update_expression(FORGET_CHECKS)
            .condition_expression("attribute_exists(attempts)");
        updated(update, "forget the checks of a job").await.map(drop)
    }
}

/// Whether an unfinished job has no failed attempt of the last day, so that none may follow.
pub fn is_silent(resource: &SummaryResource) -> bool {
    let now = OffsetDateTime::now_utc();
    let last = resource.attempts.last();
    last.is_none_or(|attempt| now - attempt.at >= LONGEST_SILENCE)
}

/// The job of an item, if it shows no sign of life.
fn silent(item: &Item) -> Result<Option<Unfinished>, BoxError> {
    let resource = listed(item)?;
    if !is_silent(&resource) {
        return Ok(None);
    }
    Ok(Some(Unfinished {
        id: resource.id,
        tenant: text(item, "unfinished_of")?.to_owned().try_into()?,
        lane: resource.lane,
    }))
}
