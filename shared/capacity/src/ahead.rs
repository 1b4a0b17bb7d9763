//! What the calendar asks for, early enough for AWS to do it by itself: an announced spike finds warm environments
//! and readers even if nobody decides in time.

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

/// Seconds that are looked ahead.
const HORIZON: f64 = 24.0 * 3600.0;

/// The least a lever is to stand at from a moment on, as far as announced demand goes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ahead {
    pub lever: Lever,
    pub from: Timestamp,
    pub least: f64,
}

/// Every change that the calendar of the next day asks of the levers that are there, in the order of time; within
/// bounds and budget. Each event counts in full from its ramp and the lever's lead time before it to the end of its ramp.
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
    let mut stood = stand(start, plan, prices, &occurrences, actual);
    let mut changes = Vec::new();
    for moment in moments {
        let stands = stand(moment, plan, prices, &occurrences, actual);
        let from = Timestamp::from_second(moment as i64).unwrap_or(now);
        let moved = stands.iter().filter(|(lever, least)| stood.get(lever) != Some(least));
        changes.extend(moved.map(|(&lever, &least)| Ahead { lever, from, least }));
        stood = stands;
    }
    changes
}

/// Where announced demand alone puts the levers at a moment.
fn stand(at: f64, plan: &CapacityPlan, prices: &Prices, occurrences: &[Occurrence<'_>], actual: &State) -> State {
    let unseen = Signals::default();
    let outlook = Outlook::blind(plan, &unseen);
    let there = plan.levers.iter().filter(|(lever, _)| actual.contains_key(lever));
    let mut state: State = there
        .map(|(&lever, bounds)| {
            let during = occurrences.iter().filter(|one| one.window(bounds.lead_minutes).contains(&at));
            let demand = during.fold(Demand::default(), |sum, one| sum.plus(one.jobs_per_minute));
            let need = outlook.flow(lever, &demand).clamp(bounds.floor, bounds.ceiling);
            (lever, at_least(need, bounds.grain(lever)).min(bounds.ceiling))
        })
        .collect();
    keep_to_budget(plan, prices, &mut state);
    state
}
