//! Measures how much memory the engine allocates for a document. It reads documents from standard
//! input, one JSON string per line, and prints the means as one line of JSON. The tables of the
//! language are not counted.
//!
//! `cargo run --release -p summarizer --example engine_allocations`

use std::{alloc::System, io::BufRead};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use summarizer::{Options, summarize};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[expect(clippy::print_stdout, reason = "the program prints its result")]
fn main() -> std::io::Result<()> {
    let documents = std::io::stdin()
        .lock()
        .lines()
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect::<std::io::Result<Vec<String>>>()?;
    let options = Options::default();
    let sentences = |text: &String| summarize(text, &options).map_or(0, |summary| summary.sentences.len());
    let mut chosen = documents.iter().take(1).map(sentences).sum::<usize>();
    let region = Region::new(ALLOCATOR);
    chosen += documents.iter().map(sentences).sum::<usize>();
    let change = region.change();
    let count = documents.len().max(1);
    println!(
        "{}",
        serde_json::json!({
            "allocations": (change.allocations + change.reallocations) / count,
            "allocated_bytes": change.bytes_allocated / count,
            "sentences": chosen,
        })
    );
    Ok(())
}
