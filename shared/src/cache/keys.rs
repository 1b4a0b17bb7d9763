//! Every key in Valkey: its shape, what it holds, how long.
//!
//! | key | value | kept |
//! |---|---|---|
//! | `{tenant}:summary:<job id>` | summary resource, JSON | an hour |
//! | `{tenant}:started:<job id>` | when a worker took the job, RFC 3339 | as long as a message is invisible |
//! | `{tenant}:result:<fingerprint>` | summary resource, JSON | a day |
//!
//! The braces are part of the key: all keys of a tenant share one slot of the cluster.

use crate::job::{JobId, TenantId};

/// Seconds a job stays at hand.
pub(super) const SUMMARY_SECONDS: u64 = 3_600;
/// Seconds a job counts as running without a word of it.
pub(super) const STARTED_SECONDS: u64 = 360;
/// Seconds a result is reused. Shorter than the archive keeps it, so that its id can be read.
pub(super) const RESULT_SECONDS: u64 = 24 * 3_600;

pub(super) fn summary(tenant: &TenantId, id: &JobId) -> String {
    format!("{{{tenant}}}:summary:{id}")
}

pub(super) fn started(tenant: &TenantId, id: &JobId) -> String {
    format!("{{{tenant}}}:started:{id}")
}

pub(super) fn result(tenant: &TenantId, fingerprint: &str) -> String {
    format!("{{{tenant}}}:result:{fingerprint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_pinned() {
        let tenant: TenantId = String::from("demo").try_into().unwrap();
        let id: JobId = "sum_use1_01JDCR0W00E05BQ75SEB3D7PSV".parse().unwrap();
        assert_eq!(summary(&tenant, &id), "{demo}:summary:sum_use1_01JDCR0W00E05BQ75SEB3D7PSV");
        assert_eq!(started(&tenant, &id), "{demo}:started:sum_use1_01JDCR0W00E05BQ75SEB3D7PSV");
        assert_eq!(result(&tenant, "f00d"), "{demo}:result:f00d");
    }
}
