//! The levers: the settings that `prescale` can change.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use job::Lane;

/// A setting that `prescale` can change, so that capacity is ready before demand comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lever {
    /// The warm environments of the API (provisioned concurrency).
    Warm,
    /// The most workers of the express lane that run at the same time.
    Express,
    /// The most workers of the standard lane that run at the same time.
    Standard,
    /// The most workers of the bulk lane that run at the same time.
    Bulk,
    /// The minimum of Aurora capacity units of each instance.
    Acus,
    /// The minimum of Aurora readers.
    Readers,
    /// The minimum of processing units a second of `ElastiCache` Serverless.
    Cache,
}

impl Lever {
    /// All levers.
    pub const ALL: [Self; 7] = [
        Self::Warm,
        Self::Express,
        Self::Standard,
        Self::Bulk,
        Self::Acus,
        Self::Readers,
        Self::Cache,
    ];

    /// The name in plans, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Express => "express",
            Self::Standard => "standard",
            Self::Bulk => "bulk",
            Self::Acus => "acus",
            Self::Readers => "readers",
            Self::Cache => "cache",
        }
    }

    /// The lever that limits the workers of a lane.
    pub const fn of(lane: Lane) -> Self {
        match lane {
            Lane::Express => Self::Express,
            Lane::Standard => Self::Standard,
            Lane::Bulk => Self::Bulk,
        }
    }

    /// The lane whose workers this lever limits.
    pub const fn lane(self) -> Option<Lane> {
        match self {
            Self::Express => Some(Lane::Express),
            Self::Standard => Some(Lane::Standard),
            Self::Bulk => Some(Lane::Bulk),
            Self::Warm | Self::Acus | Self::Readers | Self::Cache => None,
        }
    }

    /// The smallest difference between two values that AWS accepts.
    pub(crate) const fn granularity(self) -> f64 {
        match self {
            Self::Acus => 0.5,
            Self::Cache => 1000.0,
            _ => 1.0,
        }
    }
}

/// The next multiple of `granularity` at or above `value`.
pub(crate) fn at_least(value: f64, granularity: f64) -> f64 {
    (value / granularity - 1e-9).ceil() * granularity
}

/// The next multiple of `granularity` at or below `value`.
pub(crate) fn at_most(value: f64, granularity: f64) -> f64 {
    (value / granularity + 1e-9).floor() * granularity
}

impl fmt::Display for Lever {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The value of each lever. A lever that is missing does not exist in the deployment.
pub type State = BTreeMap<Lever, f64>;
