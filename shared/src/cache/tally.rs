//! Submissions that made no job: refused ones, and those that were answered with a known result. The
//! admission counts them.
//!
//! The tally of a day is a hash. The field `generation` is the id of the first job that was counted,
//! which nobody else has. All other fields are `<key id>:refused` or `<key id>:cached`.

use std::collections::HashMap;

use redis::AsyncCommands;
use time::Date;

use super::{Cache, keys};
use crate::{
    job::{KeyId, Tally, TenantId, Usage},
    store::{BoxError, StoreError},
};

impl Cache {
    /// The tallies of a tenant on these days, as this region counts them.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn tallies(&self, tenant: &TenantId, region: &str, days: &[Date]) -> Result<Vec<Tally>, StoreError> {
        self.ask("read tallies", async |mut connection| {
            let mut tallies = Vec::new();
            for day in days {
                let counts: HashMap<String, String> = connection.hgetall(keys::tally(tenant, *day)).await?;
                let Some(generation) = counts.get("generation").cloned() else {
                    continue;
                };
                tallies.push(Tally {
                    day: *day,
                    region: region.to_owned(),
                    generation,
                    usage: usage(*day, counts)?,
                });
            }
            Ok(tallies)
        })
        .await
    }
}

fn usage(day: Date, counts: HashMap<String, String>) -> Result<Usage, BoxError> {
    let mut usage = Usage::default();
    for (field, count) in counts {
        let Some((key, outcome)) = field.split_once(':') else { continue };
        let counts = usage.of(day, Some(KeyId::try_from(key.to_owned())?));
        match outcome {
            "refused" => counts.refused = count.parse()?,
            "cached" => counts.cached = count.parse()?,
            _ => {}
        }
    }
    Ok(usage)
}
