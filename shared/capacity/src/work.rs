//! What one job takes.

use serde::Deserialize;

use job::PerLane;

/// What one job takes.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// Seconds of one worker per job; a measured value takes its place.
    pub seconds_per_job: PerLane<f64>,
    /// Requests of a client until it has its summary.
    pub requests_per_job: f64,
    /// Seconds of one API environment per request.
    pub seconds_per_request: f64,
    /// Jobs that one Aurora capacity unit commits in a second.
    pub jobs_per_second_per_acu: f64,
    /// Jobs whose reads one reader serves in a second.
    pub jobs_per_second_per_reader: f64,
    /// Cache processing units per job.
    pub ecpus_per_job: f64,
    pub api_memory_mb: f64,
    pub worker_memory_mb: PerLane<f64>,
}
