//! Writes an act in one transaction: the item of the tenant with its next version, the items of the
//! keys, and the entry of the audit log.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{AttributeValue, Delete, Put, TransactWriteItem},
};
use time::OffsetDateTime;

use super::{ActError, Directory, Entry, KeyRecord, TenantRecord};
use crate::{
    job::{KeyHash, KeyId, TenantId},
    store::{BoxError, Store, StoreError},
};

/// How often an act is tried if the tenant is changed by others at the same moment.
const ATTEMPTS: u32 = 8;
/// What an act writes.
pub(super) struct Act<T> {
    pub(super) tenant: TenantRecord,
    pub(super) put: Vec<KeyRecord>,
    pub(super) delete: Option<KeyHash>,
    pub(super) entry: Entry,
    pub(super) result: T,
}

impl Directory {
    /// A key of a tenant that has not expired.
    async fn key_of(&self, tenant: &TenantRecord, id: &KeyId) -> Result<Option<KeyRecord>, StoreError> {
        const OPERATION: &str = "find a key";
        let Some(hash) = tenant.keys.keys().find(|hash| hash.id() == *id) else {
            return Ok(None);
        };
        let item = self.get(KeyRecord::item_id(hash), OPERATION).await?;
        let key = item.map(|item| KeyRecord::read(*hash, &item)).transpose();
        let key = key.map_err(StoreError::because(Store::Directory, OPERATION))?;
        Ok(key.filter(|key| key.tenant == tenant.id && !key.has_expired(now())))
    }

    /// Does an act: reads the tenant, and a key of it if the act needs one, lets `decide` say what
    /// is to be written, and writes it if nobody else has changed the tenant meanwhile. Otherwise
    /// it begins again.
    pub(super) async fn act<T>(
        &self,
        id: &TenantId,
        key: Option<&KeyId>,
        mut decide: impl FnMut(Option<TenantRecord>, Option<KeyRecord>) -> Result<Act<T>, ActError>,
    ) -> Result<T, ActError> {
        for _ in 0..ATTEMPTS {
            let known = self.tenant(id).await?;
            let seen = known.as_ref().map(|tenant| tenant.version);
            let key = match (&known, key) {
                (Some(tenant), Some(key)) => self.key_of(tenant, key).await?,
                _ => None,
            };
            let mut act = decide(known, key)?;
            act.tenant.version = seen.unwrap_or_default() + 1;
            // Keys that have expired need no place any more.
            let now = now().unix_timestamp();
            act.tenant.keys.retain(|_, expires_at| expires_at.is_none_or(|at| at > now));
            if self.write(&act, seen).await? {
                return Ok(act.result);
            }
        }
        Err(ActError::Conflict(
            "Others are changing this tenant at the same moment. Send the request again.".to_owned(),
        ))
    }

    /// Writes everything, or nothing and returns false if the tenant has no longer the version that
    /// was seen.
    async fn write<T>(&self, act: &Act<T>, seen: Option<i64>) -> Result<bool, StoreError> {
        const OPERATION: &str = "change a tenant";
        let items = || -> Result<Vec<TransactWriteItem>, BoxError> {
            let tenant = Put::builder().table_name(&self.table).set_item(Some(act.tenant.item()?));
            let tenant = match seen {
                None => tenant.condition_expression("attribute_not_exists(id)"),
                Some(version) => tenant
                    .condition_expression("version = :seen")
                    .expression_attribute_values(":seen", AttributeValue::N(version.to_string())),
            };
            let mut items = vec![TransactWriteItem::builder().put(tenant.build()?).build()];
            let others = act.put.iter().map(KeyRecord::item).chain([act.entry.item()]);
            for item in others {
                let put = Put::builder().table_name(&self.table).set_item(Some(item?)).build()?;
                items.push(TransactWriteItem::builder().put(put).build());
            }
            if let Some(hash) = &act.delete {
                let id = AttributeValue::S(KeyRecord::item_id(hash));
                let delete = Delete::builder().table_name(&self.table).key("id", id).build()?;
                items.push(TransactWriteItem::builder().delete(delete).build());
            }
            Ok(items)
        };
        let items = items().map_err(StoreError::because(Store::Directory, OPERATION))?;
        match self.client.transact_write_items().set_transact_items(Some(items)).send().await {
            Ok(_) => Ok(true),
            Err(error) if was_changed(&error) => Ok(false),
            Err(error) => Err(StoreError::new(Store::Directory, OPERATION, error)),
        }
    }
}

/// Whether a transaction was refused because somebody else has changed one of its items.
fn was_changed<R>(error: &SdkError<TransactWriteItemsError, R>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error() else {
        return false;
    };
    canceled
        .cancellation_reasons()
        .iter()
        .any(|reason| matches!(reason.code(), Some("ConditionalCheckFailed" | "TransactionConflict")))
}

/// The present time. Items have no fractions of a second.
pub(super) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc().truncate_to_second()
}
