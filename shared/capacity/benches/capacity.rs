//! Measures the time of one decision, and of the decisions of a year:
//! `cargo bench -p capacity --bench capacity`.

#![expect(clippy::expect_used, reason = "a benchmark has no other way to report an error")]

use std::time::{Duration, Instant};

use capacity::{CapacityPlan, Demand, History, Memory, Prices, Signals, decide};
use criterion::{Criterion, criterion_group, criterion_main};
use jiff::{SignedDuration, Timestamp};

fn decisions(criterion: &mut Criterion) {
    let prices = Prices::parse(include_str!("../../../infra/cost.toml")).expect("a price book");
    let plan = CapacityPlan::parse("scale.toml", include_str!("../../../infra/capacity/scale.toml"), &prices).expect("a plan");
    let start: Timestamp = "2028-01-01T00:00:00Z".parse().expect("a moment");
    let year = |minutes: i64| {
        let (mut state, mut memory) = (plan.floors(), Memory::default());
        for minute in 0..minutes {
            let now = start + SignedDuration::from_mins(minute);
            let history = History {
                from: now,
                weeks: vec![vec![Demand::default(); 4]; 4],
            };
            let signals = Signals {
                at: Some(now),
                ..Signals::default()
            };
            let decision = decide(now, &plan, &prices, &history, &signals, &state, &memory);
            (state, memory) = (decision.desired, decision.memory);
        }
    };
    let mut group = criterion.benchmark_group("capacity");
    group.bench_function("decision", |bench| bench.iter(|| year(1)));
    group.sample_size(10).measurement_time(Duration::from_secs(20));
    group.bench_function("year of minutes", |bench| {
        bench.iter_custom(|times| {
            let started = Instant::now();
            (0..times).for_each(|_| year(366 * 24 * 60));
            started.elapsed()
        });
    });
}

criterion_group!(benches, decisions);
criterion_main!(benches);
