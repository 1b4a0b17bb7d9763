mod articles;
mod golden;
mod hostile;
mod properties;
mod ugly;

use super::*;

fn options(budget: Budget) -> Options<'static> {
    Options {
        budget,
        ..Options::default()
    }
}

/// All sentences that the engine finds in `text`.
fn sentences(text: &str, language: &str) -> Vec<String> {
    let summary = summarize(
        text,
        &Options {
            language: Some(language),
            scores: true,
            ..Options::default()
        },
    );
    let characters: Vec<char> = text.chars().collect();
    let scores = summary.map(|summary| summary.scores.unwrap()).unwrap_or_default();
    scores
        .iter()
        .map(|score| characters[score.offset..score.offset + score.length].iter().collect())
        .collect()
}
