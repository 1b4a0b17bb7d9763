//! Who moves the levers.

use std::fmt;

use serde::Serialize;

use crate::{
    lever::{Lever, State},
    plan::CapacityPlan,
};

/// A way to run the service for a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The plan, decided anew every minute.
    Plan,
    /// Nothing is ready ahead: Lambda, SQS mappings and Aurora scale by themselves, from the floors.
    DefaultScaling,
    /// Everything that the plan may ever ask for is ready all day.
    StaticForPeak,
    /// As by default, and the API's warm environments follow their use.
    TargetTracking,
}

impl Policy {
    /// All of them, ours first.
    pub const ALL: [Self; 4] = [Self::Plan, Self::DefaultScaling, Self::StaticForPeak, Self::TargetTracking];

    /// Where the levers are at midnight.
    pub(super) fn begins(self, plan: &CapacityPlan) -> State {
        let (floors, ceilings) = (plan.floors(), plan.ceilings());
        match self {
            Self::Plan => floors,
            Self::StaticForPeak => ceilings,
            // Lanes are bounded by the template alone; nothing is warm.
            Self::DefaultScaling | Self::TargetTracking => floors
                .into_iter()
                .map(|(lever, floor)| match lever {
                    Lever::Express | Lever::Standard | Lever::Bulk => (lever, ceilings[&lever]),
                    Lever::Warm => (lever, 0.0),
                    _ => (lever, floor),
                })
                .collect(),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plan => "plan",
            Self::DefaultScaling => "default scaling",
            Self::StaticForPeak => "static for the peak",
            Self::TargetTracking => "target tracking",
        })
    }
}
