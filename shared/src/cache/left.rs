//! How much of their limits a key and its tenant have left.

use time::OffsetDateTime;

use crate::quota::{Bucket, Level, Limits, Rate};

/// How much of their limits a key and its tenant have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    pub key: Level,
    pub tenant: Level,
}

/// What is left by the clock of this process, from the two entries of the cache.
pub(super) fn left(limits: &Limits, (key, tenant): (Option<i64>, Option<i64>)) -> Left {
    let now = i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX);
    let level = |full_at: Option<i64>, rate: Rate| Bucket::full_at(full_at.unwrap_or_default()).level(rate, now);
    Left {
        key: level(key, limits.key),
        tenant: level(tenant, limits.tenant),
    }
}
