//! Upkeep of the archive. Three ways in: a schedule (`{"action":"upkeep"}`), an operator
//! (`{"action":"migrate"}`, `{"action":"reconcile","hours":1}`), and CloudFormation, which deploys
//! `Custom::Migration` before any function that needs the new schema takes traffic.

mod stack;

use lambda_runtime::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    archive::{Archive, Upkeep},
    config::{self, ConfigError},
    job::Job,
    ledger::{ENDS_KEPT, Ledger},
    store::StoreError,
    telemetry::metric,
};
use time::{Duration, OffsetDateTime};

/// Jobs entered in one transaction.
const JOBS_AT_ONCE: usize = 200;

/// What every run needs; made once per cold start.
pub struct Context {
    archive: Archive,
    ledger: Ledger,
    http: reqwest::Client,
}

impl Context {
    /// Reads the environment that the template sets. Connects to nothing yet.
    ///
    /// # Errors
    /// If a variable is missing or wrong.
    pub async fn try_from_env() -> Result<Self, ConfigError> {
        let aws = config::aws().await;
        Ok(Self {
            archive: Archive::from_env(&aws)?,
            ledger: Ledger::from_env(&aws)?,
            http: reqwest::Client::new(),
        })
    }
}

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
    /// Enter again what ended in the last hours and the archive has lost: with its region, or by being restored.
    Reconcile { hours: i64 },
}

/// What was done.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Version of the newest migration, if the schema was brought up to date.
    pub schema: Option<i64>,
    /// Partitions made.
    pub made: Vec<String>,
    /// Partitions dropped.
    pub dropped: Vec<String>,
    /// Jobs entered again.
    pub entered: usize,
}

/// Does one task.
///
/// # Errors
/// If the database does not answer, or the outcome cannot be reported to CloudFormation.
pub async fn handle(context: &Context, task: Task) -> Result<Report, Error> {
    match task {
        Task::Direct(Direct::Upkeep) => Ok(upkeep(context).await?),
        Task::Direct(Direct::Migrate) => Ok(migrate(context).await?),
        Task::Direct(Direct::Reconcile { hours }) => reconcile(context, hours).await,
        Task::Stack(request) => {
            let outcome = if request.is_removal() {
                Ok(Report::default())
            } else {
                migrate(context).await
            };
            request.answer(&context.http, &outcome).await?;
            Ok(outcome.unwrap_or_default())
        }
    }
}

async fn migrate(context: &Context) -> Result<Report, StoreError> {
    context.archive.migrate().await?;
    let schema = Archive::newest_migration();
    tracing::info!(schema, "the schema is up to date");
    Ok(Report {
        schema: Some(schema),
        ..upkeep(context).await?
    })
}

async fn upkeep(context: &Context) -> Result<Report, StoreError> {
    let Upkeep { made, dropped } = context.archive.keep_partitions(OffsetDateTime::now_utc()).await?;
    metrics::counter!(metric::PARTITIONS_MADE).increment(made.len() as u64);
    tracing::info!(?made, ?dropped, "partitions are kept");
    Ok(Report {
        made,
        dropped,
        ..Report::default()
    })
}

async fn reconcile(context: &Context, hours: i64) -> Result<Report, Error> {
    let most = ENDS_KEPT.whole_hours();
    if !(1..=most).contains(&hours) {
        return Err(format!("hours must be between 1 and {most}: the ledger knows no earlier ends").into());
    }
    let mut entered = 0;
    let enter = async |jobs: Vec<Job>| {
        for jobs in jobs.chunks(JOBS_AT_ONCE) {
            entered += context.archive.finish(jobs).await?.len();
        }
        Ok(())
    };
    context
        .ledger
        .ended_since(OffsetDateTime::now_utc() - Duration::hours(hours), enter)
        .await?;
    tracing::warn!(entered, hours, "what the archive had lost is entered again");
    Ok(Report {
        entered,
        ..Report::default()
    })
}
