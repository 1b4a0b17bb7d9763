//! What one job needs.

use serde::Deserialize;

use job::PerLane;

/// What one job needs, from the capacity plan.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// For how many seconds a job uses one worker. A measured time replaces this value.
    pub seconds_per_job: PerLane<f64>,
    /// How many requests a client makes until it has its summary.
    pub requests_per_job: f64,
    /// For how many seconds a request uses one environment of the API.
    pub seconds_per_request: f64,
    /// How many jobs one Aurora capacity unit commits in a second.
    pub jobs_per_second_per_acu: f64,
    /// How many jobs a second one Aurora reader serves with reads.
    pub jobs_per_second_per_reader: f64,
    /// How many processing units of the cache a job uses.
    pub ecpus_per_job: f64,
    /// The memory of the API function in MB.
    pub api_memory_mb: f64,
    /// The memory of the worker functions in MB.
    pub worker_memory_mb: PerLane<f64>,
}
