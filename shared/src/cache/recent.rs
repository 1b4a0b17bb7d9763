//! The jobs that lists cannot find elsewhere: those of the last seconds, which the index of the ledger
//! does not know yet, and those that were finished inside their requests and that no worker has recorded
//! yet.

use redis::AsyncCommands;

use super::{Cache, job, keys};
use crate::{
    job::{JobId, SummaryResource, TenantId},
    store::StoreError,
};

/// How many of each kind are read at most, the newest first.
const MOST: isize = 200;
/// How many jobs are read in one command. A finished one has up to half a megabyte.
const TOGETHER: usize = 20;

impl Cache {
    /// The ids of jobs that were submitted in the last ten seconds, and of jobs that were finished
    /// inside their requests and that no worker has recorded. Each list has the newest first.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn recent(&self, tenant: &TenantId) -> Result<[Vec<JobId>; 2], StoreError> {
        self.ask("list recent jobs", async |mut connection| {
            let lists: [Vec<String>; 2] = redis::pipe()
                .zrevrange(keys::recent(tenant), 0, MOST - 1)
                .zrevrange(keys::unrecorded(tenant), 0, MOST - 1)
                .query_async(&mut connection)
                .await?;
            Ok(lists.map(|ids| ids.into_iter().filter_map(|id| id.parse().ok()).collect()))
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
            let mut jobs = Vec::new();
            for ids in ids.chunks(TOGETHER) {
                let asked: Vec<String> = ids
                    .iter()
                    .flat_map(|id| [keys::summary(tenant, id), keys::started(tenant, id)])
                    .collect();
                let mut found: Vec<Option<String>> = connection.mget(&asked).await?;
                for entries in found.chunks_exact_mut(2) {
                    jobs.extend(job(entries[0].take(), entries[1].take())?);
                }
            }
            Ok(jobs)
        })
        .await
    }
}
