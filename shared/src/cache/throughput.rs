//! How many jobs of a lane have finished in the last minutes. The wait of a new job is estimated
//! from it.

use redis::AsyncCommands;
use time::OffsetDateTime;

use super::{Cache, keys};
use crate::{
    job::Lane,
    store::{BoxError, StoreError},
};

/// The number of whole minutes that are looked at.
const MINUTES: i64 = 5;

impl Cache {
    /// How many jobs of a lane have finished in a second, on average over the last minutes.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn throughput(&self, lane: Lane) -> Result<f64, StoreError> {
        let now = keys::minute();
        let minutes: Vec<String> = (0..=MINUTES).map(|ago| keys::finished(lane, now - ago)).collect();
        self.ask("count the finished jobs of a lane", async |mut connection| {
            let counts: Vec<Option<u32>> = connection.mget(&minutes).await?;
            let jobs: u32 = counts.into_iter().flatten().sum();
            let begun = OffsetDateTime::now_utc().unix_timestamp() % 60;
            let seconds = u32::try_from(MINUTES * 60 + begun)?;
            Ok::<_, BoxError>(f64::from(jobs) / f64::from(seconds))
        })
        .await
    }
}
