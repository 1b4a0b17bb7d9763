//! Chooses the service level. The level rises at once, as far as needed. It falls by one at a time,
//! after some calm minutes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{level::Level, lever::Lever, plan::CapacityPlan, signals::Signals};
use job::Lane;

/// The state of the choice: the present level, and since when it could be lower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Controller {
    pub level: Level,
    /// Since when a lower level would be enough. `None` if it is not.
    pub calm_since: Option<Timestamp>,
}

/// The levels that the signals ask for, by the thresholds for rising and for falling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// The highest level whose threshold is reached.
    pub enter: Level,
    /// The level below which the service must not fall yet. It is never below `enter`.
    pub stay: Level,
}

impl Pressure {
    /// Compares the signals with the thresholds of a plan.
    pub fn judge(signals: &Signals, plan: &CapacityPlan) -> Self {
        let wait = [Lane::Express, Lane::Standard]
            .map(|lane| {
                let workers = plan.levers.get(&Lever::of(lane)).map_or(1.0, |bounds| bounds.ceiling.max(1.0));
                let to_come = signals.backlog[lane] * signals.seconds_per_job(lane, plan) / workers;
                to_come.max(signals.waited(lane))
            })
            .into_iter()
            .fold(0.0, f64::max);
        let thresholds = &plan.degradation;
        let level = |share: f64| {
            let by_limits = if signals.is_at_limit(plan, share) {
                Level::Trim
            } else {
                Level::Normal
            };
            Level::reached(wait, &thresholds.wait_seconds, share)
                .max(Level::reached(signals.failures, &thresholds.failures, share))
                .max(by_limits)
        };
        let enter = level(1.0);
        Self {
            enter,
            stay: level(thresholds.leave).max(enter),
        }
    }
}

impl Controller {
    /// The next state. The level rises at once, as far as needed. It falls by one after
    /// `calm_minutes` in which a lower level would have been enough. If the clock goes backwards,
    /// these minutes begin again.
    #[must_use]
    pub fn next(self, pressure: Pressure, now: Timestamp, calm_minutes: f64) -> Self {
        if pressure.enter > self.level {
            return Self {
                level: pressure.enter,
                calm_since: None,
            };
        }
        if pressure.stay >= self.level {
            return Self { calm_since: None, ..self };
        }
        let since = self.calm_since.filter(|since| *since <= now).unwrap_or(now);
        if now.duration_since(since).as_secs_f64() >= calm_minutes * 60.0 {
            return Self {
                level: self.level.milder(),
                calm_since: Some(now),
            };
        }
        Self {
            calm_since: Some(since),
            ..self
        }
    }
}

/// A service level that an operator holds until a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pin {
    pub level: Level,
    pub until: Timestamp,
}

/// The service level that holds. It is the pinned level until that expires, and otherwise the level
/// of the controller.
pub fn effective(controller: Controller, pin: Option<Pin>, now: Timestamp) -> Level {
    pin.filter(|pin| now < pin.until).map_or(controller.level, |pin| pin.level)
}
