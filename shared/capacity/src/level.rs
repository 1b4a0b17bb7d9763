//! The service levels, and when they change.

use std::fmt;

use serde::{Deserialize, Serialize};

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

    pub(crate) fn milder(self) -> Self {
        Self::ALL[usize::from(u8::from(self).saturating_sub(1))]
    }

    /// The highest level of which `value` has reached the threshold.
    pub(crate) fn reached(value: f64, thresholds: &[f64; 3], share: f64) -> Self {
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
