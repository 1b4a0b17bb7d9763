//! Decides the desired state of the levers from the time, the calendar, the history and the
//! signals.
//!
//! Each lever gets what the demand within its lead time needs. It stays within its bounds and its
//! step limits. It is lowered only after less has been enough for its hold time. If the desired
//! state costs more than the budget, every lever gives up the same share of what it has above its
//! floor.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    calendar::Occurrence,
    demand::Demand,
    lever::{Lever, State, at_least, at_most},
    plan::{Bounds, CapacityPlan},
    prices::Prices,
    signals::{History, Signals},
};
use job::Lane;

/// If requests found no warm environment, the number of warm environments is multiplied by this
/// factor.
const MORE_WARM: f64 = 1.5;

/// What the planner remembers from one decision to the next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// For each lever, since when less would have been enough.
    pub less_since: BTreeMap<Lever, Timestamp>,
}

/// The reason for the desired value of a lever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The event of this name is announced in the calendar.
    Calendar(String),
    /// The demand at the same hour of other weeks.
    History,
    /// The present demand.
    Arrivals,
    /// The lane backlog.
    Backlog,
    /// Requests found no warm environment.
    SpillOver,
    /// The demand needs no more than the floor.
    Floor,
    /// The plan or the template allows no more.
    Ceiling,
    /// The step limit allows no faster rise.
    Step,
    /// Less would be enough, but not yet for the hold time.
    Hold,
    /// Signals are missing or old, so that nothing is lowered.
    Stale,
    /// The budget allows no more.
    Budget,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calendar(name) => return write!(f, "calendar: {name}"),
            Self::History => "same hour of other weeks",
            Self::Arrivals => "arrivals",
            Self::Backlog => "backlog",
            Self::SpillOver => "spill-over",
            Self::Floor => "floor",
            Self::Ceiling => "ceiling",
            Self::Step => "step limit",
            Self::Hold => "held",
            Self::Stale => "stale signals",
            Self::Budget => "budget",
        })
    }
}

/// The result of a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub desired: State,
    pub reasons: BTreeMap<Lever, Reason>,
    pub memory: Memory,
    /// The most dollars an hour that the desired state costs.
    pub dollars_per_hour: f64,
}

/// Decides the desired value of every lever that is in `actual`.
pub fn decide(
    now: Timestamp,
    plan: &CapacityPlan,
    prices: &Prices,
    history: &History,
    signals: &Signals,
    actual: &State,
    memory: &Memory,
) -> Decision {
    let fresh = signals.is_fresh(now, plan);
    let no_signals = Signals::default();
    let outlook = Outlook::new(now, plan, history, if fresh { signals } else { &no_signals });
    let (mut desired, mut reasons, mut less_since) = (State::new(), BTreeMap::new(), BTreeMap::new());
    for (&lever, bounds) in &plan.levers {
        let Some(&current) = actual.get(&lever) else { continue };
        let (mut need, mut reason) = outlook.need(lever, bounds);
        let spilt = current * MORE_WARM;
        if lever == Lever::Warm && outlook.signals.spill_over > 0.0 && spilt > need {
            (need, reason) = (spilt, Reason::SpillOver);
        }
        let granularity = bounds.granularity(lever);
        let wanted = at_least(need.clamp(bounds.floor, bounds.ceiling), granularity);
        let since = memory.less_since.get(&lever).copied().filter(|since| *since <= now);
        let (mut value, mut because) = if wanted >= current {
            let most = at_most(current.max(granularity) * bounds.step_up, granularity).max(current + granularity);
            if wanted > most { (most, Reason::Step) } else { (wanted, reason) }
        } else if !fresh {
            (current, Reason::Stale)
        } else {
            let since = *less_since.entry(lever).or_insert(since.unwrap_or(now));
            if now.duration_since(since).as_secs_f64() < bounds.hold_minutes * 60.0 {
                (current, Reason::Hold)
            } else {
                let least = at_least(current * bounds.step_down, granularity).min(current - granularity);
                (least.max(wanted), reason)
            }
        };
        if value < bounds.floor {
            (value, because) = (bounds.floor, Reason::Floor);
        } else if value > bounds.ceiling || (need > bounds.ceiling && value >= bounds.ceiling) {
            (value, because) = (bounds.ceiling, Reason::Ceiling);
        }
        desired.insert(lever, value);
        reasons.insert(lever, because);
    }
    for lever in keep_to_budget(plan, prices, &mut desired) {
        reasons.insert(lever, Reason::Budget);
    }
    let dollars_per_hour = prices.per_hour(&desired, &plan.work);
    Decision {
        desired,
        reasons,
        memory: Memory { less_since },
        dollars_per_hour,
    }
}

/// Lowers the desired state until it is within the budget. Every lever gives up the same share of
/// what it has above its floor. Returns the levers that were lowered.
pub(super) fn keep_to_budget(plan: &CapacityPlan, prices: &Prices, desired: &mut State) -> Vec<Lever> {
    let cost = |state: &State| prices.per_hour(state, &plan.work);
    if cost(desired) <= plan.budget_dollars_per_hour {
        return Vec::new();
    }
    let kept = |share: f64| -> State {
        let part = |(&lever, &value): (&Lever, &f64)| {
            let bounds = &plan.levers[&lever];
            let shared = at_most(bounds.floor + share * (value - bounds.floor), bounds.granularity(lever));
            (lever, shared.max(bounds.floor))
        };
        desired.iter().map(part).collect()
    };
    let (mut enough, mut too_much) = (0.0, 1.0);
    for _ in 0..24 {
        let middle = f64::midpoint(enough, too_much);
        if cost(&kept(middle)) <= plan.budget_dollars_per_hour {
            enough = middle;
        } else {
            too_much = middle;
        }
    }
    let affordable = kept(enough);
    let mut lowered = Vec::new();
    for (lever, value) in desired.iter_mut() {
        if affordable[lever] < *value {
            *value = affordable[lever];
            lowered.push(*lever);
        }
    }
    lowered
}

