//! The virtual day, and how it went.

use jiff::{Timestamp, civil::date, tz::TimeZone};
use serde::Serialize;

use super::policy::Policy;
use crate::level::Level;

/// Minutes of the virtual day.
pub const MINUTES: usize = 24 * 60;

/// How a day went.
#[derive(Clone, Debug, Serialize)]
pub struct Day {
    pub policy: Policy,
    /// Seconds from a submission to its result on the express and standard lanes: half of the jobs, 99 of 100, the slowest.
    pub p50_wait: f64,
    pub p99_wait: f64,
    pub longest_wait: f64,
    /// The same of 99 in 100 jobs of the bulk lane.
    pub p99_bulk_wait: f64,
    /// Seconds that the oldest message waited at the worst moment.
    pub worst_backlog_age: f64,
    /// US dollars of the day.
    pub cost: f64,
    /// Jobs that were submitted, and those not done by midnight.
    pub jobs: f64,
    pub unfinished: f64,
    #[serde(skip)]
    pub minutes: Vec<Minute>,
}

/// One minute of a day, for charts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Minute {
    /// Jobs per minute that came.
    pub demand: f64,
    /// Jobs per minute that could be committed.
    pub capacity: f64,
    /// Seconds that the oldest message has waited.
    pub backlog_age: f64,
    pub level: Level,
    /// Dollars an hour.
    pub cost: f64,
}

/// The virtual day: a Tuesday, in UTC.
pub fn midnight() -> Timestamp {
    let midnight = TimeZone::UTC.to_timestamp(date(2026, 12, 1).at(0, 0, 0, 0));
    midnight.unwrap_or(Timestamp::UNIX_EPOCH)
}
