//! Simulates a day. The simulation consists of a trace of demand, a model of Lambda, SQS and
//! Aurora, and a policy that moves the levers.
//!
//! Every second is simulated, and the policy moves the levers every minute. The same input always
//! gives the same result.

mod controls;
mod day;
mod model;
mod policy;
mod traces;

use std::fmt::Write;

pub use day::{Day, MINUTES, Minute, midnight};
pub use policy::Policy;
pub use traces::{Trace, TraceError};

use crate::{plan::CapacityPlan, prices::Prices};
use controls::Controls;
use model::Model;

/// Simulates a day.
pub fn run(trace: &Trace, plan: &CapacityPlan, prices: &Prices, policy: Policy) -> Day {
    let plan = &trace.announced_in(plan);
    let mut model = Model::new(plan, prices, policy);
    let mut controls = Controls::new(policy, trace);
    let mut minutes = Vec::with_capacity(MINUTES);
    for minute in 0..MINUTES {
        controls.act(&mut model, plan, prices, minute);
        let demand = trace.at(minute);
        minutes.push(model.minute(&demand, controls.level()));
    }
    model.into_day(policy, minutes)
}

/// Writes the results of days as a Markdown table.
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