/// The forecast of the demand in the next minutes.
pub(super) struct Outlook<'a> {
    plan: &'a CapacityPlan,
    signals: &'a Signals,
    /// For minutes from now, in rising order: the largest demand from now until then.
    peaks: Vec<(f64, Peak<'a>)>,
}

#[derive(Clone, Copy, Default)]
struct Peak<'a> {
    announced: Demand,
    event: Option<&'a str>,
    seasonal: Demand,
}

impl<'a> Outlook<'a> {
    fn new(now: Timestamp, plan: &'a CapacityPlan, history: &History, signals: &'a Signals) -> Self {
        let horizon = plan.levers.values().map(|bounds| bounds.lead_minutes).fold(0.0, f64::max) + 1.0;
        let occurrences = plan.calendar.around(now);
        let start = now.as_second() as f64;
        let (mut peaks, mut peak, mut minute) = (Vec::new(), Peak::default(), 0.0);
        loop {
            let at = start + minute * 60.0;
            let announced = announced(&occurrences, at);
            if announced.0.total() > peak.announced.total() {
                peak.event = announced.1;
            }
            peak.announced = peak.announced.max(&announced.0);
            peak.seasonal = peak.seasonal.max(&history.expected(at, plan));
            peaks.push((minute, peak));
            if minute >= horizon {
                break;
            }
            minute += if minute < 5.0 { 1.0 } else { 5.0 };
        }
        Self { plan, signals, peaks }
    }

    /// An outlook without a forecast. It is used to calculate needs only.
    pub(super) fn without_forecast(plan: &'a CapacityPlan, signals: &'a Signals) -> Self {
        Self {
            plan,
            signals,
            peaks: Vec::new(),
        }
    }

    /// What a lever needs for a steady demand.
    pub(super) fn flow(&self, lever: Lever, demand: &Demand) -> f64 {
        let busy = self.of(lever, demand);
        let flow = busy / self.plan.utilisation;
        if lever == Lever::Warm {
            // Nothing can wait in front of the API, and requests do not arrive evenly. Therefore at
            // least three standard deviations above the mean are kept ready.
            return flow.max(busy + 3.0 * busy.sqrt());
        }
        flow
    }

    /// What a lever needs until another decision could be in effect, and the reason for it.
    fn need(&self, lever: Lever, bounds: &Bounds) -> (f64, Reason) {
        let until = bounds.lead_minutes + 1.0;
        let peak = self
            .peaks
            .iter()
            .find(|(minute, _)| *minute >= until)
            .or(self.peaks.last())
            .map(|(_, peak)| *peak)
            .unwrap_or_default();
        let forecasts = [
            (peak.announced, Reason::Calendar(peak.event.unwrap_or_default().to_owned())),
            (peak.seasonal, Reason::History),
            (self.signals.current_demand(), Reason::Arrivals),
        ];
        let demand = forecasts.iter().fold(Demand::default(), |most, (demand, _)| most.max(demand));
        let drained = self.signals.backlog.times(60.0 / self.plan.drain_seconds);
        let (flow, backlog) = (self.flow(lever, &demand), self.of(lever, &drained));
        let need = flow + backlog;
        if need <= bounds.floor {
            return (need, Reason::Floor);
        }
        if backlog > flow {
            return (need, Reason::Backlog);
        }
        let by_need = |(one, _): &(Demand, Reason), (other, _): &(Demand, Reason)| self.of(lever, one).total_cmp(&self.of(lever, other));
        let reason = forecasts.into_iter().max_by(by_need).map_or(Reason::Floor, |(_, reason)| reason);
        (need, reason)
    }

    /// How much of a lever a demand keeps busy.
    fn of(&self, lever: Lever, demand: &Demand) -> f64 {
        let (work, per_second) = (&self.plan.work, demand.total() / 60.0);
        match lever {
            Lever::Express | Lever::Standard | Lever::Bulk => {
                let lane = lever.lane().unwrap_or(Lane::Standard);
                demand[lane] / 60.0 * self.signals.seconds_per_job(lane, self.plan)
            }
            Lever::Warm => per_second * work.requests_per_job * work.seconds_per_request,
            Lever::Acus => per_second / work.jobs_per_second_per_acu,
            Lever::Readers => per_second / work.jobs_per_second_per_reader,
            Lever::Cache => per_second * work.ecpus_per_job,
        }
    }
}

fn announced<'a>(occurrences: &[Occurrence<'a>], at: f64) -> (Demand, Option<&'a str>) {
    let mut sum = Demand::default();
    let mut largest: (f64, Option<&'a str>) = (0.0, None);
    for occurrence in occurrences {
        let demand = occurrence.demand(at);
        if demand.total() > largest.0 {
            largest = (demand.total(), Some(occurrence.name));
        }
        sum = sum.plus(&demand);
    }
    (sum, largest.1)
}
