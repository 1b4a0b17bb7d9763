//! Upkeep of the archive. Three ways in: a schedule (`{"action":"upkeep"}`), an operator
//! (`{"action":"migrate"}`), and CloudFormation, which deploys `Custom::Migration` before any
//! function that needs the new schema takes traffic.

mod stack;

use lambda_runtime::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    archive::{Archive, Upkeep},
    config::{self, ConfigError},
    store::StoreError,
    telemetry::metric,
};
use time::OffsetDateTime;

/// What every run needs; made once per cold start.
pub struct Context {
    archive: Archive,
    http: reqwest::Client,
}

impl Context {
    /// Reads the environment that the template sets. Connects to nothing yet.
    ///
    /// # Errors
    /// If a variable is missing or wrong.
    pub async fn try_from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            archive: Archive::from_env(&config::aws().await)?,
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
}

/// Does one task.
///
/// # Errors
/// If the database does not answer, or the outcome cannot be reported to CloudFormation.
pub async fn handle(context: &Context, task: Task) -> Result<Report, Error> {
    match task {
        Task::Direct(Direct::Upkeep) => Ok(upkeep(context).await?),
        Task::Direct(Direct::Migrate) => Ok(migrate(context).await?),
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
        schema: None,
        made,
        dropped,
    })
}
