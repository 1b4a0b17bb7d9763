//! What is known about the demand: the present signals of the service, and the history of past
//! weeks.

use jiff::Timestamp;
use serde::Serialize;

use crate::{demand::Demand, lever::Lever, plan::CapacityPlan};
use job::{Lane, PerLane};

/// Minutes between two samples of history.
pub const HISTORY_STEP_MINUTES: f64 = 5.0;
/// A store counts as being at its limit from this share of the limit.
const AT_LIMIT: f64 = 0.95;
/// Arrivals below this many jobs a minute count as this many when the wait is estimated.
const FEW_JOBS: f64 = 10.0;
/// If the oldest message has waited for less than this many seconds, the backlog is divided by this
/// time, because a shorter time gives no reliable rate.
const BURST_SECONDS: f64 = 30.0;

/// The present signals of the service.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Signals {
    /// When the signals were read. `None` if they could not be read.
    pub at: Option<Timestamp>,
    /// The jobs per minute that arrived in the last minutes.
    pub arrivals: Demand,
    /// The lane backlogs.
    pub backlog: PerLane<f64>,
    /// For how many seconds the oldest message of each lane has waited.
    pub oldest: PerLane<f64>,
    /// For how many seconds a job used a worker. `None` if too few jobs finished.
    pub seconds_per_job: PerLane<Option<f64>>,
    /// The share of deliveries that failed.
    pub failures: f64,
    /// How many invocations of workers were throttled in the last minutes.
    pub throttles: f64,
    /// How many requests of the last minute found no warm environment.
    pub spill_over: f64,
    /// The Aurora capacity units in use.
    pub acus: Option<f64>,
    /// The share of the database connections in use.
    pub connections: Option<f64>,
    /// How many commands the cache throttled in the last minutes.
    pub cache_throttled: f64,
}

impl Signals {
    pub(crate) fn seconds_per_job(&self, lane: Lane, plan: &CapacityPlan) -> f64 {
        self.seconds_per_job[lane]
            .filter(|seconds| seconds.is_finite() && *seconds > 0.0)
            .unwrap_or_else(|| plan.seconds_per_job(lane))
    }

    /// For how many seconds the messages of a lane wait. If only a few messages are old while many
    /// arrive, these are repeated deliveries. They do not count as a wait.
    pub(crate) fn waited(&self, lane: Lane) -> f64 {
        let per_second = self.arrivals[lane].max(FEW_JOBS) / 60.0;
        self.oldest[lane].min(self.backlog[lane] / per_second)
    }

    /// The jobs per minute that arrive now. The metrics are a minute old. The backlog shows a rise
    /// sooner, because all messages in it have arrived since the oldest of them. The larger value
    /// is taken.
    pub(crate) fn current_demand(&self) -> Demand {
        let waiting = PerLane::from_fn(|lane| self.backlog[lane] * 60.0 / self.oldest[lane].max(BURST_SECONDS));
        self.arrivals.max(&waiting)
    }

    /// Whether workers or the cache are throttled, or the database is at `share` of its limit.
    pub(crate) fn is_at_limit(&self, plan: &CapacityPlan, share: f64) -> bool {
        let ceiling = plan.levers.get(&Lever::Acus).map(|bounds| bounds.ceiling);
        let acus = self
            .acus
            .zip(ceiling)
            .is_some_and(|(acus, ceiling)| acus >= AT_LIMIT * share * ceiling);
        acus || self.connections.is_some_and(|connections| connections >= AT_LIMIT * share)
            || self.cache_throttled > 0.0
            || self.throttles > 0.0
    }

    pub(crate) fn is_fresh(&self, now: Timestamp, plan: &CapacityPlan) -> bool {
        self.at
            .is_some_and(|at| now.duration_since(at).as_secs_f64().abs() <= plan.stale_seconds)
    }
}

/// The demand at the same hours of past weeks, in steps of [`HISTORY_STEP_MINUTES`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The moment of this week that the first samples belong to.
    pub from: Timestamp,
    /// The samples of each past week.
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
