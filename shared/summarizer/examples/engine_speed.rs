//! Measures the time of the engine and of the crate `summary`. It reads documents from standard
//! input, one JSON string per line, and prints one line of JSON for each method, with CPU seconds
//! and bytes. `shared/evaluation/speed.py` runs this program.
//!
//! `cargo run --release -p summarizer --example engine_speed -- [ROUNDS] [engine|summary ...]`

use std::{io::BufRead, num::NonZeroU32};

use cpu_time::ProcessTime;
use summarizer::{Budget, Options, summarize};

const SENTENCES: NonZeroU32 = NonZeroU32::new(3).unwrap();

#[expect(clippy::print_stdout, reason = "the program prints its result")]
/// Measures the time of `method` for all documents and prints it.
fn measure(name: &str, documents: &[String], rounds: usize, method: impl Fn(&str) -> usize) {
    let begun = ProcessTime::now();
    let mut produced = documents.first().map_or(0, |document| method(document));
    let first = begun.elapsed();
    let begun = ProcessTime::now();
    for _ in 0..rounds {
        for document in documents {
            produced += method(document);
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let bytes: usize = documents.iter().map(String::len).sum();
    println!(
        "{}",
        serde_json::json!({
            "method": name,
            "documents": documents.len() * rounds,
            "bytes": bytes * rounds,
            "cpu_seconds": seconds,
            "first_cpu_seconds": first.as_secs_f64(),
            "peak_resident_bytes": peak_resident_bytes(),
            "produced": produced,
        })
    );
}

/// The largest resident memory of this process, from `/proc`. It is 0 on systems without `/proc`.
fn peak_resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.next().and_then(|rounds| rounds.parse().ok()).unwrap_or(3);
    let methods: Vec<String> = arguments.collect();
    let wanted = |name: &str| methods.is_empty() || methods.iter().any(|method| method == name);
    let documents = std::io::stdin()
        .lock()
        .lines()
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect::<std::io::Result<Vec<String>>>()?;
    let options = Options {
        budget: Budget::Sentences(SENTENCES.get()),
        ..Options::default()
    };
    if wanted("engine") {
        measure("engine", &documents, rounds, |text| {
            summarize(text, &options).map_or(0, |summary| summary.text.len())
        });
    }
    if wanted("summary") {
        let summarizer = summary::Summarizer::new(summary::Language::English);
        measure("summary", &documents, rounds, |text| {
            summarizer.summarize_sentences(text, SENTENCES).into_iter().map(str::len).sum()
        });
    }
    Ok(())
}
