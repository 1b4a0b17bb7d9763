//! The directory of tenants and their API keys. It is a table in DynamoDB. Each process keeps the
//! keys that it has looked up for 30 seconds.
//!
//! The partition key of the table is `id` (string). There are these items:
//!
//! | `id` | attributes |
//! |---|---|
//! | `tenant#<tenant>` | `plan`, `status` (`active` or `suspended`), `limits` (JSON, overrides of the limits of the plan), `created_at`, `keys` (JSON, when each key expires), `version` |
//! | `key#<SHA-256 of the key, hex>` | `tenant`, `plan`, `name`, `prefix`, `scopes` (separated by spaces), `created_at`, and, if there are any, `expires_at`, `limits` (JSON, a rate) and `replaced_by` |
//! | `audit#<UUIDv7>` | `entry` (JSON), `expires_at` |
//!
//! All times are in seconds since 1970. `expires_at` is the time to live. The API key itself is
//! never stored. Keys that were stored before there were scopes have only `tenant`, `plan` and
//! `expires_at`. They have every scope but `admin`, and their own `plan` counts if there is no item
//! of the tenant.

mod acts;
mod audit;
mod error;
mod item;
mod lists;
mod records;
mod transaction;

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;

use crate::{
    config::{self, ConfigError},
    job::{KeyHash, KeyId, Scopes, TenantId},
    quota::{Limits, Overrides},
    recent::Recent,
    store::{Store, StoreError},
};

pub use acts::{MOST_KEYS, NewKey, TenantChange, fresh_key};
pub use audit::{Action, Actor, By, Entry};
pub use error::ActError;
use item::{Attributes, Item};
pub use records::{KeyRecord, Standing, Tenant, TenantRecord};

/// How long a process keeps a key that it has looked up. A revoked key, a suspension and a new
/// limit take this long to reach every process.
pub const REMEMBERED: Duration = Duration::from_secs(30);
/// How many keys a process keeps.
const REMEMBERED_KEYS: u64 = 10_000;
/// The longest key that is looked up, in bytes.
const LONGEST_KEY: usize = 200;

/// Who an API key belongs to, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub tenant: Tenant,
    pub key: KeyId,
    pub scopes: Scopes,
    /// The limits of the plan, changed by those of the tenant, changed by those of the key.
    pub limits: Limits,
    /// Whether the tenant may use the service.
    pub standing: Standing,
    /// The hash of the key, with which a session finds its key again.
    pub hash: KeyHash,
}

/// The table of tenants and API keys.
pub struct Directory {
    client: Client,
    table: String,
    known: Recent<KeyHash, Option<Holder>>,
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

    /// The holder of `key`, if the key is known and has not expired.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn holder(&self, key: &SecretString) -> Result<Option<Holder>, Arc<StoreError>> {
        if key.expose_secret().len() > LONGEST_KEY {
            return Ok(None);
        }
        self.holder_of(KeyHash::of(key.expose_secret())).await
    }

    /// The holder of the key with this hash. DynamoDB is asked for the key and its tenant at most
    /// once in 30 seconds.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn holder_of(&self, hash: KeyHash) -> Result<Option<Holder>, Arc<StoreError>> {
        self.known.try_get_with(hash, Box::pin(self.look_up(hash))).await
    }

    async fn look_up(&self, hash: KeyHash) -> Result<Option<Holder>, StoreError> {
        const OPERATION: &str = "look up a key";
        let Some(item) = self.get(KeyRecord::item_id(&hash), OPERATION).await? else {
            return Ok(None);
        };
        let key = KeyRecord::read(hash, &item).map_err(StoreError::because(Store::Directory, OPERATION))?;
        if key.has_expired(OffsetDateTime::now_utc()) {
            return Ok(None);
        }
        let tenant = self.tenant(&key.tenant).await?;
        let (plan, standing, overrides) = match tenant {
            Some(tenant) => (tenant.plan, tenant.status, tenant.limits),
            None => (key.plan, Standing::Active, Overrides::default()),
        };
        let own = Overrides {
            key: key.limits,
            ..Overrides::default()
        };
        Ok(Some(Holder {
            tenant: Tenant { id: key.tenant, plan },
            key: key.id,
            scopes: key.scopes,
            limits: Limits::of(plan).with(&overrides).with(&own),
            standing,
            hash,
        }))
    }

    /// What the directory knows of a tenant.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn tenant(&self, id: &TenantId) -> Result<Option<TenantRecord>, StoreError> {
        const OPERATION: &str = "look up a tenant";
        let item = self.get(TenantRecord::item_id(id), OPERATION).await?;
        item.map(|item| TenantRecord::read(id.clone(), &item))
            .transpose()
            .map_err(StoreError::because(Store::Directory, OPERATION))
    }

    /// Reads an item as it was last written.
    async fn get(&self, id: String, operation: &'static str) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let reply = request.key("id", AttributeValue::S(id)).send().await;
        Ok(reply.map_err(StoreError::because(Store::Directory, operation))?.item)
    }

    /// Adds `key` for `tenant`, for the use of the service itself: no list shows it, and the audit
    /// log does not name it. It may submit texts and read summaries. Without `expires_at`, it is
    /// valid until it is deleted.
    ///
    /// # Errors
    /// If DynamoDB does not answer or refuses the item.
    pub async fn register(&self, key: &SecretString, tenant: &Tenant, expires_at: Option<OffsetDateTime>) -> Result<(), StoreError> {
        let attributes = Attributes::default()
            .text("id", KeyRecord::item_id(&KeyHash::of(key.expose_secret())))
            .text("tenant", tenant.id.to_string())
            .text("plan", tenant.plan.as_str())
            .text("scopes", Scopes::SUMMARIES.to_string())
            .moment("expires_at", expires_at);
        let put = self.client.put_item().table_name(&self.table);
        put.set_item(Some(attributes.into_item()))
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
        self.get("ping".to_owned(), "reach the table").await.map(drop)
    }
}
