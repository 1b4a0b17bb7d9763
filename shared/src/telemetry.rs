//! JSON logs, and metrics in CloudWatch's embedded metric format, both through standard output.
//!
//! Nothing here or logged elsewhere holds document text or keys.

use std::sync::OnceLock;

use lambda_runtime::Diagnostic;
use metrics_cloudwatch_embedded::{Builder, Collector};
use tracing_subscriber::EnvFilter;

use crate::store::{BoxError, Chain};

/// The CloudWatch namespace of every metric.
pub const NAMESPACE: &str = "SummarEase";

/// Names of the metrics. Each is emitted somewhere; dashboards and alarms may name no other.
pub mod metric {
    /// Requests answered, by `status` class. Count.
    pub const REQUESTS: &str = "Requests";
    /// Jobs accepted into a lane, by `lane`. Count.
    pub const ACCEPTED: &str = "JobsAccepted";
    /// Submissions answered from the result cache. Count.
    pub const CACHE_HITS: &str = "ResultCacheHits";
    /// Jobs that reached a final status, by `lane` and `status`. Count.
    pub const FINISHED: &str = "JobsFinished";
    /// Deliveries given back to the lane, by `lane`. Count.
    pub const RETRIED: &str = "DeliveriesRetried";
    /// Milliseconds from acceptance to the final status, by `lane`.
    pub const TIME_TO_DONE: &str = "TimeToDone";
    /// Jobs taken from a dead-letter queue, by `lane`. Count.
    pub const DEAD_LETTERS: &str = "DeadLetters";
    /// Milliseconds from the canary's submission to the first sight of its result.
    pub const CANARY_TIME: &str = "CanaryTime";
    /// Where `prescale` wants each `lever`.
    pub const CAPACITY: &str = "CapacityDesired";
    /// The level of service, 0 to 3.
    pub const LEVEL: &str = "ServiceLevel";
    /// Partitions made ahead. Count.
    pub const PARTITIONS_MADE: &str = "PartitionsMade";

    /// All of them.
    pub const ALL: [&str; 11] = [
        REQUESTS, ACCEPTED, CACHE_HITS, FINISHED, RETRIED, TIME_TO_DONE, DEAD_LETTERS, CANARY_TIME, CAPACITY, LEVEL, PARTITIONS_MADE,
    ];
}

static COLLECTOR: OnceLock<Option<&'static Collector>> = OnceLock::new();

/// Starts logs and metrics of a function. Later calls do nothing.
pub fn init(function: &'static str) {
    COLLECTOR.get_or_init(|| {
        let filter = EnvFilter::try_from_env("LOG_LEVEL").unwrap_or_else(|_| EnvFilter::new("info"));
        let logs = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_target(false)
            .with_env_filter(filter);
        // A second subscriber in one process is only possible in tests; the first one stays.
        logs.try_init().ok();
        let stack = std::env::var("STACK").unwrap_or_else(|_| "none".to_owned());
        let metrics = Builder::new()
            .cloudwatch_namespace(NAMESPACE)
            .with_dimension("stack", stack)
            .with_dimension("function", function);
        metrics.init().map_err(|error| tracing::error!(error, "no metrics")).ok()
    });
}

/// Writes what was counted since the last call. To be called at the end of every invocation:
/// afterwards the environment may be frozen.
pub fn flush() {
    if let Some(Some(collector)) = COLLECTOR.get()
        && let Err(error) = collector.flush(std::io::stdout())
    {
        tracing::error!(%error, "metrics were not written");
    }
}

/// Ends an invocation: writes what was counted, and tells whoever invoked the whole chain of causes of a failure.
///
/// # Errors
/// If the outcome is one.
pub fn end<T>(outcome: Result<T, impl Into<BoxError>>) -> Result<T, Diagnostic> {
    flush();
    outcome.map_err(|error| Diagnostic {
        error_type: "Failed".to_owned(),
        error_message: Chain(error.into().as_ref()).to_string(),
    })
}
