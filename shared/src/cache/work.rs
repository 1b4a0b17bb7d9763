//! What a worker asks before it works on a job. Identical jobs of a tenant that are worked on at the
//! same time share one computation.

use std::sync::LazyLock;

use redis::Script;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Cache, admission::LEASE_MILLISECONDS, keys};
use crate::{
    job::{JobId, SummaryResource, TenantId},
    store::{Store, StoreError, parse},
};

static BEGIN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("begin.lua")));

/// What there is to do for a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// The client has erased the job.
    Erased,
    /// The job has finished already.
    Finished(Box<SummaryResource>),
    /// The job has not begun, and may not begin any more.
    Late,
    /// Another job has the same text and options. This is that job with its result.
    Known(Box<SummaryResource>),
    /// Another process makes the same result at this moment.
    Busy,
    /// The result has to be made. For half a minute nobody else will make it.
    Needed,
}

impl Cache {
    /// Marks a job as started by this process, and says what there is to do. Without a fingerprint, no
    /// result is shared. A job that may not begin any more goes on if it has begun before.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn begin(
        &self,
        tenant: &TenantId,
        id: &JobId,
        fingerprint: Option<&str>,
        at: OffsetDateTime,
        may_begin: bool,
    ) -> Result<Work, StoreError> {
        const OPERATION: &str = "mark a job as started";
        let at = at.format(&Rfc3339).map_err(StoreError::because(Store::Cache, OPERATION))?;
        let shared = fingerprint.unwrap_or_default();
        let mut invocation = BEGIN.prepare_invoke();
        invocation
            .key(keys::summary(tenant, id))
            .key(keys::started(tenant, id))
            .key(keys::result(tenant, shared))
            .key(keys::work(tenant, shared))
            .arg(id.to_string())
            .arg(at)
            .arg(keys::STARTED_SECONDS)
            .arg(LEASE_MILLISECONDS)
            .arg(if fingerprint.is_some() { "1" } else { "0" })
            .arg(if may_begin { "1" } else { "0" })
            .arg(&self.process);
        self.ask(OPERATION, async |mut connection| {
            let reply: Vec<String> = invocation.invoke_async(&mut connection).await?;
            let job = || parse(reply.get(1).ok_or("the answer has no job")?).map(Box::new);
            Ok(match reply.first().map(String::as_str) {
                Some("erased") => Work::Erased,
                Some("finished") => Work::Finished(job()?),
                Some("late") => Work::Late,
                Some("known") => Work::Known(job()?),
                Some("busy") => Work::Busy,
                _ => Work::Needed,
            })
        })
        .await
    }
}
