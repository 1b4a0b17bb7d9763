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

mod actions;
mod ahead;
mod calendar;
mod degradation;
mod demand;
mod level;
mod lever;
mod plan;
mod planner;
mod prices;
mod signals;
pub mod simulation;
mod work;

#[cfg(test)]
mod tests;

pub use job::PerLane;

pub use actions::{Action, actions};
pub use ahead::{Ahead, ahead};
pub use calendar::Calendar;
pub use degradation::{Controller, Pin, Pressure, effective};
pub use demand::Demand;
pub use level::{Level, Thresholds};
pub use lever::{Lever, State};
pub use plan::{Bounds, CapacityPlan, PlanError};
pub use planner::{Decision, Memory, Reason, decide};
pub use prices::Prices;
pub use signals::{HISTORY_STEP_MINUTES, History, Signals};
pub use work::Work;
