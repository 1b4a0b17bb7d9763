//! The model of Lambda, SQS and Aurora. AWS does not document the values that are marked as
//! *assumed*, so that cautious ones were chosen.

use std::collections::{BTreeMap, VecDeque};

use super::{
    day::{Day, Minute},
    policy::Policy,
};
use crate::{
    demand::Demand,
    level::Level,
    lever::{Lever, State},
    plan::CapacityPlan,
    prices::Prices,
    signals::Signals,
};
use job::{Lane, PerLane};

/// How many workers an event source mapping begins with (AWS: 5).
const FIRST_WORKERS: f64 = 5.0;
/// How many workers it adds every second while messages wait (AWS: 300 a minute).
const MORE_WORKERS: f64 = 5.0;
/// After how many seconds without messages it begins with the first workers again (assumed).
const MAPPING_RESETS: f64 = 300.0;
/// In how many seconds Aurora doubles its capacity at best (assumed).
const ACUS_DOUBLE: f64 = 60.0;
/// In how many seconds Aurora halves its capacity (assumed).
const ACUS_HALVE: f64 = 300.0;
/// The share of its capacity in use at which Aurora grows (assumed).
const ACUS_BUSY: f64 = 0.7;
/// How many seconds a cold start of the API takes. It was measured at 0.02 s on a whole CPU. A
/// Lambda function has only a part of a CPU, so that a much larger value is taken.
const COLD_START: f64 = 0.3;
/// For how many minutes Lambda keeps an idle environment (assumed).
const ENVIRONMENT_LIFETIME: usize = 10;
/// Waits are counted in this many steps per second.
const STEPS: f64 = 100.0;

pub(super) struct Model<'a> {
    plan: &'a CapacityPlan,
    prices: &'a Prices,
    second: usize,
    /// The values of the levers that are in effect.
    levers: State,
    /// The changes that are not in effect yet, with the second from which they are.
    pending: VecDeque<(usize, Lever, f64)>,
    lanes: BTreeMap<&'static str, LaneModel>,
    acus: f64,
    /// The environments of the API that were in use in each of the last minutes.
    environments: VecDeque<f64>,
    /// Whether workers are added step by step. If not, all of them run from the beginning.
    ramps: bool,
    cost: f64,
    /// The waits of the express and standard lanes.
    waits: Waits,
    /// The waits of the bulk lane.
    bulk_waits: Waits,
    worst_age: f64,
    jobs: f64,
    arrivals: VecDeque<Demand>,
}

/// The number of jobs for each wait, in hundredths of a second.
#[derive(Default)]
struct Waits(BTreeMap<u32, f64>);

impl Waits {
    fn add(&mut self, seconds: f64, jobs: f64) {
        *self.0.entry((seconds * STEPS).round() as u32).or_default() += jobs;
    }

    fn quantile(&self, share: f64) -> f64 {
        let (all, mut seen): (f64, f64) = (self.0.values().sum(), 0.0);
        let reached = self.0.iter().find(|(_, jobs)| {
            seen += **jobs;
            seen >= share * all - 1e-6
        });
        reached.map_or(0.0, |(steps, _)| f64::from(*steps) / STEPS)
    }
}

#[derive(Default)]
struct LaneModel {
    /// The jobs that wait, by the second in which they were submitted.
    queue: VecDeque<(usize, f64)>,
    workers: f64,
    idle: f64,
    backlog: f64,
}

impl<'a> Model<'a> {
    pub(super) fn new(plan: &'a CapacityPlan, prices: &'a Prices, policy: Policy) -> Self {
        let levers = policy.initial_levers(plan);
        Self {
            plan,
            prices,
            second: 0,
            acus: levers.get(&Lever::Acus).copied().unwrap_or(1.0),
            levers,
            pending: VecDeque::new(),
            lanes: Lane::ALL.map(|lane| (lane.as_str(), LaneModel::default())).into(),
            environments: VecDeque::new(),
            ramps: policy != Policy::StaticForPeak,
            cost: 0.0,
            waits: Waits::default(),
            bulk_waits: Waits::default(),
            worst_age: 0.0,
            jobs: 0.0,
            arrivals: VecDeque::new(),
        }
    }

