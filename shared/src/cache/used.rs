//! When each key was used the last time.

use std::collections::{BTreeMap, HashMap};

use redis::AsyncCommands;
use time::{Duration, OffsetDateTime};

use super::{Cache, keys};
use crate::{
    job::{KeyId, TenantId},
    store::StoreError,
};

/// How long the last use of a key is remembered.
const KEPT: Duration = Duration::days(90);

impl Cache {
    /// Remembers that a key was used.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn used(&self, tenant: &TenantId, key: &KeyId, at: OffsetDateTime) -> Result<(), StoreError> {
        let name = keys::used(tenant);
        let mut pipeline = redis::pipe();
        pipeline.hset(&name, key.as_str(), at.unix_timestamp()).ignore();
        pipeline.expire(&name, KEPT.whole_seconds()).ignore();
        self.send("remember the use of a key", vec![pipeline]).await
    }

    /// When the keys of a tenant were used the last time. Uses that are too long ago are forgotten.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn last_used(&self, tenant: &TenantId, now: OffsetDateTime) -> Result<BTreeMap<KeyId, OffsetDateTime>, StoreError> {
        self.ask("find the last use of keys", async |mut connection| {
            let found: HashMap<String, i64> = connection.hgetall(keys::used(tenant)).await?;
            let (recent, old): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, at)| *at > (now - KEPT).unix_timestamp());
            if !old.is_empty() {
                let old: Vec<_> = old.into_iter().map(|(key, _)| key).collect();
                let () = connection.hdel(keys::used(tenant), old).await?;
            }
            let read = |(key, at): (String, i64)| Some((key.try_into().ok()?, OffsetDateTime::from_unix_timestamp(at).ok()?));
            Ok(recent.into_iter().filter_map(read).collect())
        })
        .await
    }
}
