//! Decides how much capacity must be ready before demand comes, and what the service leaves out
//! when capacity is too low. This crate is pure: it has no I/O and no clock.
//!
//! An operator writes a [`CapacityPlan`] (`infra/capacity/*.toml`). [`decide`] takes the plan, the
//! time, the history and the signals, and gives the desired [`State`] of the levers. [`actions()`]
//! says what has to be changed for that, and [`ahead()`] what the calendar asks for in the next
//! day. [`Controller`] chooses the service level. [`simulation`] runs all of these over a simulated
//! day.
//!
//! The units are jobs per minute for demand, seconds for waits and service times, and US dollars an
//! hour for costs.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "seconds, minutes and counts are far below the limits of their types"
)]

mod actions;
mod ahead;
mod calendar;
mod circuit;
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
pub use circuit::Circuit;
pub use degradation::{Controller, Pin, Pressure, effective};
pub use demand::Demand;
pub use level::{Level, Thresholds};
pub use lever::{Lever, State};
pub use plan::{Bounds, CapacityPlan, PlanError};
pub use planner::{Decision, Memory, Reason, decide};
pub use prices::Prices;
pub use signals::{HISTORY_STEP_MINUTES, History, Signals};
pub use work::Work;
