//! How the service gives way: four levels, entered at once, left one at a time after a calm while.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{level::Level, lever::Lever, plan::CapacityPlan, signals::Signals};
use job::Lane;

/// Where the controller stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Controller {
    pub level: Level,
    /// Since when a milder level would do.
    pub calm_since: Option<Timestamp>,
}

/// How hard it is, judged twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// The level whose threshold is reached.
    pub enter: Level,
    /// The level that is not left yet; never below `enter`.
    pub stay: Level,
}

impl Pressure {
    /// Judges live signals by a plan's thresholds.
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
            let strained = if signals.strained(plan, share) {
                Level::Trim
            } else {
                Level::Normal
            };
            Level::reached(wait, &thresholds.wait_seconds, share)
                .max(Level::reached(signals.failures, &thresholds.failures, share))
                .max(strained)
        };
        let enter = level(1.0);
        Self {
            enter,
            stay: level(thresholds.leave).max(enter),
        }
    }
}

impl Controller {
    /// The next stand. Up at once, as far as needed; down by one after `calm_minutes` in which a milder
    /// level would have done. A clock that goes backwards begins the calm anew.
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

/// A level that an operator holds until a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pin {
    pub level: Level,
    pub until: Timestamp,
}

/// The level that holds: the pinned one until it expires, else the controller's.
pub fn effective(controller: Controller, pin: Option<Pin>, now: Timestamp) -> Level {
    pin.filter(|pin| now < pin.until).map_or(controller.level, |pin| pin.level)
}
