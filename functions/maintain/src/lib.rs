//! Upkeep of the archive. Three ways in: a schedule (`{"action":"upkeep"}`), an operator
//! (`{"action":"migrate"}`, `{"action":"reconcile","hours":1}`), and CloudFormation, which deploys
//! `Custom::Migration` before any function that needs the new schema takes traffic.

mod context;
mod report;
mod stack;

use lambda_runtime::Error;
use serde::Deserialize;
use serde_json::Value;
use shared::{
    archive::{Archive, Upkeep},
    job::Job,
    ledger::FINISHED_KEPT,
    store::StoreError,
    telemetry::metric,
};
use time::{Duration, OffsetDateTime};

pub use context::Context;
pub use report::Report;

/// Jobs entered in one transaction.
const JOBS_AT_ONCE: usize = 200;

/// What to do.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub enum Task {
    /// From CloudFormation; the outcome is reported to the stack.
    Stack(stack::Request),
    /// From a schedule or an operator.
    Direct(Direct),
}

impl TryFrom<Value> for Task {
    type Error = serde_json::Error;

    fn try_from(event: Value) -> Result<Self, serde_json::Error> {
        if event.get("RequestType").is_some() {
            return serde_json::from_value(event).map(Self::Stack);
        }
        serde_json::from_value(event).map(Self::Direct)
    }
}

/// A task by name.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Direct {
    /// Bring the schema up to date, then do the upkeep.
    Migrate,
    /// Make partitions ahead, drop expired ones.
    Upkeep,
    /// Enter the jobs again that finished in the last hours and that the archive has lost, because its
    /// region was lost or because it was restored from a backup.
    Reconcile { hours: i64 },
}

/// Does one task.
///
/// # Errors
/// If the database does not answer, or the outcome cannot be reported to CloudFormation.
pub async fn handle(context: &Context, task: Task) -> Result<Report, Error> {
    // Each task is a deep tower of futures: the runtime's, the AWS SDK's and those of sqlx. On the heap,
    // each has a type of its own, and the compiler need not lay out all of them as one value.
    match task {
        Task::Direct(Direct::Upkeep) => Ok(Box::pin(upkeep(context)).await?),
        Task::Direct(Direct::Migrate) => Ok(Box::pin(migrate(context)).await?),
        Task::Direct(Direct::Reconcile { hours }) => Box::pin(reconcile(context, hours)).await,
        Task::Stack(request) => {
            let outcome = if request.is_removal() {
                Ok(Report::default())
            } else {
                Box::pin(migrate(context)).await
            };
            request.answer(&context.http, &outcome).await?;
            Ok(outcome.unwrap_or_default())
        }
    }
}

async fn migrate(context: &Context) -> Result<Report, StoreError> {
    context.archive.migrate().await?;
    let schema = Archive::newest_migration();
    tracing::info!(schema, "The schema is up to date.");
    Ok(Report {
        schema: Some(schema),
        ..upkeep(context).await?
    })
}

async fn upkeep(context: &Context) -> Result<Report, StoreError> {
    let Upkeep { made, dropped } = context.archive.keep_partitions(OffsetDateTime::now_utc()).await?;
    metrics::counter!(metric::PARTITIONS_MADE).increment(made.len() as u64);
    tracing::info!(?made, ?dropped, "The partitions are up to date.");
    Ok(Report {
        made,
        dropped,
        ..Report::default()
    })
}

async fn reconcile(context: &Context, hours: i64) -> Result<Report, Error> {
    let most = FINISHED_KEPT.whole_hours();
    if !(1..=most).contains(&hours) {
        return Err(format!("hours must be between 1 and {most}: the ledger keeps finished jobs no longer").into());
    }
    let mut entered = 0;
    let enter = async |jobs: Vec<Job>| {
        for jobs in jobs.chunks(JOBS_AT_ONCE) {
            entered += context.archive.finish(jobs, &[]).await?.len();
        }
        Ok(())
    };
    context
        .ledger
        .finished_since(OffsetDateTime::now_utc() - Duration::hours(hours), enter)
        .await?;
    tracing::warn!(entered, hours, "The jobs that the archive had lost are entered again.");
    Ok(Report {
        entered,
        ..Report::default()
    })
}
