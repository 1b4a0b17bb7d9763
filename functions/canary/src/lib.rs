//! The canary. Two ways in: a schedule (`{"action":"probe"}`) makes a summary through the public
//! API, all the way to the worker and back; `CodeDeploy`'s pre-traffic hook makes one with each of
//! the versions that are about to take traffic, and tells `CodeDeploy` whether they may.

mod context;
mod door;
mod probe;

use std::time::{Duration, Instant, SystemTime};

use aws_sdk_codedeploy::types::LifecycleEventStatus;
use lambda_runtime::Error;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use shared::{store::Chain, telemetry::metric};

pub use context::Context;
use probe::Probe;

/// Kept free at the end of an invocation, to report.
const SPARE: Duration = Duration::from_secs(5);

/// What to do.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub enum Task {
    /// From `CodeDeploy`.
    Hook(Hook),
    /// From a schedule or an operator.
    Direct(Direct),
}

impl TryFrom<Value> for Task {
    type Error = serde_json::Error;

    fn try_from(event: Value) -> Result<Self, serde_json::Error> {
        if event.get("LifecycleEventHookExecutionId").is_some() {
            return serde_json::from_value(event).map(Self::Hook);
        }
        serde_json::from_value(event).map(Self::Direct)
    }
}

/// `CodeDeploy`'s question whether the new versions may take traffic.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Hook {
    deployment_id: String,
    lifecycle_event_hook_execution_id: String,
}

/// A task by name.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Direct {
    /// Make a summary as a client would.
    Probe,
    /// Make one with every version that this canary was deployed with.
    Versions,
}

/// The summaries that were made.
#[derive(Debug, Serialize)]
pub struct Report {
    summaries: Vec<Made>,
}

/// A summary that was right.
#[derive(Debug, Serialize)]
struct Made {
    /// What made it.
    by: String,
    /// From its submission to the first sight of its result, in seconds.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    took: Duration,
}

/// Does one task. `deadline` is when Lambda ends the invocation.
///
/// # Errors
/// If a summary is not made, is wrong, or comes too late; or if `CodeDeploy` does not hear of it.
pub async fn handle(context: &Context, task: Task, deadline: SystemTime) -> Result<Report, Error> {
    let patience = deadline.duration_since(SystemTime::now()).unwrap_or_default().saturating_sub(SPARE);
    let late = |_| Err(format!("there was no summary in {} s", patience.as_secs()).into());
    let outcome = match &task {
        Task::Direct(Direct::Probe) => tokio::time::timeout(patience, public(context)).await,
        Task::Direct(Direct::Versions) | Task::Hook(_) => tokio::time::timeout(patience, versions(context)).await,
    };
    let outcome: Result<Report, Error> = outcome.unwrap_or_else(late);
    match &outcome {
        Ok(report) => tracing::info!(?report, "The canary passed."),
        Err(error) => tracing::error!(error = %Chain(error.as_ref()), "The canary failed."),
    }
    if let Task::Hook(hook) = task {
        let status = if outcome.is_ok() {
            LifecycleEventStatus::Succeeded
        } else {
            LifecycleEventStatus::Failed
        };
        let told = context
            .codedeploy
            .put_lifecycle_event_hook_execution_status()
            .deployment_id(hook.deployment_id)
            .lifecycle_event_hook_execution_id(hook.lifecycle_event_hook_execution_id)
            .status(status);
        told.send().await?;
    }
    outcome
}

async fn public(context: &Context) -> Result<Report, Error> {
    let probe = Probe::begin(context).await?;
    let made = timed(context.public.name(), probe.submit(&context.public)).await?;
    metrics::histogram!(metric::CANARY_TIME).record(made.took.as_secs_f64() * 1000.0);
    Ok(Report { summaries: vec![made] })
}

async fn versions(context: &Context) -> Result<Report, Error> {
    let probe = Probe::begin(context).await?;
    let mut summaries = vec![timed(context.version.name(), probe.submit(&context.version)).await?];
    for worker in &context.workers {
        summaries.push(timed(worker.name(), probe.hand_over(worker, &context.version)).await?);
    }
    Ok(Report { summaries })
}

async fn timed(by: &str, work: impl Future<Output = Result<(), Error>>) -> Result<Made, Error> {
    let started = Instant::now();
    work.await.map_err(|error| format!("{by}: {}", Chain(error.as_ref())))?;
    Ok(Made {
        by: by.to_owned(),
        took: started.elapsed(),
    })
}

fn seconds<S: Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(took.as_secs_f64())
}
