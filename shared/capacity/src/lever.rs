//! What can be made ready ahead of demand.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use job::Lane;

/// Something that can be made ready ahead of demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lever {
    /// Environments of the API kept warm (provisioned concurrency).
    Warm,
    /// Most workers on the express lane at once.
    Express,
    /// Most workers on the standard lane at once.
    Standard,
    /// Most workers on the bulk lane at once.
    Bulk,
    /// Aurora capacity units that no instance goes below.
    Acus,
    /// Aurora readers.
    Readers,
    /// `ElastiCache` Serverless processing units a second that are ready at once.
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

    /// The lever that bounds a lane's workers.
    pub const fn of(lane: Lane) -> Self {
        match lane {
            Lane::Express => Self::Express,
            Lane::Standard => Self::Standard,
            Lane::Bulk => Self::Bulk,
        }
    }

    /// The lane whose workers it bounds.
    pub const fn lane(self) -> Option<Lane> {
        match self {
            Self::Express => Some(Lane::Express),
            Self::Standard => Some(Lane::Standard),
            Self::Bulk => Some(Lane::Bulk),
            Self::Warm | Self::Acus | Self::Readers | Self::Cache => None,
        }
    }

    /// The least that AWS lets it differ by.
    pub(crate) const fn grain(self) -> f64 {
        match self {
            Self::Acus => 0.5,
            Self::Cache => 1000.0,
            _ => 1.0,
        }
    }
}

/// The next multiple of `grain` at or above `value`.
pub(crate) fn at_least(value: f64, grain: f64) -> f64 {
    (value / grain - 1e-9).ceil() * grain
}

/// The next multiple of `grain` at or below `value`.
pub(crate) fn at_most(value: f64, grain: f64) -> f64 {
    (value / grain + 1e-9).floor() * grain
}

impl fmt::Display for Lever {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where each lever stands; one that is missing is not there to be moved.
pub type State = BTreeMap<Lever, f64>;
