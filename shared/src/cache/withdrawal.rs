//! Takes back a job whose message may have reached its lane, although SQS has not said so.
//!
//! The API and a worker decide by one entry of the cache who was first, so that the client and the
//! service agree on whether there is such a job.

use std::sync::LazyLock;

use redis::Script;

use super::{Cache, ERASED, keys};
use crate::{
    job::{JobId, TenantId},
    store::StoreError,
};

static WITHDRAW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("withdraw.lua")));

impl Cache {
    /// Removes a job that was not accepted after all, so that no worker begins it. Returns
    /// `false`, and changes nothing, if a worker has begun it already.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn withdraw(&self, tenant: &TenantId, id: &JobId) -> Result<bool, StoreError> {
        let mut invocation = WITHDRAW.prepare_invoke();
        invocation
            .key(keys::summary(tenant, id))
            .key(keys::started(tenant, id))
            .key(keys::recent(tenant))
            .key(keys::unrecorded(tenant))
            .arg(id.to_string())
            .arg(ERASED)
            .arg(keys::WITHDRAWN_SECONDS);
        self.ask("remove a job that was not accepted", async |mut connection| {
            Ok(invocation.invoke_async(&mut connection).await?)
        })
        .await
    }
}