    /// The values to which the levers were set, whether they are in effect or not.
    pub(super) fn set_levers(&self) -> State {
        let mut levers = self.levers.clone();
        levers.extend(self.pending.iter().map(|(_, lever, value)| (*lever, *value)));
        levers
    }

    /// Sets a lever. The value is in effect after the lead time of the lever.
    pub(super) fn set(&mut self, lever: Lever, value: f64) {
        let lead = self.plan.levers.get(&lever).map_or(0.0, |bounds| bounds.lead_minutes * 60.0);
        self.pending.push_back((self.second + lead as usize, lever, value));
    }

    /// How many environments of the API are busy now.
    pub(super) fn environments(&self) -> f64 {
        self.environments.back().copied().unwrap_or(0.0)
    }

    /// The signals that `prescale` would read. The backlogs are current, and the metrics are a
    /// minute old.
    pub(super) fn signals(&self, at: jiff::Timestamp) -> Signals {
        let old = self.arrivals.len().saturating_sub(2);
        Signals {
            at: Some(at),
            arrivals: self.arrivals.get(old).copied().unwrap_or_default(),
            backlog: PerLane::from_fn(|lane| self.lanes[lane.as_str()].backlog),
            oldest: PerLane::from_fn(|lane| self.lanes[lane.as_str()].oldest(self.second)),
            spill_over: (self.environments() - self.lever(Lever::Warm)).max(0.0),
            acus: self.plan.levers.contains_key(&Lever::Acus).then_some(self.acus),
            ..Signals::default()
        }
    }

    /// Simulates a minute with constant demand.
    pub(super) fn minute(&mut self, demand: &Demand, level: Level) -> Minute {
        self.arrivals.push_back(*demand);
        let front = self.serve_requests(demand);
        let before = self.cost;
        for _ in 0..60 {
            self.tick(demand, level, front);
        }
        Minute {
            demand: demand.total(),
            capacity: self.plan.commits_per_minute(self.acus),
            backlog_age: self.oldest(),
            level,
            cost: (self.cost - before) * 60.0,
        }
    }

    fn oldest(&self) -> f64 {
        self.lanes.values().map(|lane| lane.oldest(self.second)).fold(0.0, f64::max)
    }

    fn lever(&self, lever: Lever) -> f64 {
        self.levers.get(&lever).copied().unwrap_or(0.0)
    }

    fn tick(&mut self, demand: &Demand, level: Level, front: f64) {
        while let Some((_, lever, value)) = self
            .pending
            .iter()
            .position(|(at, ..)| *at <= self.second)
            .and_then(|at| self.pending.remove(at))
        {
            self.levers.insert(lever, value);
        }
        self.jobs += demand.total() / 60.0;
        let capacity = self.plan.commits_per_minute(self.acus) / 60.0;
        let mut takes = BTreeMap::new();
        for lane in Lane::ALL {
            let limit = self.lever(Lever::of(lane));
            let Some(model) = self.lanes.get_mut(lane.as_str()) else { continue };
            if demand[lane] > 0.0 {
                model.queue.push_back((self.second, demand[lane] / 60.0));
                model.backlog += demand[lane] / 60.0;
            }
            if lane != Lane::Bulk || level.runs_bulk() {
                model.scale(limit, self.ramps);
                let most = model.workers / self.plan.seconds_per_job(lane);
                takes.insert(lane.as_str(), most.min(model.backlog));
            }
        }
        // If the database cannot commit all jobs, every lane is slowed down by the same share.
        let wanted: f64 = takes.values().sum();
        let share = (capacity / wanted.max(1e-9)).min(1.0);
        for lane in Lane::ALL {
            self.work(lane, takes.get(lane.as_str()).copied().unwrap_or(0.0) * share, front);
        }
        let busy = wanted * share;
        self.grow_database(busy / capacity.max(1e-9));
        self.add_cost(demand, busy);
        self.worst_age = self.worst_age.max(self.oldest());
        self.second += 1;
    }

