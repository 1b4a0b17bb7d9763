//! Lists the unfinished jobs of a tenant by the index `unfinished` of the table.
//!
//! The index has only unfinished jobs, because the item of a finished job lacks its keys. DynamoDB
//! brings it up to date a moment after the table, so that a job of the last seconds may be missing.

use aws_sdk_dynamodb::{operation::query::builders::QueryFluentBuilder, types::AttributeValue};

use super::{
    Ledger, attempts,
    item::{Item, text},
};
use crate::{
    job::{Span, SummaryResource, TenantId, Usage},
    store::{BoxError, Store, StoreError, parse},
};

pub(super) const INDEX: &str = "unfinished";
/// How many pages of one megabyte are counted at most. A page holds about a thousand jobs.
const COUNTED_PAGES: usize = 20;

impl Ledger {
    /// A query for the unfinished jobs of a tenant, the newest first.
    fn newest_first(&self, tenant: &TenantId, span: Span) -> QueryFluentBuilder {
        let (from, to) = span.submissions();
        self.client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .key_condition_expression("unfinished_of = :tenant AND submission BETWEEN :from AND :to")
            .expression_attribute_values(":tenant", AttributeValue::S(tenant.to_string()))
            .expression_attribute_values(":from", AttributeValue::S(from))
            .expression_attribute_values(":to", AttributeValue::S(to))
            .scan_index_forward(false)
    }

    /// Up to `most` unfinished jobs of a tenant, the newest first, and whether there may be more.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn unfinished(&self, tenant: &TenantId, span: Span, most: usize) -> Result<(Vec<SummaryResource>, bool), StoreError> {
        const OPERATION: &str = "list unfinished jobs";
        if span.is_empty() {
            return Ok((Vec::new(), false));
        }
        let reply = self
            .newest_first(tenant, span)
            .limit(i32::try_from(most).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(StoreError::because(Store::Ledger, OPERATION))?;
        let jobs: Result<_, BoxError> = reply.items.unwrap_or_default().iter().map(listed).collect();
        let jobs = jobs.map_err(StoreError::because(Store::Ledger, OPERATION))?;
        Ok((jobs, reply.last_evaluated_key.is_some()))
    }

    /// The unfinished jobs of a tenant as accepted ones, by day and key. If there are very many, only
    /// the newest are counted.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn unfinished_usage(&self, tenant: &TenantId, span: Span) -> Result<Usage, StoreError> {
        const OPERATION: &str = "count unfinished jobs";
        if span.is_empty() {
            return Ok(Usage::default());
        }
        let mut pages = self.newest_first(tenant, span).into_paginator().send();
        let mut usage = Usage::default();
        for _ in 0..COUNTED_PAGES {
            let Some(page) = pages.next().await else { break };
            let page = page.map_err(StoreError::because(Store::Ledger, OPERATION))?;
            let counted: Result<(), BoxError> = page.items().iter().try_for_each(|item| count(&mut usage, item));
            counted.map_err(StoreError::because(Store::Ledger, OPERATION))?;
        }
        Ok(usage)
    }
}

fn count(usage: &mut Usage, item: &Item) -> Result<(), BoxError> {
    let resource = listed(item)?;
    let key = item.get("key").and_then(|value| value.as_s().ok()).cloned();
    let counts = usage.of(resource.created_at.date(), key.map(TryInto::try_into).transpose()?);
    counts.accepted += 1;
    counts.deferred += u64::from(resource.deferred);
    Ok(())
}

pub(super) fn listed(item: &Item) -> Result<SummaryResource, BoxError> {
    let mut resource: SummaryResource = parse(text(item, "resource")?)?;
    resource.attempts.extend(attempts(item)?);
    Ok(resource)
}
