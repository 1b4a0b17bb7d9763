//! The actions that change the present state into the desired state.

use serde::Serialize;

use crate::{
    PerLane,
    circuit::Circuit,
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

/// The actions that change `actual` into `desired`, and that pause or resume lanes. `paused` says which
/// lanes are paused at present, as far as that is known. There is at most one action for each lever,
/// because AWS refuses a second change before the first one is finished. A lever that is missing from
/// `actual` gets no action.
pub fn actions(desired: &State, actual: &State, paused: &PerLane<Option<bool>>, circuit: &Circuit, level: Level) -> Vec<Action> {
    let switch = |lane| match (paused[lane], circuit.stops(lane, level)) {
        (Some(false), true) => Some(Action::Pause(lane)),
        (Some(true), false) if circuit.holds(lane) => Some(Action::Resume(lane)),
        _ => None,
    };
    let mut actions: Vec<Action> = Lane::ALL.into_iter().filter_map(switch).collect();
    let switched: Vec<Lever> = actions.iter().map(Action::lever).collect();
    for (&lever, &to) in desired {
        if let Some(&from) = actual.get(&lever).filter(|from| (**from - to).abs() > f64::EPSILON)
            && !switched.contains(&lever)
        {
            actions.push(Action::Set { lever, from, to });
        }
    }
    actions
}
