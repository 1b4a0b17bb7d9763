//! How the service gives way: four levels, entered at once, left one at a time after a calm while.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Lever, Plan, planner::Signals};
use job::Lane;

/// A level of service. What each changes:
///
/// | level | name | API | workers | `prescale` |
/// |---|---|---|---|---|
/// | 0 | normal | polls every second | all that was asked for | |
/// | 1 | trim | polls every 5 s | leave out keywords | |
/// | 2 | extractive only | polls every 10 s | as 1, and no abstractive summaries | |
/// | 3 | queue only | polls every 30 s | as 2 | pauses the bulk lane |
///
/// A result that lacks something it was asked for says `degraded` and is not kept for later requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Level {
    #[default]
    Normal,
    Trim,
    ExtractiveOnly,
    QueueOnly,
}

impl Level {
    /// All levels, mildest first.
    pub const ALL: [Self; 4] = [Self::Normal, Self::Trim, Self::ExtractiveOnly, Self::QueueOnly];

    /// Seconds after which an unfinished job is worth another look.
    pub const fn poll_seconds(self) -> u16 {
        match self {
            Self::Normal => 1,
            Self::Trim => 5,
            Self::ExtractiveOnly => 10,
            Self::QueueOnly => 30,
        }
    }

    /// Whether results get keywords.
    pub const fn has_keywords(self) -> bool {
        matches!(self, Self::Normal)
    }

    /// Whether the bulk lane is worked on.
    pub const fn runs_bulk(self) -> bool {
        !matches!(self, Self::QueueOnly)
    }

    fn milder(self) -> Self {
        Self::ALL[usize::from(u8::from(self).saturating_sub(1))]
    }

    /// The highest level of which `value` has reached the threshold.
    fn reached(value: f64, thresholds: &[f64; 3], share: f64) -> Self {
        let reached = thresholds.iter().filter(|threshold| value >= **threshold * share).count();
        Self::ALL[reached]
    }
}

impl From<Level> for u8 {
    fn from(level: Level) -> Self {
        level as Self
    }
}

impl TryFrom<u8> for Level {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, &'static str> {
        Self::ALL.get(usize::from(number)).copied().ok_or("a level is 0, 1, 2 or 3")
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", u8::from(*self))
    }
}

/// When levels change.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Seconds that a job of the express or standard lane has waited, or a new one would with all workers the ceiling
    /// allows: levels 1, 2, 3.
    pub wait_seconds: [f64; 3],
    /// Share of deliveries that fail: levels 1, 2, 3.
    pub failures: [f64; 3],
    /// Share of a threshold below which it counts as left.
    pub leave: f64,
    /// Minutes it must stay left before the level falls by one.
    pub calm_minutes: f64,
}

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
    pub fn judge(signals: &Signals, plan: &Plan) -> Self {
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
