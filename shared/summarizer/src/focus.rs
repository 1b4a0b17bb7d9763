//! How much each sentence has to do with a query: BM25, spread to its neighbours and from headings.

use super::{
    rank::standardised,
    segment::{Role, Unit},
    words::{Lexicon, real},
};

/// BM25's length normalisation (Robertson and Zaragoza 2009, §3.5); a stem counts once per sentence.
const NORMALISATION: f64 = 0.75;
const SATURATION: f64 = 1.2;
/// What a sentence gets of the relevance of each neighbour, and of its heading's.
const NEIGHBOUR: f64 = 0.25;
const HEADING: f64 = 0.5;
/// Weight of relevance beside that of salience.
const RELEVANCE: f64 = 4.0;
const SALIENCE: f64 = 0.25;

/// Mixes relevance to `query` into the scores. Without a word in common they stay as they are.
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
