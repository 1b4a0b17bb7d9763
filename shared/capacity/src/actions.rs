//! What has to change to get from one state to another.

use serde::Serialize;

use crate::{
    level::Level,
    lever::{Lever, State},
};
use job::Lane;

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
