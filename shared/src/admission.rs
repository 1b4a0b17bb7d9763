//! Decides about submissions: by the limits in the cache, which all processes share, and without the
//! cache by limits of this process alone.
//!
//! A process alone does not know what the others admit. So it admits an eighth of what the limits
//! allow: neither nothing, nor as much as all processes together could.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use time::OffsetDateTime;

use crate::{
    cache::{self, Cache, Candidate},
    job::{KeyId, TenantId},
    quota::{Account, Bucket, Decision, Limits},
    store::Chain,
    telemetry::metric,
};

/// The part of the limits that a process alone uses.
const SHARE: u32 = 8;
/// How many keys and how many tenants a process alone counts. If there are more, it forgets all.
const MOST: usize = 10_000;

/// Decides about submissions.
pub struct Admission {
    cache: Arc<Cache>,
    alone: Mutex<Alone>,
}

impl Admission {
    /// Decides by the limits in this cache.
    pub fn new(cache: Arc<Cache>) -> Self {
        Self {
            cache,
            alone: Mutex::default(),
        }
    }

    /// Decides about a submission. Without the cache, no result is known.
    pub async fn admit(&self, candidate: &Candidate<'_>) -> cache::Admission {
        self.cache.admit(candidate).await.unwrap_or_else(|error| {
            tracing::warn!(error = %Chain(&error), "The cache did not answer. This process decides about the submission by itself.");
            metrics::counter!(metric::DECIDED_ALONE).increment(1);
            let now = i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX);
            let mut alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
            cache::Admission {
                decision: alone.decide(candidate.tenant, candidate.key, candidate.limits, now, candidate.wanted.can_wait()),
                known: None,
                is_claimed: false,
            }
        })
    }
}

/// What this process has counted by itself.
#[derive(Default)]
struct Alone {
    keys: HashMap<(TenantId, KeyId), Bucket>,
    tenants: HashMap<TenantId, (Bucket, Bucket)>,
}

impl Alone {
    fn decide(&mut self, tenant: &TenantId, key: &KeyId, limits: &Limits, now: i64, can_wait: bool) -> Decision {
        if self.keys.len() >= MOST || self.tenants.len() >= MOST {
            *self = Self::default();
        }
        let one = self.keys.entry((tenant.clone(), key.clone())).or_default();
        let (all, deferred) = self.tenants.entry(tenant.clone()).or_default();
        let mut account = Account {
            key: *one,
            tenant: *all,
            deferred: *deferred,
        };
        let decision = account.decide(&limits.part(SHARE), now, can_wait);
        (*one, *all, *deferred) = (account.key, account.tenant, account.deferred);
        decision
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::Plan,
        quota::{Rate, Verdict},
    };

    #[test]
    fn a_process_alone_is_neither_closed_nor_open() {
        let limits = Limits {
            deferred: Rate::new(1, 8).unwrap(),
            ..Limits::of(Plan::Free)
        };
        let [acme, other] = ["acme", "other"].map(|name| TenantId::try_from(name.to_owned()).unwrap());
        let key = KeyId::of_hash(&[7; 32]);
        let (mut alone, now) = (Alone::default(), 1_000_000_000);
        let mut verdicts = [0; 3];
        for _ in 0..50 {
            match alone.decide(&acme, &key, &limits, now, true).verdict {
                Verdict::Admitted => verdicts[0] += 1,
                Verdict::Deferred => verdicts[1] += 1,
                Verdict::Refused { .. } => verdicts[2] += 1,
            }
        }
        assert_eq!(verdicts, [limits.tenant.burst() / SHARE, 1, 50 - limits.tenant.burst() / SHARE - 1]);
        assert_eq!(alone.decide(&other, &key, &limits, now, true).verdict, Verdict::Admitted);
    }

    #[test]
    fn what_a_process_counts_does_not_grow_without_bound() {
        let (limits, mut alone) = (Limits::of(Plan::Free), Alone::default());
        for number in 0..2 * MOST {
            let tenant = TenantId::try_from(format!("t{number}")).unwrap();
            alone.decide(&tenant, &KeyId::of_hash(&[7; 32]), &limits, 0, true);
        }
        assert!(alone.tenants.len() <= MOST && alone.keys.len() <= MOST);
    }
}
