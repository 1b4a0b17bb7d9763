//! The directory of API keys and the tenants that they belong to. It is a table in DynamoDB. Each
//! process keeps the keys that it has looked up for a minute.
//!
//! The partition key of the table is `id` (string). An API key is stored as `key#<SHA-256 of the
//! key, hex>`, with `tenant`, `plan` and, if it expires, `expires_at` (the time to live, seconds
//! since 1970). The API key itself is never stored.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::{
    config::{self, ConfigError},
    job::{KeyId, Plan, TenantId, hex},
    quota::Limits,
    recent::Recent,
    store::{BoxError, Store, StoreError, parse_value},
};

/// How long a process keeps a key that it has looked up. A revoked key works for this long in
/// processes that have used it.
const REMEMBERED: Duration = Duration::from_mins(1);
/// How many keys a process keeps.
const REMEMBERED_KEYS: u64 = 10_000;

/// A tenant and its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub plan: Plan,
}

/// Who an API key belongs to, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub tenant: Tenant,
    pub key: KeyId,
    pub limits: Limits,
}

/// The table of API keys.
pub struct Directory {
    client: Client,
    table: String,
    known: Recent<String, Option<Holder>>,
}

impl Directory {
    /// The directory in the table that `DIRECTORY_TABLE` names.
    ///
    /// # Errors
    /// If the variable is not set.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::required("DIRECTORY_TABLE")?))
    }

    /// The directory in `table`.
    pub fn new(aws: &aws_config::SdkConfig, table: String) -> Self {
        Self {
            client: Client::new(aws),
            table,
            known: Recent::new(REMEMBERED_KEYS, REMEMBERED),
        }
    }

    /// The holder of `key`, if the key is known. DynamoDB is asked at most once a
    /// minute for each key.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn holder(&self, key: &SecretString) -> Result<Option<Holder>, Arc<StoreError>> {
        if key.expose_secret().len() > 200 {
            return Ok(None);
        }
        let hash = hash(key);
        let look_up = async {
            let tenant = self.look_up(item_id(&hash)).await?;
            Ok(tenant.map(|tenant| Holder {
                key: KeyId::of_hash(&hash),
                limits: Limits::of(tenant.plan),
                tenant,
            }))
        };
        self.known.try_get_with(item_id(&hash), Box::pin(look_up)).await
    }

    async fn look_up(&self, id: String) -> Result<Option<Tenant>, StoreError> {
        const OPERATION: &str = "look up a key";
        let reply = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", AttributeValue::S(id))
            .send()
            .await
            .map_err(StoreError::because(Store::Directory, OPERATION))?;
        let Some(item) = reply.item else { return Ok(None) };
        // DynamoDB may take days to delete an item that has expired.
        let expires_at = item.get("expires_at").and_then(|value| value.as_n().ok()?.parse().ok());
        if expires_at.is_some_and(|expires_at: i64| expires_at <= OffsetDateTime::now_utc().unix_timestamp()) {
            return Ok(None);
        }
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
        let read = || -> Result<Tenant, BoxError> {
            Ok(Tenant {
                id: text("tenant").try_into()?,
                plan: parse_value(text("plan").into())?,
            })
        };
        read().map(Some).map_err(StoreError::because(Store::Directory, OPERATION))
    }

    /// Adds `key` for `tenant`. Without `expires_at`, the key is valid until it is deleted.
    ///
    /// # Errors
    /// If DynamoDB does not answer or refuses the item.
    pub async fn register(&self, key: &SecretString, tenant: &Tenant, expires_at: Option<OffsetDateTime>) -> Result<(), StoreError> {
        let plan = serde_json::to_value(tenant.plan)
            .ok()
            .and_then(|plan| plan.as_str().map(str::to_owned))
            .unwrap_or_default();
        let mut request = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("id", AttributeValue::S(item_id(&hash(key))))
            .item("tenant", AttributeValue::S(tenant.id.to_string()))
            .item("plan", AttributeValue::S(plan));
        if let Some(expires_at) = expires_at {
            request = request.item("expires_at", AttributeValue::N(expires_at.unix_timestamp().to_string()));
        }
        request
            .send()
            .await
            .map_err(StoreError::because(Store::Directory, "register a key"))?;
        Ok(())
    }

    /// Checks that DynamoDB answers for this table.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.look_up("ping".to_owned()).await.map(drop)
    }
}

fn hash(key: &SecretString) -> [u8; 32] {
    Sha256::digest(key.expose_secret()).into()
}

fn item_id(hash: &[u8; 32]) -> String {
    format!("key#{}", hex(hash))
}
