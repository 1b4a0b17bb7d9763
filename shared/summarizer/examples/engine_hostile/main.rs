//! Measures the time and the memory of the engine for hostile texts. It prints one line for each
//! kind of text and each length of the summary: the CPU seconds, by how much the resident memory of
//! the process grew at most, and the outcome. The memory is known on Linux only.
//!
//! `cargo run --release -p summarizer --example engine_hostile -- [BYTES] [KIND]`

mod texts;

use std::fs;

use cpu_time::ProcessTime;
use summarizer::{Budget, Options, summarize};

/// A number of kilobytes from `/proc/self/status`, in bytes.
fn resident(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[expect(clippy::print_stdout, reason = "the program prints its result")]
fn main() {
    let mut arguments = std::env::args().skip(1);
    let bytes = arguments.next().and_then(|bytes| bytes.parse().ok()).unwrap_or(4 * 1024 * 1024);
    let only = arguments.next();
    for kind in &texts::KINDS {
        if only.as_ref().is_some_and(|only| !kind.name.contains(only)) {
            continue;
        }
        let text = kind.text(bytes);
        for budget in [
            Budget::Sentences(100),
            Budget::Words(5_000),
            Budget::Characters(50),
            Budget::Ratio(1.0),
        ] {
            let options = Options {
                budget,
                focus: Some("What happened next, and who said so?"),
                markdown: kind.markdown,
                keywords: true,
                scores: true,
                ..Options::default()
            };
            // This makes the kernel forget the largest resident memory so far.
            let _ = fs::write("/proc/self/clear_refs", "5");
            let before = resident("VmRSS:");
            let begun = ProcessTime::now();
            let summary = summarize(&text, &options);
            let seconds = begun.elapsed().as_secs_f64();
            let megabytes = resident("VmHWM:").saturating_sub(before) / 1_000_000;
            let outcome = summary.map_or_else(
                |error| error.to_string(),
                |summary| format!("{} sentences", summary.input.sentences),
            );
            println!("{seconds:8.2} s {megabytes:6} MB  {:28} {:10} {outcome}", kind.name, budget.unit());
        }
    }
}
