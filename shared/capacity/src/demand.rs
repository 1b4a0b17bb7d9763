//! Demand, in jobs per minute.

use job::PerLane;

/// Jobs per minute, by lane.
pub type Demand = PerLane<f64>;
