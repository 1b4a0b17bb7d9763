//! The changes that the calendar asks for in the next day. They are left with AWS as scheduled
//! actions, so that warm environments and readers are ready for announced demand even if `prescale`
//! does not run.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    calendar::Occurrence,
    demand::Demand,
    lever::{Lever, State, at_least},
    plan::CapacityPlan,
    planner::{Outlook, keep_to_budget},
    prices::Prices,
    signals::Signals,
};

/// How many seconds ahead the calendar is read.
const HORIZON: f64 = 24.0 * 3600.0;

/// The minimum of a lever from a moment on, as the announced demand needs it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ahead {
    pub lever: Lever,
    pub from: Timestamp,
    pub least: f64,
}

/// All changes of levers that the calendar of the next day asks for, in the order of time. They are
/// within the bounds and the budget of the plan. Each event counts in full from the lead time of
/// the lever before its ramp until the end of its ramp. Levers that are missing from `actual` are
/// left out.
pub fn ahead(now: Timestamp, plan: &CapacityPlan, prices: &Prices, actual: &State) -> Vec<Ahead> {
    let occurrences = plan.calendar.around(now);
    let start = now.as_second() as f64;
    let windows = plan
        .levers
        .values()
        .flat_map(|bounds| occurrences.iter().map(|occurrence| occurrence.window(bounds.lead_minutes)));
    let mut moments: Vec<f64> = windows
        .flat_map(|window| [window.start, window.end])
        .filter(|moment| *moment > start && *moment <= start + HORIZON)
        .collect();
    moments.sort_by(f64::total_cmp);
    moments.dedup();
    let mut before = announced_state(start, plan, prices, &occurrences, actual);
    let mut changes = Vec::new();
    for moment in moments {
        let state = announced_state(moment, plan, prices, &occurrences, actual);
        let from = Timestamp::from_second(moment as i64).unwrap_or(now);
        let moved = state.iter().filter(|(lever, least)| before.get(lever) != Some(least));
        changes.extend(moved.map(|(&lever, &least)| Ahead { lever, from, least }));
        before = state;
    }
    changes
}

/// The values of the levers at a moment, if only announced demand counts.
fn announced_state(at: f64, plan: &CapacityPlan, prices: &Prices, occurrences: &[Occurrence<'_>], actual: &State) -> State {
    let no_signals = Signals::default();
    let outlook = Outlook::without_forecast(plan, &no_signals);
    let there = plan.levers.iter().filter(|(lever, _)| actual.contains_key(lever));
    let mut state: State = there
        .map(|(&lever, bounds)| {
            let during = occurrences.iter().filter(|one| one.window(bounds.lead_minutes).contains(&at));
            let demand = during.fold(Demand::default(), |sum, one| sum.plus(one.jobs_per_minute));
            let need = outlook.flow(lever, &demand).clamp(bounds.floor, bounds.ceiling);
            (lever, at_least(need, bounds.granularity(lever)).min(bounds.ceiling))
        })
        .collect();
    keep_to_budget(plan, prices, &mut state);
    state
}
