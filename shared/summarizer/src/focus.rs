//! The relevance of each sentence to a query. It is the BM25 score of the sentence, with shares of
//! those of its neighbours and of its heading.

use super::{
    rank::standardised,
    segment::{Role, Unit},
    words::{Lexicon, real},
};

/// The length normalisation `b` of BM25 (Robertson and Zaragoza 2009, §3.5).
const NORMALISATION: f64 = 0.75;
/// The saturation `k1` of BM25. A stem counts once per sentence.
const SATURATION: f64 = 1.2;
/// The share that a sentence gets of the relevance of each neighbour in its paragraph.
const NEIGHBOUR: f64 = 0.25;
/// The share that a sentence gets of the relevance of its heading.
const HEADING: f64 = 0.5;
/// The weight of relevance in the score.
const RELEVANCE: f64 = 4.0;
/// The weight of salience in the score.
const SALIENCE: f64 = 0.25;

/// Adds the relevance to `query` to the scores. If the query and the text have no word in common,
/// the scores are not changed.
pub(super) fn apply(query: &str, units: &[Unit<'_>], lexicon: &Lexicon<'_>, scores: &mut [f64]) {
    let stems = lexicon.known_stems(query);
    if stems.is_empty() {
        return;
    }
    let own = relevance(&stems, lexicon);
    let mut heading = 0.0;
    let spread: Vec<f64> = (0..units.len())
        .map(|i| {
            if units[i].role == Role::Heading {
                heading = own[i];
            }
            let near = |at: Option<usize>| {
                at.filter(|at| units.get(*at).is_some_and(|unit| unit.paragraph == units[i].paragraph))
                    .map_or(0.0, |at| own[at])
            };
            own[i] + NEIGHBOUR * (near(i.checked_sub(1)) + near(Some(i + 1))) + HEADING * heading
        })
        .collect();
    let salience = standardised(scores.to_vec());
    let most = spread.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    for (i, score) in scores.iter_mut().enumerate() {
        *score = SALIENCE * salience[i] + RELEVANCE * spread[i] / most;
    }
}

fn relevance(query: &[u32], lexicon: &Lexicon<'_>) -> Vec<f64> {
    let sentences = real(lexicon.len());
    let mean = (lexicon.tallies.iter().map(|tally| tally.content).sum::<f64>() / sentences).max(1.0);
    (0..lexicon.len())
        .map(|i| {
            let length = 1.0 - NORMALISATION + NORMALISATION * lexicon.tallies[i].content / mean;
            let vector = lexicon.vector(i);
            query
                .iter()
                .filter(|stem| vector.binary_search_by_key(*stem, |(stem, _)| *stem).is_ok())
                .map(|stem| {
                    let frequency = f64::from(lexicon.frequency[*stem as usize]);
                    let rarity = (1.0 + (sentences - frequency + 0.5) / (frequency + 0.5)).ln();
                    rarity * (SATURATION + 1.0) / (1.0 + SATURATION * length)
                })
                .sum()
        })
        .collect()
}
