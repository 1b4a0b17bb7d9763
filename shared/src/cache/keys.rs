//! The keys in Valkey, what they hold, and for how long.
//!
//! | key | value | kept for |
//! |---|---|---|
//! | `{tenant}:summary:<job id>` | summary resource, JSON | an hour |
//! | `{tenant}:started:<job id>` | when a worker started the job, RFC 3339 | six minutes |
//! | `{tenant}:result:<fingerprint>` | summary resource, JSON | a day |
//!
//! The braces are part of the key. They make all keys of a tenant share one hash slot of the
//! cluster.

use crate::job::{JobId, TenantId};

/// For how many seconds a job is kept.
pub(super) const SUMMARY_SECONDS: u64 = 3_600;
/// For how many seconds a job is shown as running after a worker has started it. On AWS this is a
/// minute less than the visibility timeout of a lane. A job whose worker has died is therefore
/// shown as queued shortly before it is delivered again.
pub(super) const STARTED_SECONDS: u64 = 360;
/// For how many seconds a result is reused. The archive keeps it longer, so that a client who
/// receives its id can read it.
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
    fn the_keys_have_their_documented_form() {
        let tenant: TenantId = String::from("demo").try_into().unwrap();
        let id: JobId = "sum_use1_01JDCR0W00E05BQ75SEB3D7PSV".parse().unwrap();
        assert_eq!(summary(&tenant, &id), "{demo}:summary:sum_use1_01JDCR0W00E05BQ75SEB3D7PSV");
        assert_eq!(started(&tenant, &id), "{demo}:started:sum_use1_01JDCR0W00E05BQ75SEB3D7PSV");
        assert_eq!(result(&tenant, "f00d"), "{demo}:result:f00d");
    }
}
