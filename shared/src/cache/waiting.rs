//! Waits until a job has finished. Valkey says it through sharded pub/sub, so that nobody has to ask
//! again and again.

use std::time::Duration;

use redis::{PushInfo, PushKind, Value};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, timeout_at},
};

use super::{Cache, keys};
use crate::{
    job::{JobId, TenantId},
    store::StoreError,
};

/// The pauses between the reads of a request that waits without Valkey.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// A job that is being waited for. Begin to wait before the job is read, so that its end cannot fall
/// between the two.
pub struct Waiting<'a> {
    cache: &'a Cache,
    channel: String,
    messages: Option<Receiver<PushInfo>>,
    pauses: std::slice::Iter<'static, Duration>,
}

impl Cache {
    /// Begins to wait for a job. If Valkey does not answer, the caller is woken some few times
    /// instead.
    pub async fn wait_for(&self, tenant: &TenantId, id: &JobId) -> Waiting<'_> {
        let channel = keys::done(tenant, id);
        let messages = self.pushed.subscribe();
        let subscribed = self
            .ask("wait for a job", async |mut connection| Ok(connection.ssubscribe(&channel).await?))
            .await;
        Waiting {
            cache: self,
            channel,
            messages: subscribed.inspect_err(warn).is_ok().then_some(messages),
            pauses: PAUSES.iter(),
        }
    }
}

fn warn(error: &StoreError) {
    tracing::warn!(error = %crate::store::Chain(error), "The cache cannot say when a job has finished. The job is read some few times instead.");
}

impl Waiting<'_> {
    /// Waits until the job may have finished. Returns whether this was before `until`.
    pub async fn woken(&mut self, until: Instant) -> bool {
        let Some(messages) = &mut self.messages else {
            let Some(pause) = self.pauses.next() else {
                tokio::time::sleep_until(until).await;
                return false;
            };
            let next = Instant::now() + *pause;
            tokio::time::sleep_until(next.min(until)).await;
            return next < until;
        };
        let heard = async {
            loop {
                match messages.recv().await {
                    Ok(push) if push.kind == PushKind::SMessage && is_about(&push, &self.channel) => return,
                    // Messages were lost, or the connection was. The job may have finished meanwhile.
                    Ok(PushInfo {
                        kind: PushKind::Disconnection,
                        ..
                    })
                    | Err(RecvError::Lagged(_)) => return,
                    Ok(_) => {}
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        timeout_at(until, heard).await.is_ok()
    }

    /// Ends the wait.
    pub async fn end(self) {
        if self.messages.is_some() {
            let end = async |mut connection: redis::cluster_async::ClusterConnection| Ok(connection.sunsubscribe(&self.channel).await?);
            if let Err(error) = self.cache.ask("end a wait", end).await {
                warn(&error);
            }
        }
    }
}

fn is_about(push: &PushInfo, channel: &str) -> bool {
    matches!(push.data.first(), Some(Value::BulkString(name)) if name == channel.as_bytes())
}
