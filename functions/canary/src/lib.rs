//! The canary. It makes real summaries and checks them. Two callers invoke it:
//!
//! - A schedule sends `{"action":"probe"}`. The canary then submits a text through the public API,
//!   and waits until a worker has summarised it. Before that, it resumes lanes that `prescale` has paused,
//!   if `prescale` does not run any more.
//! - `CodeDeploy` calls it before new versions take traffic. The canary then makes a summary with
//!   each of these versions, and tells `CodeDeploy` whether they may take traffic.

mod context;
mod endpoint;
mod lanes;
mod probe;

use std::time::{Duration, Instant, SystemTime};

use aws_sdk_codedeploy::types::LifecycleEventStatus;
use lambda_runtime::Error;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use shared::{store::Chain, telemetry::metric};

pub use context::Context;
use probe::Probe;

/// The last seconds of an invocation are reserved for reporting the outcome.
const RESERVED_TIME: Duration = Duration::from_secs(5);

/// The event that the function is invoked with.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub enum Task {
    /// An event from `CodeDeploy`.
    Hook(Hook),
    /// An event from a schedule or an operator.
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

/// The question of `CodeDeploy` whether the new versions may take traffic.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Hook {
    deployment_id: String,
    lifecycle_event_hook_execution_id: String,
}

/// A task that is asked for by its name.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Direct {
    /// Make a summary through the public API, as a client does.
    Probe,
    /// Make a summary with each of the versions that were deployed together with this canary.
    Versions,
}

/// The summaries that a run made, all of them correct.
#[derive(Debug, Serialize)]
pub struct Report {
    summaries: Vec<Made>,
}

/// A summary that was made and is correct.
#[derive(Debug, Serialize)]
struct Made {
    /// The public address, or the function and version, that made the summary.
    by: String,
    /// The time from the submission until a read showed the result, in seconds.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    took: Duration,
}

/// Does one task. `deadline` is when Lambda stops the invocation.
///
/// # Errors
/// If a summary is not made, is wrong, or takes too long, or if the outcome cannot be reported to
/// `CodeDeploy`.
pub async fn handle(context: &Context, task: Task, deadline: SystemTime) -> Result<Report, Error> {
    let timeout = deadline
        .duration_since(SystemTime::now())
        .unwrap_or_default()
        .saturating_sub(RESERVED_TIME);
    let timed_out = |_| Err(format!("the summaries were not finished after {} s", timeout.as_secs()).into());
    let outcome = match &task {
        Task::Direct(Direct::Probe) => tokio::time::timeout(timeout, public(context)).await,
        Task::Direct(Direct::Versions) | Task::Hook(_) => tokio::time::timeout(timeout, versions(context)).await,
    };
    let outcome: Result<Report, Error> = outcome.unwrap_or_else(timed_out);
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
        let request = context
            .codedeploy
            .put_lifecycle_event_hook_execution_status()
            .deployment_id(hook.deployment_id)
            .lifecycle_event_hook_execution_id(hook.lifecycle_event_hook_execution_id)
            .status(status);
        request.send().await?;
    }
    outcome
}

async fn public(context: &Context) -> Result<Report, Error> {
    let probe = Probe::begin(context).await?;
    if let Err(error) = Box::pin(lanes::resume(context, &probe)).await {
        tracing::error!(error = %Chain(error.as_ref()), "It is not known whether lanes have to be resumed.");
    }
    let made = timed(context.public.name(), probe.submit(&context.public)).await?;
    metrics::histogram!(metric::CANARY_TIME).record(made.took.as_secs_f64() * 1000.0);
    Ok(Report { summaries: vec![made] })
}

async fn versions(context: &Context) -> Result<Report, Error> {
    let probe = Probe::begin(context).await?;
    let mut summaries = vec![timed(context.version.name(), probe.submit(&context.version)).await?];
    for worker in &context.workers {
        summaries.push(timed(worker.name(), probe.invoke_worker(worker, &context.version)).await?);
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
