//! What is known of the demand: what is seen now, and what was seen in past weeks.

use jiff::Timestamp;
use serde::Serialize;

use crate::{demand::Demand, lever::Lever, plan::CapacityPlan};
use job::{Lane, PerLane};

/// Minutes between two samples of history.
pub const HISTORY_STEP_MINUTES: f64 = 5.0;
/// A store is strained from this share of its bound.
const STRAINED: f64 = 0.95;
/// Jobs a minute: fewer are taken for as many when old messages are judged.
const FEW_JOBS: f64 = 10.0;
/// What came within fewer seconds is a burst and tells no rate.
const BURST_SECONDS: f64 = 30.0;

/// What is seen of the running service.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Signals {
    /// When; `None` if nothing could be seen.
    pub at: Option<Timestamp>,
    /// Jobs per minute that came of late.
    pub arrivals: Demand,
    /// Messages that wait.
    pub backlog: PerLane<f64>,
    /// Seconds that the oldest of them has waited.
    pub oldest: PerLane<f64>,
    /// Worker seconds per job, where jobs were done.
    pub seconds_per_job: PerLane<Option<f64>>,
    /// Share of deliveries that failed.
    pub failures: f64,
    /// Invocations of late that found no room to run in.
    pub throttles: f64,
    /// Requests of the last minute that found no warm environment.
    pub spill_over: f64,
    /// Capacity units the database runs at.
    pub acus: Option<f64>,
    /// Share of the database's connections in use.
    pub connections: Option<f64>,
    /// Commands that the cache refused in the last minutes.
    pub cache_throttled: f64,
}

impl Signals {
    pub(crate) fn seconds_per_job(&self, lane: Lane, plan: &CapacityPlan) -> f64 {
        self.seconds_per_job[lane]
            .filter(|seconds| seconds.is_finite() && *seconds > 0.0)
            .unwrap_or_else(|| plan.seconds_per_job(lane))
    }

    /// Seconds that messages of a lane wait. A few old ones among many that come are retries, not a wait.
    pub(crate) fn waited(&self, lane: Lane) -> f64 {
        let per_second = self.arrivals[lane].max(FEW_JOBS) / 60.0;
        self.oldest[lane].min(self.backlog[lane] / per_second)
    }

    /// Jobs per minute that come: as metrics say, which are a minute old, or as those show that wait and came since the
    /// oldest of them did.
    pub(crate) fn coming(&self) -> Demand {
        let waiting = PerLane::from_fn(|lane| self.backlog[lane] * 60.0 / self.oldest[lane].max(BURST_SECONDS));
        self.arrivals.max(&waiting)
    }

    /// Whether workers are refused, or a store is at its bound, or at `share` of it.
    pub(crate) fn strained(&self, plan: &CapacityPlan, share: f64) -> bool {
        let ceiling = plan.levers.get(&Lever::Acus).map(|bounds| bounds.ceiling);
        let acus = self
            .acus
            .zip(ceiling)
            .is_some_and(|(acus, ceiling)| acus >= STRAINED * share * ceiling);
        acus || self.connections.is_some_and(|connections| connections >= STRAINED * share)
            || self.cache_throttled > 0.0
            || self.throttles > 0.0
    }

    pub(crate) fn is_fresh(&self, now: Timestamp, plan: &CapacityPlan) -> bool {
        self.at
            .is_some_and(|at| now.duration_since(at).as_secs_f64().abs() <= plan.stale_seconds)
    }
}

/// Demand at the same hours of past weeks, from a moment on in steps of [`HISTORY_STEP_MINUTES`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The moment, this week, that the first samples stand for.
    pub from: Timestamp,
    /// For each past week, its samples.
    pub weeks: Vec<Vec<Demand>>,
}

impl History {
    pub(crate) fn expected(&self, at: f64, plan: &CapacityPlan) -> Demand {
        let step = (at - self.from.as_second() as f64) / 60.0 / HISTORY_STEP_MINUTES;
        if step < 0.0 {
            return Demand::default();
        }
        let samples: Vec<&Demand> = self.weeks.iter().filter_map(|week| week.get(step as usize)).collect();
        if samples.is_empty() {
            return Demand::default();
        }
        let rank = (plan.history.quantile * samples.len() as f64).ceil().max(1.0) as usize - 1;
        let quantile = PerLane::from_fn(|lane| {
            let mut values: Vec<f64> = samples.iter().map(|sample| sample[lane]).collect();
            values.sort_by(f64::total_cmp);
            values[rank.min(values.len() - 1)]
        });
        quantile.times(1.0 + plan.history.margin)
    }
}
