//! The lanes, and the choice of the lane for a job.

use std::{fmt, ops::Index};

use serde::{Deserialize, Serialize};

use crate::{request::Priority, tenant::Plan};

/// The most bytes that a document may have to be sent inside its message. A larger document is
/// stored in S3, and so is one that JSON makes too long
/// ([`Document::fits_message`](crate::Document::fits_message)).
pub const INLINE_DOCUMENT_BYTES: usize = 200 * 1024;

/// One of the three ways through the service, with its own queue and its own workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// For small documents of tenants on the plans `pro` and `enterprise`. Its workers receive one job
    /// at a time.
    Express,
    /// For all other jobs for which someone waits.
    Standard,
    /// For large documents, and for jobs for which nobody waits. Its workers receive large batches.
    Bulk,
}

impl Lane {
    /// All lanes, the fastest first.
    pub const ALL: [Self; 3] = [Self::Express, Self::Standard, Self::Bulk];

    /// The name used in the API, the metrics and the logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Express => "express",
            Self::Standard => "standard",
            Self::Bulk => "bulk",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One value for each lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PerLane<T> {
    pub express: T,
    pub standard: T,
    pub bulk: T,
}

impl<T> Index<Lane> for PerLane<T> {
    type Output = T;

    fn index(&self, lane: Lane) -> &T {
        match lane {
            Lane::Express => &self.express,
            Lane::Standard => &self.standard,
            Lane::Bulk => &self.bulk,
        }
    }
}

impl<T> PerLane<T> {
    /// Sets the value of one lane.
    pub fn set(&mut self, lane: Lane, value: T) {
        *match lane {
            Lane::Express => &mut self.express,
            Lane::Standard => &mut self.standard,
            Lane::Bulk => &mut self.bulk,
        } = value;
    }

    /// Makes the value of each lane.
    pub fn from_fn(mut make: impl FnMut(Lane) -> T) -> Self {
        Self {
            express: make(Lane::Express),
            standard: make(Lane::Standard),
            bulk: make(Lane::Bulk),
        }
    }

    /// Makes a new value for each lane from the present one.
    ///
    /// # Errors
    /// If `make` fails for one of the lanes.
    pub fn try_map<U, E>(self, mut make: impl FnMut(T) -> Result<U, E>) -> Result<PerLane<U>, E> {
        Ok(PerLane {
            express: make(self.express)?,
            standard: make(self.standard)?,
            bulk: make(self.bulk)?,
        })
    }

    /// Makes another value of the value of each lane.
    pub fn map<U>(self, mut make: impl FnMut(T) -> U) -> PerLane<U> {
        PerLane {
            express: make(self.express),
            standard: make(self.standard),
            bulk: make(self.bulk),
        }
    }
}

impl PerLane<f64> {
    /// The sum over all lanes.
    pub fn total(&self) -> f64 {
        self.express + self.standard + self.bulk
    }

    /// The larger of two values for each lane.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        Self::from_fn(|lane| self[lane].max(other[lane]))
    }

    /// The value of each lane multiplied by `factor`.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        Self::from_fn(|lane| self[lane] * factor)
    }

    /// The sum of two values for each lane.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self::from_fn(|lane| self[lane] + other[lane])
    }
}

/// Chooses the lane of a job with a document of `bytes` bytes.
///
/// The priority is not always followed. The plan of the tenant may not include it. A document that
/// is too large for its message always takes the bulk lane, so that it does not delay small ones.
pub fn route(plan: Plan, priority: Priority, bytes: usize) -> Lane {
    match (priority, plan) {
        _ if bytes > INLINE_DOCUMENT_BYTES => Lane::Bulk,
        (Priority::Bulk, _) => Lane::Bulk,
        (Priority::Express, Plan::Pro | Plan::Enterprise) => Lane::Express,
        (Priority::Express, Plan::Free) | (Priority::Standard, _) => Lane::Standard,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_routed() {
        use Lane::{Bulk, Express, Standard};
        let small = INLINE_DOCUMENT_BYTES;
        for (plan, priority, bytes, lane) in [
            (Plan::Free, Priority::Express, small, Standard),
            (Plan::Free, Priority::Standard, small, Standard),
            (Plan::Free, Priority::Bulk, small, Bulk),
            (Plan::Pro, Priority::Express, small, Express),
            (Plan::Pro, Priority::Standard, small, Standard),
            (Plan::Pro, Priority::Bulk, small, Bulk),
            (Plan::Enterprise, Priority::Express, small, Express),
            (Plan::Free, Priority::Express, small + 1, Bulk),
            (Plan::Free, Priority::Standard, small + 1, Bulk),
            (Plan::Free, Priority::Bulk, small + 1, Bulk),
            (Plan::Pro, Priority::Express, small + 1, Bulk),
            (Plan::Pro, Priority::Standard, small + 1, Bulk),
            (Plan::Pro, Priority::Bulk, small + 1, Bulk),
        ] {
            assert_eq!(route(plan, priority, bytes), lane, "{plan:?} {priority:?} {bytes}");
        }
    }

    #[test]
    fn names_match_the_json() {
        for lane in Lane::ALL {
            assert_eq!(serde_json::to_value(lane).unwrap(), lane.as_str());
        }
    }
}
