//! Pauses the lanes while the database does not answer. Their messages then wait without being delivered,
//! so that an outage does not use up their deliveries.

use serde::{Deserialize, Serialize};

use crate::{PerLane, level::Level};
use job::Lane;

/// After how many checks in a row without an answer of the database the lanes are paused. A check is made
/// every minute.
const FAILURES: u32 = 3;

/// The state of the circuit, which lasts from one run to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Circuit {
    /// How many checks in a row have failed.
    failures: u32,
    /// The lanes that this service has paused. It resumes no others, because an operator may have paused
    /// them.
    held: PerLane<bool>,
}

impl Circuit {
    /// The next state. `answers` says whether the database answers, if that is known. `paused` says
    /// which lanes are paused at present, as far as that is known.
    #[must_use]
    pub fn next(self, answers: Option<bool>, paused: &PerLane<Option<bool>>, level: Level) -> Self {
        let failures = match answers {
            Some(true) => 0,
            Some(false) => self.failures.saturating_add(1),
            None => self.failures,
        };
        let next = Self { failures, ..self };
        // A lane stays held until it is seen that it runs again.
        let held = PerLane::from_fn(|lane| match paused[lane] {
            Some(false) => next.stops(lane, level),
            Some(true) | None => self.held[lane],
        });
        Self { held, ..next }
    }

    /// The state after a version that had none. That one has paused only the bulk lane.
    #[must_use]
    pub fn taken_over(paused: &PerLane<Option<bool>>) -> Self {
        let mut circuit = Self::default();
        circuit.held.set(Lane::Bulk, paused[Lane::Bulk] == Some(true));
        circuit
    }

    /// Whether the lanes are paused because the database does not answer.
    pub const fn is_open(&self) -> bool {
        self.failures >= FAILURES
    }

    /// Whether no worker may take messages of a lane.
    pub const fn stops(&self, lane: Lane, level: Level) -> bool {
        self.is_open() || matches!(lane, Lane::Bulk) && !level.runs_bulk()
    }

    /// Whether this service has paused a lane.
    pub fn holds(&self, lane: Lane) -> bool {
        self.held[lane]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: PerLane<Option<bool>> = PerLane {
        express: Some(false),
        standard: Some(false),
        bulk: Some(false),
    };
    const PAUSED: PerLane<Option<bool>> = PerLane {
        express: Some(true),
        standard: Some(true),
        bulk: Some(true),
    };

    fn failed(times: u32) -> Circuit {
        (0..times).fold(Circuit::default(), |circuit, _| circuit.next(Some(false), &RUN, Level::Normal))
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_one_answer_closes_it() {
        assert!(!failed(2).is_open());
        assert!(failed(3).is_open() && Lane::ALL.iter().all(|lane| failed(3).holds(*lane)));
        let unknown = failed(3).next(None, &PAUSED, Level::Normal);
        assert!(unknown.is_open(), "an unknown state changes nothing");
        let closed = unknown.next(Some(true), &PAUSED, Level::Normal);
        assert!(!closed.is_open());
        assert!(closed.holds(Lane::Express), "the lane is still paused, and will be resumed");
        assert!(!closed.next(Some(true), &RUN, Level::Normal).holds(Lane::Express));
        assert!(
            !failed(2)
                .next(Some(true), &RUN, Level::Normal)
                .next(Some(false), &RUN, Level::Normal)
                .is_open()
        );
    }

    #[test]
    fn a_lane_that_an_operator_has_paused_is_not_held() {
        let paused = PerLane {
            standard: Some(true),
            ..RUN
        };
        let open = (0..3).fold(Circuit::default(), |circuit, _| circuit.next(Some(false), &paused, Level::Normal));
        assert!(open.holds(Lane::Express) && !open.holds(Lane::Standard));
    }

    #[test]
    fn what_is_not_known_of_a_lane_changes_nothing() {
        let unknown = PerLane::default();
        let open = failed(3).next(Some(false), &unknown, Level::Normal);
        assert!(open.next(Some(true), &unknown, Level::Normal).holds(Lane::Standard));
        let operator = (0..4).fold(Circuit::default(), |circuit, _| circuit.next(Some(false), &unknown, Level::Normal));
        assert!(operator.is_open() && !operator.holds(Lane::Standard));
    }

    #[test]
    fn a_bulk_lane_that_an_earlier_version_has_paused_is_held() {
        let circuit = Circuit::taken_over(&PAUSED).next(Some(true), &PAUSED, Level::Normal);
        assert!(circuit.holds(Lane::Bulk) && !circuit.holds(Lane::Express));
    }

    #[test]
    fn the_bulk_lane_is_also_stopped_by_the_service_level() {
        let circuit = Circuit::default().next(Some(true), &RUN, Level::QueueOnly);
        assert!(circuit.holds(Lane::Bulk) && !circuit.holds(Lane::Standard));
        assert!(circuit.stops(Lane::Bulk, Level::QueueOnly) && !circuit.stops(Lane::Bulk, Level::Normal));
    }
}
