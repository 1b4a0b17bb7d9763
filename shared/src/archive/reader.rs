//! The reader: a replica of the database that answers what clients ask.
//!
//! Every write of a tenant's rows raises the write number of the tenant, in the same transaction.
//! Two writes of one tenant raise it one after the other, so that a replica with a number has all
//! writes up to it. Whoever knows the newest number can therefore tell whether the reader may
//! answer. This needs neither clocks nor positions in the log, which Aurora does not show.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{Postgres, Transaction, postgres::PgRow};
use tokio::sync::Mutex;

use super::server::{Queries, Server, failed, rows};
use crate::{
    job::TenantId,
    store::{Chain, Store, StoreError, in_time},
};

/// How long the reader may take for a read. After that the writer is asked.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How long the reader is not asked again after it did not answer.
const PAUSE: Duration = Duration::from_secs(10);

/// The write number of a tenant.
pub(super) const NUMBER: &str = "SELECT number FROM tenant_writes WHERE tenant = $1";

#[derive(Clone)]
pub(super) struct Reader {
    server: Server,
    lost_at: Arc<Mutex<Option<Instant>>>,
}

impl Reader {
    pub(super) fn new(server: Server) -> Self {
        Self {
            server,
            lost_at: Arc::default(),
        }
    }

    /// The rows of the queries of a read. `None` if the reader does not have this write of the
    /// tenant yet, or does not answer.
    pub(super) async fn rows(
        &self,
        (tenant, number): (&TenantId, i64),
        queries: Queries<'_>,
        operation: &'static str,
    ) -> Option<Vec<Vec<PgRow>>> {
        let lost_at = *self.lost_at.lock().await;
        if lost_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return None;
        }
        let ask = async {
            let mut transaction = self.server.begin(operation).await?;
            // Each statement sees what the one before it has seen, and perhaps more.
            if number_of(&mut transaction, tenant, operation).await? < number {
                transaction.rollback().await.map_err(failed(operation))?;
                return Ok(None);
            }
            rows(transaction, queries, operation).await.map(Some)
        };
        match in_time(Store::Archive, operation, TIMEOUT, ask).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "The reader of the database did not answer. The writer is asked.");
                *self.lost_at.lock().await = Some(Instant::now());
                None
            }
        }
    }
}

async fn number_of(
    transaction: &mut Transaction<'static, Postgres>,
    tenant: &TenantId,
    operation: &'static str,
) -> Result<i64, StoreError> {
    let number = sqlx::query_scalar(NUMBER).bind(tenant.as_str()).persistent(false);
    let number = number.fetch_optional(&mut **transaction).await.map_err(failed(operation))?;
    Ok(number.unwrap_or_default())
}
