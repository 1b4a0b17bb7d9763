//! The jobs of the last seconds, for lists: the index of the ledger does not know them yet.

use redis::AsyncCommands;

use super::{Cache, job, keys};
use crate::{
    job::{JobId, SummaryResource, TenantId},
    store::StoreError,
};

/// How many of them are read at most, the newest first.
const MOST: isize = 200;

impl Cache {
    /// The ids of jobs that were submitted in the last ten seconds, the newest first.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn recent(&self, tenant: &TenantId) -> Result<Vec<JobId>, StoreError> {
        self.ask("list recent jobs", async |mut connection| {
            let ids: Vec<String> = connection.zrevrange(keys::recent(tenant), 0, MOST - 1).await?;
            Ok(ids.into_iter().filter_map(|id| id.parse().ok()).collect())
        })
        .await
    }

    /// Finds several jobs. A job that the cache does not know is left out.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn find_all(&self, tenant: &TenantId, ids: &[JobId]) -> Result<Vec<SummaryResource>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.ask("find jobs", async |mut connection| {
            let asked: Vec<String> = ids
                .iter()
                .flat_map(|id| [keys::summary(tenant, id), keys::started(tenant, id)])
                .collect();
            let found: Vec<Option<String>> = connection.mget(&asked).await?;
            let jobs = found.chunks(2).map(|entries| job(entries[0].clone(), entries[1].clone()));
            jobs.filter_map(Result::transpose).collect()
        })
        .await
    }
}
