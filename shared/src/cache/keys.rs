//! The keys in Valkey, what they hold, and for how long.
//!
//! | key | value | kept for |
//! |---|---|---|
//! | `{tenant}:summary:<job id>` | summary resource, JSON, or `erased` | an hour; 14 days if its submission was withdrawn |
//! | `{tenant}:started:<job id>` | when a worker started the job, RFC 3339 | six minutes |
//! | `{tenant}:result:<fingerprint>` | summary resource, JSON | a day |
//! | `{tenant}:origin:<job id>` | fingerprint of a result that the job has made | a day |
//! | `{tenant}:work:<fingerprint>` | id of the job for which this result is being made, and of the worker's process | half a minute |
//! | `{tenant}:recent` | ids of jobs, by the second of their submission | ten seconds |
//! | `{tenant}:newest-write` | number of the newest write of the tenant's rows in the archive | an hour |
//! | `{tenant}:rate` | when the rate of the tenant will be full, microseconds since 1970 | until then |
//! | `{tenant}:rate:<key id>` | the same for a key | until then |
//! | `{tenant}:allowance` | the same for deferred jobs | until then |
//! | `{tenant}:tally:<day>` | submissions that made no job, by key and outcome | three days |
//! | `{lane-<lane>}:finished:<minute>` | jobs of the lane that finished in this minute | ten minutes |
//! | `{tenant}:session:<hash of the token>` | session, JSON | until it ends |
//! | `{tenant}:sessions` | sorted set: the hash of each session, by its end in seconds since 1970 | a day after the last session was opened |
//! | `{tenant}:used` | hash: the id of each key, and when it was used the last time, in seconds since 1970 | 90 days after the last use |
//!
//! The braces are part of the key. They make all keys of a tenant share one hash slot of the
//! cluster. The channel `{tenant}:done:<job id>` of the same slot says that a job has finished.

use crate::job::{JobId, KeyId, Lane, TenantId};

/// For how many seconds a job is kept.
pub(super) const SUMMARY_SECONDS: u64 = 3_600;
/// For how many seconds it is known that a submission was not accepted. Its message waits no longer in its
/// lane and its dead-letter queue.
pub(super) const WITHDRAWN_SECONDS: u64 = 14 * 86_400;
/// For how many seconds a job is shown as running after a worker has started it. On AWS this is a
/// minute less than the visibility timeout of a lane. A job whose worker has died is therefore
/// shown as queued shortly before it is delivered again.
pub(super) const STARTED_SECONDS: u64 = 360;
/// For how many seconds a result is reused. The archive keeps it longer, so that a client who
/// receives its id can read it.
pub(super) const RESULT_SECONDS: u64 = 24 * 3_600;
/// For how many seconds a job is listed from the cache. The index of the ledger knows it long
/// before that.
pub(super) const RECENT_SECONDS: u64 = 10;
/// For how many seconds the last use of a key is kept.
pub(super) const USED_SECONDS: u64 = 90 * 24 * 3_600;
/// For how many seconds a tally is kept. It is copied into the archive every hour.
pub(super) const TALLY_SECONDS: u64 = 3 * 24 * 3_600;

pub(super) fn summary(tenant: &TenantId, id: &JobId) -> String {
    format!("{{{tenant}}}:summary:{id}")
}

pub(super) fn started(tenant: &TenantId, id: &JobId) -> String {
    format!("{{{tenant}}}:started:{id}")
}

pub(super) fn result(tenant: &TenantId, fingerprint: &str) -> String {
    format!("{{{tenant}}}:result:{fingerprint}")
}

pub(super) fn origin(tenant: &TenantId, id: &JobId) -> String {
    format!("{{{tenant}}}:origin:{id}")
}

pub(super) fn work(tenant: &TenantId, fingerprint: &str) -> String {
    format!("{{{tenant}}}:work:{fingerprint}")
}

pub(super) fn recent(tenant: &TenantId) -> String {
    format!("{{{tenant}}}:recent")
}

pub(super) fn unrecorded(tenant: &TenantId) -> String {
    format!("{{{tenant}}}:unrecorded")
}

/// For how many seconds the newest write of a tenant is known. If it is not, the archive is asked.
pub(super) const NEWEST_WRITE_SECONDS: u64 = 3_600;

pub(super) fn newest_write(tenant: &TenantId) -> String {
    format!("{{{tenant}}}:newest-write")
}

pub(super) fn rate(tenant: &TenantId) -> String {
    format!("{{{tenant}}}:rate")
}

pub(super) fn key_rate(tenant: &TenantId, key: &KeyId) -> String {
    format!("{{{tenant}}}:rate:{key}")
}

pub(super) fn allowance(tenant: &TenantId) -> String {
    format!("{{{tenant}}}:allowance")
}

pub(super) fn session(tenant: &TenantId, hash: &str) -> String {
    format!("{{{tenant}}}:session:{hash}")
}

pub(super) fn sessions(tenant: &TenantId) -> String {
    format!("{{{tenant}}}:sessions")
}

pub(super) fn used(tenant: &TenantId) -> String {
    format!("{{{tenant}}}:used")
}

pub(super) fn tally(tenant: &TenantId, day: time::Date) -> String {
    format!("{{{tenant}}}:tally:{day}")
}

/// For how many seconds the jobs of a minute are counted.
pub(super) const FINISHED_SECONDS: u64 = 600;

/// The number of minutes since 1970.
pub(super) fn minute() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp() / 60
}

/// `minute` is the number of minutes since 1970.
pub(super) fn finished(lane: Lane, minute: i64) -> String {
    format!("{{lane-{lane}}}:finished:{minute}")
}

pub(super) fn done(tenant: &TenantId, id: &JobId) -> String {
    format!("{{{tenant}}}:done:{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_have_their_documented_form() {
        let tenant: TenantId = String::from("demo").try_into().unwrap();
        let id: JobId = "sum_use1_01JDCR0W00E05BQ75SEB3D7PSV".parse().unwrap();
        assert_eq!(summary(&tenant, &id), "{demo}:summary:sum_use1_01JDCR0W00E05BQ75SEB3D7PSV");
        assert_eq!(started(&tenant, &id), "{demo}:started:sum_use1_01JDCR0W00E05BQ75SEB3D7PSV");
        assert_eq!(result(&tenant, "f00d"), "{demo}:result:f00d");
        assert_eq!(tally(&tenant, time::macros::date!(2026 - 01 - 02)), "{demo}:tally:2026-01-02");
        assert_eq!(session(&tenant, "f00d"), "{demo}:session:f00d");
        assert_eq!(
            (sessions(&tenant), used(&tenant)),
            ("{demo}:sessions".to_owned(), "{demo}:used".to_owned())
        );
    }
}
