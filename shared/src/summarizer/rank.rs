//! How telling each sentence is: linear in the words, no sentence-by-sentence graph.
//!
//! A sentence gains from words it shares with what follows (it introduces what the text is
//! about), from telling words, from standing early; it loses for being very short or long, a
//! question, a quotation, or an opener that leans on the sentence before it.

use super::{
    Score,
    segment::Unit,
    words::{Lexicon, real},
};

/// English openers that lean on the sentence before.
const LEANING: [&str; 32] = [
    "he",
    "she",
    "they",
    "it",
    "this",
    "that",
    "these",
    "those",
    "his",
    "her",
    "their",
    "its",
    "but",
    "and",
    "or",
    "so",
    "however",
    "then",
    "also",
    "yet",
    "still",
    "thus",
    "therefore",
    "instead",
    "meanwhile",
    "moreover",
    "furthermore",
    "nevertheless",
    "nonetheless",
    "besides",
    "otherwise",
    "such",
];

/// Scores every sentence, in document order.
pub(super) fn rank(units: &[Unit<'_>], lexicon: &Lexicon) -> Vec<Score> {
    let sentences = real(units.len());
    let span = (sentences - 1.0).max(1.0);
    let (forward, backward) = shared_words(lexicon);
    let (forward, backward) = (standardised(&forward), standardised(&backward));
    let central = standardised(&central_words(lexicon, sentences));
    let mut scores: Vec<Score> = units
        .iter()
        .enumerate()
        .map(|(i, unit)| {
            let at = real(i);
            let (words, content) = lexicon.counts[i];
            let words = real(words.max(1));
            let mut score = forward[i] - 0.2 * backward[i] + 1.3 * central[i];
            score += -1.4 * (1.0 + at).ln() / 61f64.ln() + 0.2 * (-at / 3.0).exp() - 0.2 * at / span;
            score += -0.6 * (1.0 + words).ln() - (words - 35.0).max(0.0) / 20.0;
            score -= if words < 5.0 {
                4.6
            } else if words < 8.0 {
                1.5
            } else {
                0.0
            };
            score += 2.8 * (1.0 - real(content) / words);
            score += manner(unit.text);
            // Six decimals: the same on every machine, whatever the last bit of a logarithm is.
            Score {
                offset: unit.offset,
                length: unit.length,
                score: (score * 1e6).round() / 1e6,
                rank: 0,
            }
        })
        .collect();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| {
        let (heading_a, heading_b) = (units[*a].heading, units[*b].heading);
        heading_a
            .cmp(&heading_b)
            .then(scores[*b].score.total_cmp(&scores[*a].score))
            .then(a.cmp(b))
    });
    for (rank, i) in order.into_iter().enumerate() {
        scores[i].rank = rank + 1;
    }
    scores
}

/// Marks for how a sentence is written, from its first word to its last character.
fn manner(text: &str) -> f64 {
    let first: String = text
        .split(|c: char| !c.is_alphanumeric())
        .find(|word| !word.is_empty())
        .unwrap_or_default()
        .to_lowercase();
    let starts_quoted = text.starts_with(['"', '\'', '“', '‘', '«', '„']);
    let mut score = 0.0;
    score += if text.ends_with(['.', '!', '?', '"', '”', '»', ')', '…', '。', '।', '؟', '۔']) {
        0.9
    } else {
        0.0
    };
    score -= if starts_quoted { 0.8 } else { 0.0 };
    score -= if text.ends_with(['?', '？', '؟']) { 1.0 } else { 0.0 };
    score -= if LEANING.contains(&first.as_str()) { 1.5 } else { 0.0 };
    score -= if text.contains(':') { 1.5 } else { 0.0 };
    score
}

/// Per sentence: mean cosine with all later and with all earlier ones.
fn shared_words(lexicon: &Lexicon) -> (Vec<f64>, Vec<f64>) {
    let backward = running_cosine(lexicon, lexicon.vectors.iter());
    let mut forward = running_cosine(lexicon, lexicon.vectors.iter().rev());
    forward.reverse();
    (forward, backward)
}

/// Cosine of each vector with the sum of those before it in the walk, divided by their greatest number.
fn running_cosine<'a>(lexicon: &Lexicon, walk: impl Iterator<Item = &'a Vec<(u32, f64)>>) -> Vec<f64> {
    let span = real(lexicon.vectors.len().saturating_sub(1).max(1));
    let mut sum = vec![0.0; lexicon.weight.len()];
    walk.map(|vector| {
        let dot: f64 = vector.iter().map(|(id, x)| x * sum[*id as usize]).sum();
        for (id, x) in vector {
            sum[*id as usize] += x;
        }
        dot / span
    })
    .collect()
}

/// Per sentence: how much its words are those of the whole text.
fn central_words(lexicon: &Lexicon, sentences: f64) -> Vec<f64> {
    let told = |id: u32| lexicon.weight[id as usize].powi(2) * f64::from(lexicon.frequency[id as usize]) / sentences;
    lexicon
        .vectors
        .iter()
        .map(|vector| (1.0 + vector.iter().map(|(id, _)| told(*id)).sum::<f64>()).ln())
        .collect()
}

/// z-scores, clipped to ±3; all zero where nothing varies.
fn standardised(values: &[f64]) -> Vec<f64> {
    let count = real(values.len().max(1));
    let mean = values.iter().sum::<f64>() / count;
    let deviation = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
    values
        .iter()
        .map(|x| {
            if deviation > 1e-12 {
                ((x - mean) / deviation).clamp(-3.0, 3.0)
            } else {
                0.0
            }
        })
        .collect()
}
