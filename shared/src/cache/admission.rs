//! One round trip for each submission: it is counted against the limits, a known result is looked
//! for, and the job is kept for reads.

use std::sync::LazyLock;

use redis::Script;
use time::OffsetDateTime;

use super::{
    Cache, keys,
    left::{Left, left},
};
use crate::{
    job::{KeyId, SummaryResource, TenantId},
    quota::{Bucket, Decision, Limits, Rate, Verdict},
    store::{BoxError, Store, StoreError, parse},
};

/// How long the work on a result is claimed. The engine takes 20 seconds for a text at most.
pub(super) const LEASE_MILLISECONDS: u64 = 30_000;

static ADMIT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("admit.lua")));

/// A submission as the cache needs it.
pub struct Candidate<'a> {
    pub tenant: &'a TenantId,
    pub key: &'a KeyId,
    pub limits: &'a Limits,
    pub fingerprint: &'a str,
    /// The job that will be accepted if the submission is within the rates.
    pub admitted: &'a SummaryResource,
    /// The job that will be accepted if it is over a rate.
    pub deferred: &'a SummaryResource,
    pub wanted: Wanted,
}

/// What a submission may be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Only the decision. Nothing of the job is kept.
    Nothing,
    /// A new job in any case.
    Queue,
    /// A known result, or a new job.
    Reuse,
    /// A known result, or one that this process makes at once, or a new job.
    Inline,
}

impl Wanted {
    /// Whether the submission may be accepted into the bulk lane.
    pub(crate) fn can_wait(self) -> bool {
        self != Self::Nothing
    }
}

/// The answer to a submission.
#[derive(Clone, Debug, PartialEq)]
pub struct Admission {
    pub decision: Decision,
    /// A finished job of the same tenant with the same text and options.
    pub known: Option<SummaryResource>,
    /// Whether this process has claimed the work on the result and makes it at once.
    pub is_claimed: bool,
}

type Reply = (u8, String, String, String, bool, Option<String>);

impl Cache {
    /// How much of their limits a key and its tenant have left. It is counted by the clock of this
    /// process, so that it may differ by the difference of the clocks.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn left(&self, tenant: &TenantId, key: &KeyId, limits: &Limits) -> Result<Left, StoreError> {
        self.ask("look for the rates", async |mut connection| {
            let asked = [keys::key_rate(tenant, key), keys::rate(tenant)];
            let full: (Option<i64>, Option<i64>) = redis::AsyncCommands::mget(&mut connection, &asked).await?;
            Ok(left(limits, full))
        })
        .await
    }

    /// Decides about a submission and counts it, looks for its result, and otherwise keeps the job
    /// for reads and lists. The caller removes a job with [`Cache::forget`] that is not accepted
    /// after all.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn admit(&self, candidate: &Candidate<'_>) -> Result<Admission, StoreError> {
        const OPERATION: &str = "admit a submission";
        let invocation = invocation(candidate).map_err(StoreError::because(Store::Cache, OPERATION))?;
        self.ask(OPERATION, async |mut connection| {
            let reply: Reply = invocation.invoke_async(&mut connection).await?;
            admission(candidate.limits, reply)
        })
        .await
    }
}

fn invocation(candidate: &Candidate<'_>) -> Result<redis::ScriptInvocation<'static>, BoxError> {
    let Candidate { tenant, key, limits, .. } = candidate;
    let id = &candidate.admitted.id;
    let mut invocation = ADMIT.prepare_invoke();
    for key in [
        keys::key_rate(tenant, key),
        keys::rate(tenant),
        keys::allowance(tenant),
        keys::result(tenant, candidate.fingerprint),
        keys::work(tenant, candidate.fingerprint),
        keys::summary(tenant, id),
        keys::recent(tenant),
        keys::used(tenant),
        keys::tally(tenant, OffsetDateTime::now_utc().date()),
        keys::unrecorded(tenant),
    ] {
        invocation.key(key);
    }
    for rate in [limits.key, limits.tenant, limits.deferred] {
        invocation.arg(rate.interval()).arg(rate.window());
    }
    invocation
        .arg(key.as_str())
        .arg(id.to_string())
        .arg(match candidate.wanted {
            Wanted::Nothing => "nothing",
            Wanted::Queue => "queue",
            Wanted::Reuse => "reuse",
            Wanted::Inline => "inline",
        })
        .arg(LEASE_MILLISECONDS)
        .arg(serde_json::to_string(candidate.admitted)?)
        .arg(serde_json::to_string(candidate.deferred)?)
        .arg(keys::SUMMARY_SECONDS)
        .arg(keys::RECENT_SECONDS)
        .arg(keys::USED_SECONDS)
        .arg(keys::TALLY_SECONDS);
    Ok(invocation)
}

fn admission(limits: &Limits, (verdict, wait, key, tenant, is_claimed, known): Reply) -> Result<Admission, BoxError> {
    let verdict = match verdict {
        0 => Verdict::Admitted,
        1 => Verdict::Deferred,
        _ => Verdict::Refused { wait: wait.parse()? },
    };
    let level = |full_in: &str, rate: Rate| Ok::<_, BoxError>(Bucket::full_at(full_in.parse()?).level(rate, 0));
    Ok(Admission {
        decision: Decision {
            verdict,
            key: level(&key, limits.key)?,
            tenant: level(&tenant, limits.tenant)?,
        },
        known: known.map(|json| parse(&json)).transpose()?,
        is_claimed,
    })
}
