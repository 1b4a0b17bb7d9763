#![expect(
    clippy::float_cmp,
    reason = "the values of levers are multiples of their granularity and are compared exactly"
)]

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{
    simulation::{self, Policy, Trace, run},
    *,
};
use crate::lever::at_least;
use job::Lane;

const BOOK: &str = include_str!("../../../infra/cost.toml");
const SHIPPED: [(&str, &str); 2] = [
    ("infra/capacity/growth.toml", include_str!("../../../infra/capacity/growth.toml")),
    ("infra/capacity/scale.toml", include_str!("../../../infra/capacity/scale.toml")),
];

fn prices() -> Prices {
    Prices::parse(BOOK).unwrap()
}

fn parse(text: &str) -> Result<CapacityPlan, PlanError> {
    CapacityPlan::parse("plan.toml", text, &prices())
}

/// The scale plan with other events in its calendar.
fn with_events(events: &str) -> CapacityPlan {
    let (before, rest) = SHIPPED[1].1.split_once("[[calendar]]").unwrap();
    let (_, after) = rest.split_once("[degradation]").unwrap();
    parse(&format!("{before}{events}\n[degradation]{after}")).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn signals(at: Timestamp, standard: f64, backlog: f64) -> Signals {
    Signals {
        at: Some(at),
        arrivals: PerLane {
            standard,
            ..PerLane::default()
        },
        backlog: PerLane {
            standard: backlog,
            ..PerLane::default()
        },
        ..Signals::default()
    }
}

fn once(plan: &CapacityPlan, now: Timestamp, signals: &Signals, actual: &State, memory: &Memory) -> Decision {
    decide(now, plan, &prices(), &History::default(), signals, actual, memory)
}

#[test]
fn the_plans_of_the_repository_are_valid() {
    for (file, text) in SHIPPED {
        CapacityPlan::parse(file, text, &prices()).unwrap();
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "the function is a table of cases")]
fn an_invalid_plan_is_refused_with_line_field_and_reason() {
    let good = SHIPPED[1].1;
    let line = |needle: &str| good[..good.find(needle).unwrap()].matches('\n').count() + 1;
    for (old, new, error) in [
        (
            "utilisation = 0.7",
            "utilisation = 7",
            format!("plan.toml:{}: utilisation: 7 is not between", line("utilisation")),
        ),
        (
            "utilisation = 0.7",
            "utilization = 0.7",
            format!("plan.toml:{}: utilization: unknown field", line("utilisation")),
        ),
        (
            "utilisation = 0.7",
            "utilisation = \"high\"",
            format!("plan.toml:{}: utilisation: invalid type", line("utilisation")),
        ),
        (
            "drain_seconds = 60\n",
            "",
            "plan.toml:1: (file): missing field `drain_seconds`".to_owned(),
        ),
        (
            "floor = 16",
            "floor = 65",
            format!(
                "plan.toml:{}: levers.standard.ceiling: 64 is below the floor of 65",
                line("floor = 16") + 1
            ),
        ),
        (
            "floor = 16",
            "floor = 1",
            format!(
                "plan.toml:{}: levers.standard.floor: a lane needs at least 2 workers",
                line("floor = 16")
            ),
        ),
        (
            "floor = 16",
            "floor = 16.5",
            format!(
                "plan.toml:{}: levers.standard.floor: 16.5 is not a multiple of 1",
                line("floor = 16")
            ),
        ),
        (
            "[levers.readers]",
            "[levers.writers]",
            format!(
                "plan.toml:{}: [levers.writers]: unknown variant `writers`",
                line("[levers.readers]")
            ),
        ),
        (
            "step_up = 8.0",
            "step_up = 1.0",
            format!("plan.toml:{}: levers.acus.step_up: 1 is not above 1", line("step_up = 8.0")),
        ),
        (
            "zone = \"Europe/Berlin\"",
            "zone = \"Mars\"",
            format!("plan.toml:{}: calendar.zone: `Mars` is not an IANA time zone", line("zone =")),
        ),
        (
            "from = \"08:30\"",
            "from = \"25:00\"",
            format!("plan.toml:{}: calendar.from: `25:00` is not a time", line("from =")),
        ),
        (
            "until = \"17:30\"",
            "until = \"08:31\"",
            format!(
                "plan.toml:{}: calendar.until: an event must last at least 5 minutes",
                line("until =")
            ),
        ),
        (
            "[\"monday\",",
            "[\"mondays\",",
            format!("plan.toml:{}: days: unknown variant `mondays`", line("days =")),
        ),
        (
            "zone = \"Europe/Berlin\"",
            "zone = \"Europe/Berlin\"\ndate = \"2026-12-01\"",
            format!("plan.toml:{}: calendar.days: give either", line("days =") + 1),
        ),
        (
            "express = 600",
            "express = -600",
            format!(
                "plan.toml:{}: calendar.jobs_per_minute: the value must be 0 or more",
                line("express = 600")
            ),
        ),
        (
            "budget_dollars_per_hour = 50.0",
            "budget_dollars_per_hour = 1.0",
            format!("plan.toml:{}: budget_dollars_per_hour: the floors alone", line("budget")),
        ),
        (
            "[60, 300, 900]",
            "[60, 30, 900]",
            format!(
                "plan.toml:{}: degradation.wait_seconds: the three thresholds must be above 0",
                line("wait_seconds")
            ),
        ),
        (
            "quantile = 0.75",
            "quantile = 75",
            format!("plan.toml:{}: history.quantile: 75 is not between", line("quantile")),
        ),
        (
            "ecpus_per_job = 20",
            "ecpus_per_job = 0",
            format!("plan.toml:{}: work.ecpus_per_job: the value must be above 0", line("ecpus_per_job")),
        ),
        (
            "utilisation = 0.7",
            "utilisation = = 0.7",
            format!("plan.toml:{}: utilisation:", line("utilisation")),
        ),
    ] {
        assert!(good.contains(old), "{old}");
        let found = parse(&good.replacen(old, new, 1)).unwrap_err().to_string();
        assert!(found.starts_with(&error), "the error is\n{found}\nand should begin with\n{error}");
    }
}

#[test]
fn events_keep_to_the_wall_clock_when_clocks_change() {
    let plan = with_events(
        "[[calendar]]\nname = \"day\"\nzone = \"Europe/Berlin\"\ndays = [\"saturday\", \"sunday\", \"monday\"]\nfrom = \"08:00\"\nuntil = \"18:00\"\njobs_per_minute = { standard = 1 }",
    );
    let jobs = |moment: &str| plan.calendar.demand(at(moment)).standard;
    // The clocks go from +01 to +02 on the last Sunday of March 2026, and back on the last Sunday
    // of October.
    for (before, begins) in [
        ("2026-03-28T06:59:59Z", "2026-03-28T07:00:00Z"),
        ("2026-03-29T05:59:59Z", "2026-03-29T06:00:00Z"),
        ("2026-10-24T05:59:59Z", "2026-10-24T06:00:00Z"),
        ("2026-10-25T06:59:59Z", "2026-10-25T07:00:00Z"),
    ] {
        assert_eq!((jobs(before), jobs(begins)), (0.0, 1.0), "{begins}");
    }
    assert_eq!((jobs("2026-03-29T15:59:59Z"), jobs("2026-03-29T16:00:00Z")), (1.0, 0.0));
}

#[test]
fn events_at_skipped_times_on_leap_days_and_over_midnight_take_place() {
    let skipped = with_events(
        "[[calendar]]\nname = \"night\"\nzone = \"Europe/Berlin\"\ndate = \"2026-03-29\"\nfrom = \"02:30\"\nuntil = \"04:00\"\njobs_per_minute = { bulk = 1 }",
    );
    let jobs = |plan: &CapacityPlan, moment: &str| plan.calendar.demand(at(moment)).total();
    // 02:30 does not exist on that day. The event begins at 03:30 instead.
    assert_eq!(jobs(&skipped, "2026-03-29T01:29:59Z"), 0.0);
    assert_eq!(jobs(&skipped, "2026-03-29T01:30:00Z"), 1.0);
    let leap = with_events(
        "[[calendar]]\nname = \"leap\"\nzone = \"UTC\"\ndate = \"2028-02-29\"\nfrom = \"22:00\"\nuntil = \"02:00\"\nramp_minutes = 60\njobs_per_minute = { bulk = 4 }",
    );
    for (moment, expected) in [
        ("2028-02-29T20:59:00Z", 0.0),
        ("2028-02-29T21:30:00Z", 2.0),
        ("2028-02-29T23:59:00Z", 4.0),
        ("2028-03-01T01:59:00Z", 4.0),
        ("2028-03-01T02:30:00Z", 2.0),
        ("2028-03-01T03:00:00Z", 0.0),
        ("2027-03-01T00:00:00Z", 0.0),
    ] {
        assert_eq!(jobs(&leap, moment), expected, "{moment}");
    }
}

#[test]
fn each_lever_rises_its_lead_time_before_an_announced_spike() {
    let plan = with_events(
        "[[calendar]]\nname = \"launch\"\nzone = \"UTC\"\ndate = \"2026-12-01\"\nfrom = \"18:00\"\nuntil = \"19:00\"\njobs_per_minute = { standard = 60000 }",
    );
    let (mut state, mut memory) = (plan.floors(), Memory::default());
    let mut risen = BTreeMap::new();
    for minute in 0..180 {
        let now = at("2026-12-01T17:30:00Z") + SignedDuration::from_mins(minute);
        let decision = once(&plan, now, &signals(now, 100.0, 0.0), &state, &memory);
        for (lever, value) in &decision.desired {
            if *value > plan.floors()[lever] && !risen.contains_key(lever) {
                let because = &decision.reasons[lever];
                assert!(
                    matches!(because, Reason::Calendar(_) | Reason::Step | Reason::Ceiling),
                    "{lever}: {because}"
                );
                risen.insert(*lever, 30 - minute);
            }
        }
        (state, memory) = (decision.desired, decision.memory);
        if minute == 30 {
            assert_eq!(state[&Lever::Acus], 64.0, "{state:?}");
        }
    }
    assert_eq!(
        risen[&Lever::Warm],
        4,
        "warm environments have a lead time of three minutes, and the next decision is a minute later: {risen:?}"
    );
    assert_eq!(risen[&Lever::Acus], 2, "{risen:?}");
    assert_eq!(
        risen[&Lever::Readers],
        15,
        "the forecast for readers has steps of five minutes: {risen:?}"
    );
    assert_eq!(
        state,
        plan.floors(),
        "every lever should be at its floor an hour and a half after the launch"
    );
}

#[test]
fn announced_demand_is_scheduled_a_day_ahead() {
    let launch = |hours: (&str, &str), ramp: u32| {
        format!(
            "[[calendar]]\nname = \"launch\"\nzone = \"UTC\"\ndate = \"2026-12-01\"\nfrom = \"{}\"\nuntil = \"{}\"\nramp_minutes = {ramp}\njobs_per_minute = {{ standard = 6000 }}\n",
            hours.0, hours.1
        )
    };
    let changes = |events: &str, now: &str| {
        let plan = with_events(events);
        let warm = ahead(at(now), &plan, &prices(), &plan.floors()).into_iter();
        warm.filter(|change| change.lever == Lever::Warm)
            .map(|change| (change.from.to_string(), change.least))
            .collect::<Vec<_>>()
    };
    let evening = launch(("18:00", "19:00"), 0);
    let [(up, most), (down, least)] = &changes(&evening, "2026-12-01T12:00:00Z")[..] else {
        panic!("there should be one change up and one change down");
    };
    assert_eq!((up.as_str(), down.as_str()), ("2026-12-01T17:56:00Z", "2026-12-01T19:00:00Z"));
    assert!(
        *least == with_events(&evening).levers[&Lever::Warm].floor && most > least,
        "{most} {least}"
    );
    let ramped = changes(&launch(("18:00", "19:00"), 30), "2026-12-01T12:00:00Z");
    assert_eq!(
        ramped[0].0, "2026-12-01T17:26:00Z",
        "the capacity should be ready when the ramp begins"
    );
    assert_eq!(
        ramped[1].0, "2026-12-01T19:30:00Z",
        "the capacity should be kept until the ramp ends"
    );
    assert_eq!(
        changes(&evening, "2026-12-01T18:30:00Z"),
        [(down.clone(), *least)],
        "an event that has begun should have only its end scheduled"
    );
    assert_eq!(
        changes(&evening, "2026-11-29T18:00:00Z"),
        [],
        "an event after more than a day should not be scheduled yet"
    );
    let both = evening + &launch(("18:30", "20:00"), 0);
    let state: Vec<f64> = changes(&both, "2026-12-01T12:00:00Z").iter().map(|(_, least)| *least).collect();
    assert_eq!(
        state.len(),
        4,
        "the first event, both, the second event and none should be scheduled: {state:?}"
    );
    assert!(state[1] > state[0] && state[2] == state[0] && state[3] == *least, "{state:?}");
}

#[test]
fn missing_or_old_signals_lower_nothing_and_the_calendar_still_counts() {
    let plan = with_events("");
    let now = at("2026-12-01T12:00:00Z");
    let high = plan.ceilings();
    let old = signals(now - SignedDuration::from_mins(11), 0.0, 0.0);
    for no_signals in [Signals::default(), old] {
        let decision = once(&plan, now, &no_signals, &high, &Memory::default());
        for (lever, value) in &decision.desired {
            assert!(
                decision.reasons[lever] == Reason::Stale || *value == high[lever],
                "{lever}: {:?}",
                decision.reasons
            );
            assert_eq!(*value, high[lever], "{lever} should not be lowered");
        }
    }
    let plan = CapacityPlan::parse("scale.toml", SHIPPED[1].1, &prices()).unwrap();
    let decision = once(
        &plan,
        at("2026-12-01T12:00:00Z"),
        &Signals::default(),
        &plan.floors(),
        &Memory::default(),
    );
    assert!(decision.desired[&Lever::Acus] > 4.0, "{decision:?}");
}

#[test]
fn the_history_is_used_with_quantile_and_margin() {
    let plan = with_events("");
    let now = at("2026-12-01T12:00:00Z");
    let week = |jobs: f64| {
        vec![
            PerLane {
                standard: jobs,
                ..PerLane::default()
            };
            20
        ]
    };
    // One of the four weeks is an outlier. The quantile of three quarters leaves it out.
    let history = History {
        from: now,
        weeks: [10_000.0, 12_000.0, 11_000.0, 60_000.0].map(week).into(),
    };
    let decision = decide(
        now,
        &plan,
        &prices(),
        &history,
        &signals(now, 0.0, 0.0),
        &plan.floors(),
        &Memory::default(),
    );
    let expected = 12_000.0 * 1.2 / 60.0 / 20.0 / 0.7;
    assert_eq!(decision.desired[&Lever::Acus], (expected * 2.0_f64).ceil() / 2.0);
    assert_eq!(decision.reasons[&Lever::Acus], Reason::History);
}

fn fields() -> impl Strategy<Value = (f64, f64, f64, f64, i64)> {
    (0.0..200_000.0, 0.0..1_000_000.0, 0.001..10.0, 0.5..60.0, 0_i64..2_000_000_000)
}

#[test]
fn spill_over_raises_warm_environments_up_to_their_ceiling() {
    let plan = with_events("");
    let now = at("2026-12-01T12:00:00Z");
    let (mut state, mut steps) = (plan.floors(), Vec::new());
    let mut spilling = signals(now, 0.0, 0.0);
    spilling.spill_over = 3.0;
    for _ in 0..10 {
        let decision = once(&plan, now, &spilling, &state, &Memory::default());
        steps.push((decision.desired[&Lever::Warm], decision.reasons[&Lever::Warm].to_string()));
        state = decision.desired;
    }
    assert_eq!(steps[0], (15.0, "spill-over".to_owned()));
    assert_eq!(steps[9], (200.0, "ceiling".to_owned()));
}

#[test]
fn without_demand_every_lever_falls_to_its_floor() {
    for (file, text) in SHIPPED {
        let plan = CapacityPlan::parse(file, text, &prices()).unwrap();
        let (mut state, mut memory) = (plan.ceilings(), Memory::default());
        for minute in 0..24 * 60 {
            // On a Sunday the calendar has no event.
            let now = at("2026-11-29T00:00:00Z") + SignedDuration::from_mins(minute);
            let decision = once(&plan, now, &signals(now, 0.0, 0.0), &state, &memory);
            (state, memory) = (decision.desired, decision.memory);
        }
        assert_eq!(state, plan.floors(), "{file}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_decision_is_within_bounds_and_budget((arrivals, backlog, seconds, budget, second) in fields(), place in 0.0..3.0) {
        let mut plan = with_events("");
        let floors = prices().per_hour(&plan.floors(), &plan.work);
        plan.budget_dollars_per_hour = floors + budget;
        let now = Timestamp::from_second(second).unwrap();
        let mut signals = signals(now, arrivals, backlog);
        signals.seconds_per_job.standard = Some(seconds);
        let actual: State = plan.levers.iter().map(|(&lever, bounds)| (lever, at_least(bounds.ceiling * place, bounds.granularity(lever)))).collect();
        let decision = once(&plan, now, &signals, &actual, &Memory::default());
        for (lever, value) in &decision.desired {
            let bounds = plan.levers[lever];
            prop_assert!(*value >= bounds.floor && *value <= bounds.ceiling, "{} = {}", lever, value);
            prop_assert!((at_least(*value, plan.levers[lever].granularity(*lever)) - *value).abs() < 1e-6, "{} = {}", lever, value);
        }
        prop_assert!(decision.dollars_per_hour <= plan.budget_dollars_per_hour + 1e-9);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn scheduled_changes_are_within_bounds_and_budget((jobs, _, _, budget, second) in fields()) {
        let mut plan = with_events("");
        let floors = prices().per_hour(&plan.floors(), &plan.work);
        plan.budget_dollars_per_hour = floors + budget;
        let now = Timestamp::from_second(second).unwrap();
        let demand = Demand { standard: jobs, ..Demand::default() };
        let hours = |from, until| jiff::civil::time(from, 0, 0, 0)..jiff::civil::time(until, 0, 0, 0);
        plan.calendar.announce("morning", now + SignedDuration::from_hours(24), hours(6, 10), demand);
        plan.calendar.announce("noon", now + SignedDuration::from_hours(24), hours(9, 13), demand);
        let changes = ahead(now, &plan, &prices(), &plan.floors());
        let mut state = plan.floors();
        for (number, change) in changes.iter().enumerate() {
            let bounds = plan.levers[&change.lever];
            prop_assert!(change.least >= bounds.floor && change.least <= bounds.ceiling, "{:?}", change);
            state.insert(change.lever, change.least);
            if changes.get(number + 1).is_none_or(|next| next.from > change.from) {
                prop_assert!(prices().per_hour(&state, &plan.work) <= plan.budget_dollars_per_hour + 1e-9, "{:?}", state);
            }
        }
    }

    #[test]
    fn constant_load_leads_to_a_stable_state((arrivals, backlog, seconds, _, second) in fields()) {
        let plan = with_events("");
        let start = Timestamp::from_second(second).unwrap();
        let (mut state, mut memory, mut directions) = (plan.floors(), Memory::default(), BTreeMap::new());
        for minute in 0..180 {
            let now = start + SignedDuration::from_mins(minute);
            let mut signals = signals(now, arrivals, backlog);
            signals.seconds_per_job.standard = Some(seconds);
            let decision = once(&plan, now, &signals, &state, &memory);
            for action in actions(&decision.desired, &state, &RUN, &Circuit::default(), Level::Normal) {
                let Action::Set { lever, from, to } = action else { panic!("{action:?}") };
                let up = to > from;
                prop_assert!(*directions.entry(lever).or_insert(up) == up, "{} changes its direction", lever);
                prop_assert!(minute < 120, "{} still changes after two hours", lever);
            }
            (state, memory) = (decision.desired, decision.memory);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_larger_backlog_never_lowers_a_lever((arrivals, backlog, seconds, _, second) in fields(), more in 0.0..1_000_000.0) {
        let mut plan = with_events("");
        plan.budget_dollars_per_hour = 1e6;
        let now = Timestamp::from_second(second).unwrap();
        let decide = |backlog: f64| {
            let mut signals = signals(now, arrivals, backlog);
            signals.seconds_per_job.standard = Some(seconds);
            once(&plan, now, &signals, &plan.floors(), &Memory::default()).desired
        };
        let (less, more) = (decide(backlog), decide(backlog + more));
        for (lever, value) in less {
            prop_assert!(more[&lever] >= value, "{}", lever);
        }
    }

    /// The clock may jump to any time between two decisions. If it has gone back, nothing is
    /// lowered by the first decision after that.
    #[test]
    fn a_clock_that_jumps_does_not_lower_levers_too_fast(first in 0_i64..2_000_000_000, second in 0_i64..2_000_000_000) {
        let plan = with_events("");
        let (then, now) = (Timestamp::from_second(first).unwrap(), Timestamp::from_second(second).unwrap());
        let before = once(&plan, then, &signals(then, 0.0, 0.0), &plan.ceilings(), &Memory::default());
        let after = once(&plan, now, &signals(now, 0.0, 0.0), &before.desired, &before.memory);
        for (lever, value) in &after.desired {
            let bounds = plan.levers[lever];
            prop_assert!(*value >= (before.desired[lever] * bounds.step_down).floor().max(bounds.floor));
            prop_assert!(second > first || *value == before.desired[lever], "{} was lowered although the clock went back", lever);
        }
    }
}

#[test]
fn a_sudden_rise_is_seen_in_the_backlog_before_the_metrics_show_it() {
    let plan = with_events("");
    let now = at("2026-12-01T12:00:00Z");
    let need = |signals: &Signals| once(&plan, now, signals, &plan.floors(), &Memory::default()).desired[&Lever::Acus];
    let waiting = |arrivals: f64, seconds: f64| {
        let mut signals = signals(now, arrivals, 3_000.0);
        signals.oldest.standard = seconds;
        need(&signals)
    };
    assert_eq!(
        waiting(0.0, 40.0),
        waiting(4_500.0, 40.0),
        "3,000 messages in 40 seconds should count as 4,500 jobs a minute"
    );
    assert_eq!(
        waiting(0.0, 4.0),
        waiting(6_000.0, 4.0),
        "less than 30 seconds should count as 30 seconds"
    );
    assert!(
        waiting(0.0, 4_000.0) < waiting(0.0, 40.0),
        "old messages should count as a low rate"
    );
}

#[test]
fn a_lever_keeps_its_step_limits_and_falls_after_its_hold_time() {
    let plan = with_events("");
    let start = at("2026-12-01T12:00:00Z");
    let up = once(&plan, start, &signals(start, 1e6, 1e6), &plan.floors(), &Memory::default());
    assert_eq!((up.desired[&Lever::Acus], &up.reasons[&Lever::Acus]), (32.0, &Reason::Step));
    let (mut state, mut memory) = (plan.ceilings(), Memory::default());
    let mut seen = Vec::new();
    for minute in 0..30 {
        let now = start + SignedDuration::from_mins(minute);
        let decision = once(&plan, now, &signals(now, 0.0, 0.0), &state, &memory);
        (state, memory) = (decision.desired, decision.memory);
        seen.push(state[&Lever::Warm]);
    }
    assert!(seen[..10].iter().all(|warm| *warm == 200.0), "{seen:?}");
    assert_eq!(seen[10..16], [100.0, 50.0, 25.0, 13.0, 10.0, 10.0], "{seen:?}");
}

/// No lane is paused.
const RUN: PerLane<Option<bool>> = PerLane {
    express: Some(false),
    standard: Some(false),
    bulk: Some(false),
};
/// The bulk lane is paused.
const BULK_PAUSED: PerLane<Option<bool>> = PerLane { bulk: Some(true), ..RUN };

#[test]
fn the_actions_are_the_differences_between_two_states() {
    let actual = State::from([(Lever::Warm, 2.0), (Lever::Acus, 4.0)]);
    let desired = State::from([(Lever::Warm, 2.0), (Lever::Acus, 8.0), (Lever::Readers, 3.0)]);
    let moved = Action::Set {
        lever: Lever::Acus,
        from: 4.0,
        to: 8.0,
    };
    let closed = Circuit::default();
    assert_eq!(actions(&desired, &actual, &RUN, &closed, Level::Normal), [moved]);
    assert_eq!(
        actions(&desired, &actual, &RUN, &closed, Level::QueueOnly),
        [Action::Pause(Lane::Bulk), moved]
    );
    let held = closed.next(Some(true), &RUN, Level::QueueOnly);
    assert_eq!(
        actions(&actual, &actual, &BULK_PAUSED, &held, Level::ExtractiveOnly),
        [Action::Resume(Lane::Bulk)]
    );
    assert_eq!(actions(&actual, &actual, &BULK_PAUSED, &held, Level::QueueOnly), []);
    assert_eq!(
        actions(&actual, &actual, &BULK_PAUSED, &closed, Level::Normal),
        [],
        "an operator has paused the lane"
    );
}

#[test]
fn a_lane_that_is_paused_or_resumed_gets_no_other_action() {
    let (actual, desired) = (State::from([(Lever::Bulk, 2.0)]), State::from([(Lever::Bulk, 4.0)]));
    let held = Circuit::default().next(Some(true), &RUN, Level::QueueOnly);
    assert_eq!(
        actions(&desired, &actual, &RUN, &held, Level::QueueOnly),
        [Action::Pause(Lane::Bulk)]
    );
    assert_eq!(
        actions(&desired, &actual, &BULK_PAUSED, &held, Level::Normal),
        [Action::Resume(Lane::Bulk)]
    );
    let bounded = Action::Set {
        lever: Lever::Bulk,
        from: 2.0,
        to: 4.0,
    };
    assert_eq!(actions(&desired, &actual, &RUN, &held, Level::Normal), [bounded]);
}

#[test]
fn the_level_rises_at_once_and_falls_by_one() {
    let now = at("2026-12-01T12:00:00Z");
    let calm = SignedDuration::from_mins(5);
    for level in Level::ALL {
        for enter in Level::ALL {
            for stay in Level::ALL.into_iter().filter(|stay| *stay >= enter) {
                for since in [None, Some(now), Some(now - calm), Some(now + calm)] {
                    let next = Controller { level, calm_since: since }.next(Pressure { enter, stay }, now, 5.0);
                    let case = format!("{level} enter {enter} stay {stay} since {since:?} -> {next:?}");
                    if enter > level {
                        assert_eq!((next.level, next.calm_since), (enter, None), "{case}");
                    } else if stay >= level {
                        assert_eq!((next.level, next.calm_since), (level, None), "{case}");
                    } else if since == Some(now - calm) {
                        assert_eq!(u8::from(next.level), u8::from(level) - 1, "the level should fall by one: {case}");
                        assert_eq!(next.calm_since, Some(now), "{case}");
                    } else {
                        assert_eq!(
                            next.level, level,
                            "the level should not fall before the calm minutes are over: {case}"
                        );
                        assert!(next.calm_since.is_some_and(|since| since <= now), "{case}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_pressure_depends_on_waits_failures_and_limits_of_stores() {
    let plan = with_events("");
    let now = at("2026-12-01T12:00:00Z");
    let judge = |change: &dyn Fn(&mut Signals)| {
        let mut signals = signals(now, 0.0, 0.0);
        change(&mut signals);
        let pressure = Pressure::judge(&signals, &plan);
        (u8::from(pressure.enter), u8::from(pressure.stay))
    };
    // 64 workers with 0.02 s a job finish 3,200 jobs a second.
    let wait = |seconds: f64| move |signals: &mut Signals| signals.backlog.standard = 3200.0 * seconds;
    assert_eq!(judge(&wait(29.0)), (0, 0));
    assert_eq!(judge(&wait(31.0)), (0, 1));
    assert_eq!(judge(&wait(61.0)), (1, 1));
    assert_eq!(judge(&wait(301.0)), (2, 2));
    assert_eq!(judge(&wait(451.0)), (2, 3));
    assert_eq!(judge(&wait(901.0)), (3, 3));
    assert_eq!(judge(&|signals| signals.failures = 0.31), (2, 3));
    assert_eq!(judge(&|signals| signals.acus = Some(61.0)), (1, 1));
    assert_eq!(judge(&|signals| signals.acus = Some(40.0)), (0, 1));
    assert_eq!(judge(&|signals| signals.connections = Some(0.99)), (1, 1));
    assert_eq!(judge(&|signals| signals.cache_throttled = 1.0), (1, 1));
    assert_eq!(judge(&|signals| signals.throttles = 1.0), (1, 1));
    let waited = |seconds: f64, backlog: f64, arrivals: f64| {
        move |signals: &mut Signals| {
            (signals.oldest.standard, signals.backlog.standard, signals.arrivals.standard) = (seconds, backlog, arrivals);
        }
    };
    assert_eq!(
        judge(&waited(400.0, 400.0, 60.0)),
        (2, 2),
        "a long wait should count even if few jobs arrive"
    );
    assert_eq!(
        judge(&waited(400.0, 1.0, 0.0)),
        (0, 0),
        "one old message should count as a repeated delivery"
    );
    assert_eq!(
        judge(&waited(400.0, 30.0, 6000.0)),
        (0, 0),
        "a few old messages among many should count as repeated deliveries"
    );
    assert_eq!(
        judge(&|signals| signals.backlog.bulk = 1e9),
        (0, 0),
        "the backlog of the bulk lane should not count"
    );
}

#[test]
fn a_pinned_level_expires() {
    let now = at("2026-12-01T12:00:00Z");
    let controller = Controller {
        level: Level::Trim,
        calm_since: None,
    };
    let pin = Some(Pin {
        level: Level::QueueOnly,
        until: now,
    });
    assert_eq!(effective(controller, pin, now - SignedDuration::from_secs(1)), Level::QueueOnly);
    assert_eq!(effective(controller, pin, now), Level::Trim);
    assert_eq!(effective(controller, None, now), Level::Trim);
}

/// Checks that the tables in a document are the results of the simulation.
/// `UPDATE_CAPACITY=1 cargo test --lib` writes them again.
fn documented(file: &str, tables: &str) {
    const MARKERS: [&str; 2] = ["<!-- simulated -->\n", "<!-- end -->"];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(MARKERS[0]).unwrap();
    let (known, after) = rest.split_once(MARKERS[1]).unwrap();
    if std::env::var_os("UPDATE_CAPACITY").is_some() {
        fs::write(&path, [before, MARKERS[0], tables, "\n", MARKERS[1], after].concat()).unwrap();
        return;
    }
    assert!(
        known.trim() == tables.trim(),
        "{file} is out of date. Run `UPDATE_CAPACITY=1 cargo test --lib` to write its tables again."
    );
}

/// This test holds what `infra/capacity/README.md` says about the plan and static provisioning.
#[test]
fn the_plan_waits_hardly_longer_than_static_provisioning_at_half_its_cost() {
    let mut tables = String::new();
    for (file, text) in SHIPPED {
        let plan = CapacityPlan::parse(file, text, &prices()).unwrap();
        let mut days = Vec::new();
        for name in Trace::NAMES {
            let trace = Trace::built_in(name, &plan).unwrap();
            let all = Policy::ALL.map(|policy| run(&trace, &plan, &prices(), policy));
            days.extend(all.clone().map(|day| (trace.clone(), day)));
            let [ours, default, fixed, _] = all;
            assert!(ours.unfinished < 1e-3, "{file} {name}: {}", ours.unfinished);
            assert!(
                ours.p99_wait <= fixed.p99_wait + plan.drain_seconds,
                "{file} {name}: {} against {}",
                ours.p99_wait,
                fixed.p99_wait
            );
            assert!(
                ours.p99_bulk_wait <= fixed.p99_bulk_wait + plan.drain_seconds,
                "{file} {name}, bulk: {} against {}",
                ours.p99_bulk_wait,
                fixed.p99_bulk_wait
            );
            assert!(
                ours.cost <= fixed.cost / 2.0,
                "{file} {name}: {} $ against {} $",
                ours.cost,
                fixed.cost
            );
            if name == "launch-spike" || name == "flash-crowd" {
                assert!(
                    ours.p99_wait < default.p99_wait,
                    "{file} {name}: {} {}",
                    ours.p99_wait,
                    default.p99_wait
                );
            }
        }
        let table = simulation::table(days.iter().map(|(trace, day)| (trace, day)));
        write!(tables, "\n`{file}`\n\n{table}").unwrap();
    }
    documented("infra/capacity/README.md", &tables);
}

#[test]
fn a_csv_trace_is_read_or_refused_with_its_line() {
    let trace = Trace::parse("day.csv", "minute,express,standard,bulk\n0,1,2,3\n1439, 4,5,6\n").unwrap();
    let plan = with_events("");
    let day = run(&trace, &plan, &prices(), Policy::Plan);
    assert!((day.jobs - 21.0).abs() < 1e-6 && day.unfinished < 6.1, "{}", day.jobs);
    for (text, error) in [
        ("", "day.csv:1: the first line must be"),
        ("minute,express,standard,bulk\n1,2,3", "day.csv:2: `1,2,3` is not four numbers"),
        (
            "minute,express,standard,bulk\n1,2,x,3,4",
            "day.csv:2: `1,2,x,3,4` is not four numbers",
        ),
        ("minute,express,standard,bulk\n\n1440,1,1,1", "day.csv:3: 1440 is not a minute"),
        (
            "minute,express,standard,bulk\n1,-1,1,1",
            "day.csv:2: the numbers of jobs must be 0 or more",
        ),
        (
            "minute,express,standard,bulk\n1,nan,1,1",
            "day.csv:2: the numbers of jobs must be 0 or more",
        ),
    ] {
        let found = Trace::parse("day.csv", text).unwrap_err().to_string();
        assert!(found.starts_with(error), "{found}");
    }
}

/// The year has a leap day and both changes of the clocks.
#[test]
fn a_year_of_minutes_can_be_planned() {
    let plan = CapacityPlan::parse("scale.toml", SHIPPED[1].1, &prices()).unwrap();
    let start = at("2028-01-01T00:00:00Z");
    let (mut state, mut memory, mut moves) = (plan.floors(), Memory::default(), 0);
    // Only every 29th minute is decided. The benchmark decides every minute.
    for minute in (0..366 * 24 * 60).step_by(29) {
        let now = start + SignedDuration::from_mins(minute);
        let decision = once(&plan, now, &signals(now, 10.0, 0.0), &state, &memory);
        moves += actions(&decision.desired, &state, &RUN, &Circuit::default(), Level::Normal).len();
        (state, memory) = (decision.desired, decision.memory);
    }
    // On each of about 260 working days, some levers are raised and lowered.
    assert!((260 * 2..260 * 60).contains(&moves), "{moves}");
}