    /// Finishes so many jobs of a lane, the oldest first.
    fn work(&mut self, lane: Lane, mut takes: f64, front: f64) {
        let seconds = self.plan.seconds_per_job(lane);
        self.cost += takes * seconds * self.plan.work.worker_memory_mb[lane] / 1024.0 * self.prices.gb_second;
        let waits = if lane == Lane::Bulk {
            &mut self.bulk_waits
        } else {
            &mut self.waits
        };
        let Some(model) = self.lanes.get_mut(lane.as_str()) else { return };
        while takes > 1e-9 {
            let Some((since, jobs)) = model.queue.front_mut() else { break };
            let part = takes.min(*jobs);
            waits.add((self.second - *since) as f64 + seconds + front, part);
            *jobs -= part;
            takes -= part;
            model.backlog -= part;
            if *jobs <= 1e-9 {
                model.queue.pop_front();
            }
        }
    }

    /// How many seconds a request takes, including the mean time for cold starts.
    fn serve_requests(&mut self, demand: &Demand) -> f64 {
        let work = &self.plan.work;
        let mean = demand.total() / 60.0 * work.requests_per_job * work.seconds_per_request;
        // Requests do not arrive evenly. As many environments are needed as three standard
        // deviations above the mean.
        let needed = mean + 3.0 * mean.sqrt();
        let warm = self.environments.iter().copied().fold(self.lever(Lever::Warm), f64::max);
        self.environments.push_back(needed);
        if self.environments.len() > ENVIRONMENT_LIFETIME {
            self.environments.pop_front();
        }
        let cold = if needed > warm { (needed - warm) / needed } else { 0.0 };
        work.seconds_per_request + cold * COLD_START
    }

    /// Lets Aurora scale by itself, but not below its minimum.
    fn grow_database(&mut self, busy: f64) {
        let Some(bounds) = self.plan.levers.get(&Lever::Acus) else { return };
        if busy > ACUS_BUSY {
            self.acus *= 2_f64.powf(1.0 / ACUS_DOUBLE);
        } else if busy < ACUS_BUSY / 2.0 {
            self.acus *= 0.5_f64.powf(1.0 / ACUS_HALVE);
        }
        self.acus = self.acus.clamp(self.lever(Lever::Acus), bounds.ceiling);
    }

    fn add_cost(&mut self, demand: &Demand, done: f64) {
        let (work, prices) = (&self.plan.work, self.prices);
        let api = demand.total() / 60.0 * work.requests_per_job * work.seconds_per_request * prices.gb_second;
        let warm = self.lever(Lever::Warm) * prices.provisioned_gb_second;
        self.cost += (api + warm) * work.api_memory_mb / 1024.0;
        if self.plan.levers.contains_key(&Lever::Acus) {
            self.cost += self.acus * (1.0 + self.lever(Lever::Readers)) * prices.acu_hour / 3600.0;
        }
        if self.plan.levers.contains_key(&Lever::Cache) {
            self.cost += (done * work.ecpus_per_job).max(self.lever(Lever::Cache)) * prices.million_ecpu / 1e6;
        }
    }

    pub(super) fn into_day(self, policy: Policy, minutes: Vec<Minute>) -> Day {
        Day {
            policy,
            p50_wait: self.waits.quantile(0.5),
            p99_wait: self.waits.quantile(0.99),
            longest_wait: self.waits.quantile(1.0),
            p99_bulk_wait: self.bulk_waits.quantile(0.99),
            worst_backlog_age: self.worst_age,
            cost: self.cost,
            jobs: self.jobs,
            unfinished: self.lanes.values().map(|lane| lane.backlog).sum(),
            minutes,
        }
    }
}

impl LaneModel {
    fn oldest(&self, now: usize) -> f64 {
        self.queue.front().map_or(0.0, |(since, _)| (now - since) as f64)
    }

    /// Lets Lambda scale the workers of a mapping by itself, up to their limit.
    fn scale(&mut self, limit: f64, ramps: bool) {
        if !ramps {
            self.workers = limit;
            return;
        }
        // Jobs of an earlier second still wait.
        if self.queue.len() > 1 {
            self.workers += MORE_WORKERS;
        }
        self.idle = if self.queue.is_empty() { self.idle + 1.0 } else { 0.0 };
        if self.idle > MAPPING_RESETS {
            self.workers = 0.0;
        }
        self.workers = self.workers.max(FIRST_WORKERS).min(limit);
    }
}
