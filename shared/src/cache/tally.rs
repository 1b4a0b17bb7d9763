//! Submissions that made no job: refused ones, and those that were answered with a known result. The
//! admission counts them.

use std::collections::HashMap;

use redis::AsyncCommands;
use time::Date;

use super::{Cache, keys};
use crate::{
    job::{KeyId, TenantId, Usage},
    store::StoreError,
};

impl Cache {
    /// The tally of a tenant on these days.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn tally(&self, tenant: &TenantId, days: &[Date]) -> Result<Usage, StoreError> {
        self.ask("read a tally", async |mut connection| {
            let mut usage = Usage::default();
            for day in days {
                let counts: HashMap<String, u64> = connection.hgetall(keys::tally(tenant, *day)).await?;
                for (field, count) in counts {
                    let Some((key, outcome)) = field.split_once(':') else { continue };
                    let counts = usage.of(*day, Some(KeyId::try_from(key.to_owned())?));
                    match outcome {
                        "refused" => counts.refused = count,
                        "cached" => counts.cached = count,
                        _ => {}
                    }
                }
            }
            Ok(usage)
        })
        .await
    }
}
