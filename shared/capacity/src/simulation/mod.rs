//! A virtual day: a trace of demand, a model of Lambda, SQS and Aurora, and a policy that moves the levers.
//!
//! Seconds are simulated one by one; a policy is asked every minute. Everything is deterministic.

mod model;
mod policy;
mod traces;

use std::fmt::Write;

use jiff::{Timestamp, civil::date, tz::TimeZone};
use serde::Serialize;

pub use policy::Policy;
pub use traces::{Trace, TraceError};

use super::{Level, Plan, Prices};
use model::Model;

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

/// Lives through a day.
pub fn run(trace: &Trace, plan: &Plan, prices: &Prices, policy: Policy) -> Day {
    let plan = &trace.announced_in(plan);
    let mut model = Model::new(plan, prices, policy);
    let mut controls = policy::Controls::new(policy, trace);
    let mut minutes = Vec::with_capacity(MINUTES);
    for minute in 0..MINUTES {
        controls.turn(&mut model, plan, prices, minute);
        let demand = trace.at(minute);
        minutes.push(model.minute(&demand, controls.level()));
    }
    model.end(policy, minutes)
}

/// Days as a Markdown table: seconds, and dollars of the day.
pub fn table<'a>(days: impl IntoIterator<Item = (&'a Trace, &'a Day)>) -> String {
    let mut table = "\
| trace        | policy              |    p50 s |    p99 s | bulk p99 s | oldest s |  $ a day | left over |
|--------------|---------------------|---------:|---------:|-----------:|---------:|---------:|----------:|
"
    .to_owned();
    for (trace, day) in days {
        let (waits, bulk, oldest) = ((day.p50_wait, day.p99_wait), day.p99_bulk_wait, day.worst_backlog_age);
        let _ = writeln!(
            table,
            "| {:<12} | {:<19} | {:>8.2} | {:>8.2} | {bulk:>10.2} | {oldest:>8.0} | {:>8.2} | {:>9.0} |",
            trace.name, day.policy, waits.0, waits.1, day.cost, day.unfinished
        );
    }
    table
}
