//! What has become of the submissions of a load run.

use std::time::Duration;

/// What has become of one submission.
#[derive(Default)]
pub(super) struct Outcome {
    /// The id of the job, if it was accepted.
    pub(super) id: Option<String>,
    /// The status of the job at its end, or what happened instead.
    pub(super) end: String,
    /// Whether the answer was an earlier result.
    pub(super) is_known: bool,
    /// From the moment of the schedule until the answer to the submission.
    pub(super) accepted: Duration,
    /// Until the end of the job as the job itself says it.
    pub(super) done: Duration,
    /// Until the client had read the end.
    pub(super) seen: Duration,
    /// How long the job has waited for a worker, and how long the worker took.
    pub(super) waited: Duration,
    pub(super) worked: Duration,
}
