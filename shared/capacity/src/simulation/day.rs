//! The simulated day and its results.

use jiff::{Timestamp, civil::date, tz::TimeZone};
use serde::Serialize;

use super::policy::Policy;
use crate::level::Level;

/// The number of minutes of the simulated day.
pub const MINUTES: usize = 24 * 60;

/// The results of a simulated day.
#[derive(Clone, Debug, Serialize)]
pub struct Day {
    pub policy: Policy,
    /// Within how many seconds half of the jobs of the express and standard lanes had finished.
    pub p50_wait: f64,
    /// Within how many seconds 99 of 100 jobs of these lanes had finished.
    pub p99_wait: f64,
    /// Within how many seconds all jobs of these lanes had finished.
    pub longest_wait: f64,
    /// Within how many seconds 99 of 100 jobs of the bulk lane had finished.
    pub p99_bulk_wait: f64,
    /// The longest time in seconds for which the oldest message waited.
    pub worst_backlog_age: f64,
    /// The cost of the day in US dollars.
    pub cost: f64,
    /// How many jobs were submitted.
    pub jobs: f64,
    /// How many jobs had not finished at midnight.
    pub unfinished: f64,
    #[serde(skip)]
    pub minutes: Vec<Minute>,
}

/// One minute of a day, for charts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Minute {
    /// How many jobs per minute were submitted.
    pub demand: f64,
    /// How many jobs per minute the database could commit.
    pub capacity: f64,
    /// For how many seconds the oldest message has waited.
    pub backlog_age: f64,
    pub level: Level,
    /// The cost in dollars an hour.
    pub cost: f64,
}

/// The beginning of the simulated day, which is a Tuesday in UTC.
pub fn midnight() -> Timestamp {
    let midnight = TimeZone::UTC.to_timestamp(date(2026, 12, 1).at(0, 0, 0, 0));
    midnight.unwrap_or(Timestamp::UNIX_EPOCH)
}
