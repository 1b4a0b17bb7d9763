//! The newest writes of tenants in the archive, for reads that must see them.

use redis::AsyncCommands;

use super::{Cache, keys};
use crate::{job::TenantId, store::StoreError};

/// Keeps a number, unless a higher one is known: two processes may bring theirs in the wrong order.
const KEEP_HIGHEST: &str = r#"
if tonumber(ARGV[1]) > tonumber(redis.call("GET", KEYS[1]) or -1) then
    redis.call("SET", KEYS[1], ARGV[1], "EX", ARGV[2])
end"#;

impl Cache {
    /// The number of the newest write of a tenant, if it is known.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn newest_write(&self, tenant: &TenantId) -> Result<Option<i64>, StoreError> {
        self.ask("find the newest write", async |mut connection| {
            Ok(connection.get(keys::newest_write(tenant)).await?)
        })
        .await
    }

    /// Keeps the numbers of writes.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn note_writes(&self, writes: &[(TenantId, i64)]) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        let pipelines = writes.iter().map(|(tenant, number)| {
            let mut pipeline = redis::pipe();
            pipeline
                .cmd("EVAL")
                .arg(KEEP_HIGHEST)
                .arg(1)
                .arg(keys::newest_write(tenant))
                .arg(number)
                .arg(keys::NEWEST_WRITE_SECONDS)
                .ignore();
            pipeline
        });
        self.send("keep the newest writes", pipelines.collect()).await
    }
}
