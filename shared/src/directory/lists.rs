//! Lists of tenants, of keys and of the audit log, one page after another. The index that they read
//! is behind the table by less than a second, so that a list may lack the last change.

use aws_sdk_dynamodb::types::AttributeValue;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Directory, Entry, KeyRecord, TenantRecord,
    item::{Item, text},
};
use crate::{
    job::{KeyId, TenantId},
    page::Page,
    store::{BoxError, Store, StoreError},
};

/// The index of the table, by `listed_under` and `id`.
const INDEX: &str = "listed";

/// In which order a list is read, and after which id it goes on.
enum After {
    Rising(String),
    Falling(String),
}

impl Directory {
    /// Tenants by their ids, after the one called `after`.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn tenants(&self, limit: usize, after: Option<&TenantId>) -> Result<Page<TenantRecord>, StoreError> {
        let after = after.map_or_else(|| "tenant#".to_owned(), TenantRecord::item_id);
        let read = |id: &str, item: &Item| {
            let id = id.strip_prefix("tenant#").unwrap_or_default().to_owned();
            TenantRecord::read(id.try_into()?, item)
        };
        self.list("list tenants", "tenants", After::Rising(after), limit, read, |_| true)
            .await
    }

    /// The valid keys of a tenant by their ids, after the one called `after`.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn keys(&self, tenant: &TenantId, limit: usize, after: Option<&KeyId>) -> Result<Page<KeyRecord>, StoreError> {
        // The id of a key is the beginning of its hash. `g` comes after every hash that begins so.
        let after = after.and_then(|id| id.as_str().strip_prefix("key_"));
        let after = after.map_or_else(|| "key#".to_owned(), |digits| format!("key#{digits}g"));
        let read = |id: &str, item: &Item| {
            let hash = id.strip_prefix("key#").unwrap_or_default().to_owned();
            KeyRecord::read(hash.try_into()?, item)
        };
        let now = OffsetDateTime::now_utc();
        let under = format!("keys#{tenant}");
        self.list("list keys", &under, After::Rising(after), limit, read, |key| !key.has_expired(now))
            .await
    }

    /// The audit log of a tenant, the newest entry first, before the entry `before`.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn audit(&self, tenant: &TenantId, limit: usize, before: Option<Uuid>) -> Result<Page<Entry>, StoreError> {
        let before = before.map_or_else(|| "audit#g".to_owned(), |id| Entry::item_id(&id.to_string()));
        let under = format!("audit#{tenant}");
        let read = |_: &str, item: &Item| Entry::read(item);
        self.list("read the audit log", &under, After::Falling(before), limit, read, |_| true)
            .await
    }

    /// Reads items until there are enough of those that are `meant`, or no more.
    async fn list<T>(
        &self,
        operation: &'static str,
        under: &str,
        after: After,
        limit: usize,
        read: impl Fn(&str, &Item) -> Result<T, BoxError>,
        meant: impl Fn(&T) -> bool,
    ) -> Result<Page<T>, StoreError> {
        let (rising, after) = match after {
            After::Rising(after) => (true, after),
            After::Falling(after) => (false, after),
        };
        let query = self.client.query().table_name(&self.table).index_name(INDEX);
        let mut pages = query
            .key_condition_expression(if rising {
                "listed_under = :under AND id > :after"
            } else {
                "listed_under = :under AND id < :after"
            })
            .expression_attribute_values(":under", AttributeValue::S(under.to_owned()))
            .expression_attribute_values(":after", AttributeValue::S(after))
            .scan_index_forward(rising)
            .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX))
            .into_paginator()
            .send();
        let mut items = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(StoreError::because(Store::Directory, operation))?;
            for item in page.items() {
                let found = read(text(item, "id").unwrap_or_default(), item).map_err(StoreError::because(Store::Directory, operation))?;
                if meant(&found) {
                    items.push(found);
                }
            }
            if items.len() > limit {
                break;
            }
        }
        Ok(Page::first(items, limit))
    }
}
