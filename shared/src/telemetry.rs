//! Logs as JSON, and metrics in the embedded metric format of CloudWatch. Both are written to
//! standard output.
//!
//! No log line and no metric may contain document text or API keys.

use std::sync::OnceLock;

use lambda_runtime::Diagnostic;
use metrics_cloudwatch_embedded::{Builder, Collector};
use tracing_subscriber::EnvFilter;

use crate::store::{BoxError, Chain};

/// The CloudWatch namespace of every metric.
pub const NAMESPACE: &str = "SummarEase";

/// The names of the metrics. Each of them is written by some function. Dashboards and alarms may
/// use only these.
pub mod metric {
    /// Requests that were answered, by class of `status` (`2xx` and so on). A count.
    pub const REQUESTS: &str = "Requests";
    /// Jobs that were accepted, by `lane`. A count.
    pub const ACCEPTED: &str = "JobsAccepted";
    /// Submissions that were accepted into the bulk lane because their tenant was over its rate. A
    /// count.
    pub const DEFERRED: &str = "JobsDeferred";
    /// Submissions that were refused because their tenant was over its rate and its allowance. A
    /// count.
    pub const REFUSED: &str = "JobsRefused";
    /// Submissions that one process has decided about by itself, because the cache did not answer. A
    /// count.
    pub const DECIDED_ALONE: &str = "DecidedAlone";
    /// Submissions that were answered with a result from the cache. A count.
    pub const CACHE_HITS: &str = "ResultCacheHits";
    /// Jobs that have finished, by `lane` and `status`. A count.
    pub const FINISHED: &str = "JobsFinished";
    /// Deliveries that failed and were returned to their lane, by `lane`. A count.
    pub const RETRIED: &str = "DeliveriesRetried";
    /// Time from the acceptance of a job until it has finished, by `lane`. In milliseconds.
    pub const TIME_TO_DONE: &str = "TimeToDone";
    /// Messages that were sent from a dead-letter queue to their lane again, by `lane`. A count.
    pub const REPLAYED: &str = "DeadLettersReplayed";
    /// Messages that were parked, so that their jobs failed, by `lane`. A count.
    pub const DEAD_LETTERS: &str = "DeadLetters";
    /// Time from the submission of the canary until a read showed the result. In milliseconds.
    pub const CANARY_TIME: &str = "CanaryTime";
    /// The value that `prescale` wants for each `lever`, in the unit of the lever.
    pub const CAPACITY: &str = "CapacityDesired";
    /// The service level, from 0 to 3.
    pub const LEVEL: &str = "ServiceLevel";
    /// Whether the lanes are paused because the database does not answer: 1 or 0.
    pub const LANES_PAUSED: &str = "LanesPaused";
    /// Partitions of the archive that were made for the next months. A count.
    pub const PARTITIONS_MADE: &str = "PartitionsMade";

    /// All names.
    pub const ALL: [&str; 16] = [
        REQUESTS, ACCEPTED, DEFERRED, REFUSED, DECIDED_ALONE, CACHE_HITS, FINISHED, RETRIED, TIME_TO_DONE, REPLAYED, DEAD_LETTERS,
        CANARY_TIME, CAPACITY, LEVEL, LANES_PAUSED, PARTITIONS_MADE,
    ];
}

static COLLECTOR: OnceLock<Option<&'static Collector>> = OnceLock::new();

/// Starts the logs and metrics of a function. Every call after the first one does nothing.
pub fn init(function: &'static str) {
    COLLECTOR.get_or_init(|| {
        let filter = EnvFilter::try_from_env("LOG_LEVEL").unwrap_or_else(|_| EnvFilter::new("info"));
        let logs = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_target(false)
            .with_env_filter(filter);
        // Only tests set a second subscriber in one process. The first one is kept.
        logs.try_init().ok();
        let stack = std::env::var("STACK").unwrap_or_else(|_| "none".to_owned());
        let metrics = Builder::new()
            .cloudwatch_namespace(NAMESPACE)
            .with_dimension("stack", stack)
            .with_dimension("function", function);
        metrics
            .init()
            .map_err(|error| tracing::error!(error, "The metrics could not be started. This process writes none."))
            .ok()
    });
}

/// Writes the metrics since the last call. This has to be called at the end of every invocation,
/// because Lambda may freeze the environment afterwards.
pub fn flush() {
    if let Some(Some(collector)) = COLLECTOR.get()
        && let Err(error) = collector.flush(std::io::stdout())
    {
        tracing::error!(%error, "The metrics of an invocation could not be written.");
    }
}

/// Ends an invocation. It writes the metrics, and turns a failure into an answer for the caller
/// with all its causes.
///
/// # Errors
/// If the outcome is an error.
pub fn end<T>(outcome: Result<T, impl Into<BoxError>>) -> Result<T, Diagnostic> {
    flush();
    outcome.map_err(|error| Diagnostic {
        error_type: "Failed".to_owned(),
        error_message: Chain(error.into().as_ref()).to_string(),
    })
}
