//! The actions that change the present state into the desired state.

use serde::Serialize;

use crate::{
    level::Level,
    lever::{Lever, State},
};
use job::Lane;

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Sets a lever.
    Set { lever: Lever, from: f64, to: f64 },
    /// Stops the workers of a lane. Its messages wait.
    Pause(Lane),
    /// Starts the workers of a paused lane again.
    Resume(Lane),
}

impl Action {
    /// The lever that the action changes.
    pub const fn lever(&self) -> Lever {
        match *self {
            Self::Set { lever, .. } => lever,
            Self::Pause(lane) | Self::Resume(lane) => Lever::of(lane),
        }
    }
}

/// The actions that change `actual` into `desired`, and that pause or resume the bulk lane. There
/// is at most one action for each lever, because AWS refuses a second change before the first one
/// is finished. A lever that is missing from `actual` gets no action.
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
