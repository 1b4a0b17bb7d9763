//! The policies that are compared.

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
    /// The levers follow the capacity plan, with a decision every minute.
    Plan,
    /// Nothing is made ready. Lambda, the event source mappings and Aurora scale by themselves.
    DefaultScaling,
    /// Every lever is at its ceiling all day.
    StaticForPeak,
    /// As default scaling, but the warm environments of the API follow their use.
    TargetTracking,
}

impl Policy {
    /// All policies, the capacity plan first.
    pub const ALL: [Self; 4] = [Self::Plan, Self::DefaultScaling, Self::StaticForPeak, Self::TargetTracking];

    /// The values of the levers at the beginning of the day.
    pub(super) fn initial_levers(self, plan: &CapacityPlan) -> State {
        let (floors, ceilings) = (plan.floors(), plan.ceilings());
        match self {
            Self::Plan => floors,
            Self::StaticForPeak => ceilings,
            // Only the template limits the workers, and no environment is kept warm.
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
