//! Measures the time of the engine on documents of three sizes, and with each option that a client
//! can set: `cargo bench -p summarizer`.
//!
//! `shared/evaluation/speed.py` compares the engine with other summarisers.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use summarizer::{Budget, Options, summarize};

const ARTICLE: &str = include_str!("../../../infra/local/demo/article.txt");

fn sizes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("size");
    for copies in [1, 16, 256] {
        // The copies are numbered, so that their sentences are different.
        let text: String = (0..copies)
            .map(|copy| ARTICLE.replace("Allosaurus", &format!("Allosaurus{copy}")))
            .collect();
        group.throughput(Throughput::Bytes(u64::try_from(text.len()).unwrap_or(u64::MAX)));
        group.bench_with_input(BenchmarkId::from_parameter(text.len()), &text, |bencher, text| {
            bencher.iter(|| summarize(text, &Options::default()));
        });
    }
}

fn options(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("option");
    let plain = Options::default();
    for (name, options) in [
        ("default", plain),
        (
            "language",
            Options {
                language: Some("de"),
                ..plain
            },
        ),
        ("markdown", Options { markdown: true, ..plain }),
        (
            "words",
            Options {
                budget: Budget::Words(100),
                ..plain
            },
        ),
        (
            "focus",
            Options {
                focus: Some("Fressverhalten der Jungtiere"),
                ..plain
            },
        ),
        ("keywords", Options { keywords: true, ..plain }),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| summarize(ARTICLE, &options)));
    }
}

criterion_group!(benches, sizes, options);
criterion_main!(benches);
