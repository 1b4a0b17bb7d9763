//! The service levels, and the thresholds at which they change.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A service level. It has these effects:
///
/// | level | name | API | workers | `prescale` |
/// |---|---|---|---|---|
/// | 0 | normal | makes small summaries inside the request, asks clients to poll every second | give all that was asked for | |
/// | 1 | trim | asks clients to poll every 5 s | leave out keywords | |
/// | 2 | extractive only | asks clients to poll every 10 s | as level 1, and no abstractive summaries | |
/// | 3 | queue only | lets no request wait, asks clients to poll every 30 s | as level 2 | pauses the bulk lane |
///
/// If something that the client asked for is missing from a result, the result is marked as
/// `degraded`, and it is not reused for later submissions.
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
    /// All levels, the lowest first.
    pub const ALL: [Self; 4] = [Self::Normal, Self::Trim, Self::ExtractiveOnly, Self::QueueOnly];

    /// How many seconds a client should wait before it reads an unfinished job again.
    pub const fn poll_seconds(self) -> u16 {
        match self {
            Self::Normal => 1,
            Self::Trim => 5,
            Self::ExtractiveOnly => 10,
            Self::QueueOnly => 30,
        }
    }

    /// Whether results have keywords.
    pub const fn has_keywords(self) -> bool {
        matches!(self, Self::Normal)
    }

    /// Whether the workers of the bulk lane run.
    pub const fn runs_bulk(self) -> bool {
        !matches!(self, Self::QueueOnly)
    }

    /// Whether requests may wait for the end of a job.
    pub const fn may_wait(self) -> bool {
        !matches!(self, Self::QueueOnly)
    }

    /// Whether small summaries are made inside the request.
    pub const fn runs_inline(self) -> bool {
        matches!(self, Self::Normal)
    }

    pub(crate) fn milder(self) -> Self {
        Self::ALL[usize::from(u8::from(self).saturating_sub(1))]
    }

    /// The highest level whose threshold, multiplied by `share`, is reached by `value`.
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

/// The thresholds at which the service level changes.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// The thresholds of the levels 1, 2 and 3 for the wait in seconds. The wait is how long jobs
    /// of the express and standard lanes have waited, or how long new ones would wait with all
    /// workers of the ceiling.
    pub wait_seconds: [f64; 3],
    /// The thresholds of the levels 1, 2 and 3 for the share of deliveries that fail.
    pub failures: [f64; 3],
    /// A level can be left when the value is below this share of its threshold.
    pub leave: f64,
    /// For how many minutes that must be so before the level falls by one.
    pub calm_minutes: f64,
}
