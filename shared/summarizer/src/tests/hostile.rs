//! Texts that a careless or hostile client may send.

use std::cell::Cell;

use super::super::*;

#[path = "../../examples/engine_hostile/texts.rs"]
mod texts;

use texts::{KINDS, Kind};

const BYTES: usize = 64 * 1024;

fn options(kind: &Kind) -> Options<'static> {
    Options {
        markdown: kind.markdown,
        keywords: true,
        scores: true,
        ..Options::default()
    }
}

/// Summarises and stops the engine when it has taken `most` steps. Returns how often it asked.
fn run(kind: &Kind, text: &str, most: usize) -> (Result<Summary, NoSummary>, usize) {
    let asked = Cell::new(0);
    let may_go_on = || {
        asked.set(asked.get() + 1);
        asked.get() <= most
    };
    let summary = summarize_while(text, &options(kind), &may_go_on);
    (summary, asked.get())
}

#[test]
fn every_kind_is_summarised_or_has_no_sentence() {
    for kind in &KINDS {
        let text = kind.text(BYTES);
        assert!(
            text.len() <= BYTES && text.len() > BYTES - 512,
            "{}: {} bytes",
            kind.name,
            text.len()
        );
        let (summary, _) = run(kind, &text, usize::MAX);
        assert_ne!(summary, Err(NoSummary::Stopped), "{}", kind.name);
        assert_eq!(summary, summarize(&text, &options(kind)), "{}", kind.name);
    }
}

#[test]
fn a_stopped_engine_takes_no_further_step() {
    for kind in &KINDS {
        let text = kind.text(BYTES);
        let (_, all) = run(kind, &text, usize::MAX);
        for most in [0, 1, all / 3, all - 1] {
            let (summary, asked) = run(kind, &text, most);
            assert_eq!(
                (summary, asked),
                (Err(NoSummary::Stopped), most + 1),
                "{} after {most} of {all}",
                kind.name
            );
        }
    }
}
