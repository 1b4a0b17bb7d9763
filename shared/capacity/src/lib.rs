//! PURE: what should be ready before the demand is, and how the service gives way when it is not.
//!
//! [`Plan`] is what an operator writes down (`infra/capacity/*.toml`). [`planner::decide`] turns it,
//! the clock, history and live signals into a desired [`State`]; [`actions`] says what to change, and [`ahead()`]
//! what the calendar will ask for.
//! [`degradation`] picks the level of service. [`simulation`] runs all of it over a virtual day.
//!
//! Units: jobs per minute for demand, seconds for waits and service times, US dollars an hour for costs.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "seconds, minutes and counts are far inside the limits of their types"
)]

mod ahead;
mod calendar;
pub mod degradation;
mod plan;
pub mod planner;
mod prices;
pub mod simulation;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

pub use ahead::{Ahead, ahead};
pub use calendar::Calendar;
pub use degradation::Level;
pub use plan::{Bounds, Plan, PlanError, Work};
pub use planner::{Decision, History, Memory, Reason, Signals, decide};
pub use prices::Prices;

pub use job::PerLane;

use job::Lane;

/// Something that can be made ready ahead of demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lever {
    /// Environments of the API kept warm (provisioned concurrency).
    Warm,
    /// Most workers on the express lane at once.
    Express,
    /// Most workers on the standard lane at once.
    Standard,
    /// Most workers on the bulk lane at once.
    Bulk,
    /// Aurora capacity units that no instance goes below.
    Acus,
    /// Aurora readers.
    Readers,
    /// `ElastiCache` Serverless processing units a second that are ready at once.
    Cache,
}

impl Lever {
    /// All levers.
    pub const ALL: [Self; 7] = [
        Self::Warm,
        Self::Express,
        Self::Standard,
        Self::Bulk,
        Self::Acus,
        Self::Readers,
        Self::Cache,
    ];

    /// The name in plans, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Express => "express",
            Self::Standard => "standard",
            Self::Bulk => "bulk",
            Self::Acus => "acus",
            Self::Readers => "readers",
            Self::Cache => "cache",
        }
    }

    /// The lever that bounds a lane's workers.
    pub const fn of(lane: Lane) -> Self {
        match lane {
            Lane::Express => Self::Express,
            Lane::Standard => Self::Standard,
            Lane::Bulk => Self::Bulk,
        }
    }

    /// The lane whose workers it bounds.
    pub const fn lane(self) -> Option<Lane> {
        match self {
            Self::Express => Some(Lane::Express),
            Self::Standard => Some(Lane::Standard),
            Self::Bulk => Some(Lane::Bulk),
            Self::Warm | Self::Acus | Self::Readers | Self::Cache => None,
        }
    }

    /// The least that AWS lets it differ by.
    const fn grain(self) -> f64 {
        match self {
            Self::Acus => 0.5,
            Self::Cache => 1000.0,
            _ => 1.0,
        }
    }
}

/// The next multiple of `grain` at or above `value`.
fn at_least(value: f64, grain: f64) -> f64 {
    (value / grain - 1e-9).ceil() * grain
}

/// The next multiple of `grain` at or below `value`.
fn at_most(value: f64, grain: f64) -> f64 {
    (value / grain + 1e-9).floor() * grain
}

impl fmt::Display for Lever {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where each lever stands; one that is missing is not there to be moved.
pub type State = BTreeMap<Lever, f64>;

/// Jobs per minute, by lane.
pub type Demand = PerLane<f64>;

/// One thing to change.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Set a lever.
    Set { lever: Lever, from: f64, to: f64 },
    /// Stop a lane's workers; its messages wait.
    Pause(Lane),
    /// Let them go on.
    Resume(Lane),
}

impl Action {
    /// What it changes.
    pub const fn lever(&self) -> Lever {
        match *self {
            Self::Set { lever, .. } => lever,
            Self::Pause(lane) | Self::Resume(lane) => Lever::of(lane),
        }
    }
}

/// What turns `actual` into `desired`, and the bulk lane on or off: one thing for each lever at most, because AWS
/// refuses a second change while a first is under way. Nothing for what is not there.
pub fn actions(desired: &State, actual: &State, bulk_runs: bool, level: Level) -> Vec<Action> {
    let mut actions = Vec::new();
    match (bulk_runs, level.runs_bulk()) {
        (true, false) => actions.push(Action::Pause(Lane::Bulk)),
        (false, true) => actions.push(Action::Resume(Lane::Bulk)),
        _ => {}
    }
    let switched = actions.first().map(Action::lever);
    for (&lever, &to) in desired {
        if let Some(&from) = actual.get(&lever).filter(|from| (**from - to).abs() > f64::EPSILON)
            && switched != Some(lever)
        {
            actions.push(Action::Set { lever, from, to });
        }
    }
    actions
}
