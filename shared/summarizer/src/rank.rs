//! Scores the importance of each sentence. The time is linear in the number of words, because
//! sentences are not compared in pairs.
//!
//! A sentence gains if it shares words with later sentences, if its words are important for the
//! text, if it is early in the text, and if a phrase announces something important. It loses if it
//! is very short or long, if it is a question or a quotation, and if it is a dependent sentence. In
//! long documents the weights are different: the end counts less, and repeated pairs of words
//! count.

use foldhash::{HashMap, HashMapExt};

use super::{
    budget::Budget,
    features::Features,
    language::Opener,
    segment::{Role, Unit},
    summary::Score,
    weights::{
        CAPITALS, CENTRAL, CITATION, COLON, CUE, DEPENDENT, DUPLICATE, EARLY, END_MARK, FIRST, FIRST_PERSON, FUNCTION_WORDS,
        INSIDE_PARAGRAPH, INTRODUCES, LATE, LIKE_EARLIER, LIKE_LATER, LIKE_TITLE, LONG, OVERLONG, QUESTION, QUOTED, REPEATED_PAIRS, SHORT,
        SIZE, SIZE_IN_BUDGET, STIGMA, VERY_SHORT,
    },
    words::{Lexicon, real},
};

/// How much the weights for long documents count, from 0 (short document) to 1 (long document).
pub(super) fn long_share(sentences: usize) -> f64 {
    ((real(sentences.max(1)).ln() - LONG.0.ln()) / (LONG.1.ln() - LONG.0.ln())).clamp(0.0, 1.0)
}

/// The importance of each sentence, in the order of the document.
pub(super) fn salience(units: &[Unit<'_>], features: &[Features], lexicon: &Lexicon<'_>, budget: Budget) -> Vec<f64> {
    let span = (real(units.len()) - 1.0).max(1.0);
    let long = long_share(units.len());
    let (forward, backward) = shared_words(lexicon);
    let (forward, backward) = (standardised(forward), standardised(backward));
    let central = standardised(central_words(lexicon));
    let intro = standardised(introduced_words(units, lexicon));
    let pairs = if long > 0.0 {
        standardised(repeated_pairs(lexicon))
    } else {
        vec![0.0; units.len()]
    };
    let titled = likeness_to_title(units, lexicon);
    let mut seen = HashMap::new();
    // The number of sentences before this one, without titles and bylines.
    let mut before = 0usize;
    let (mut paragraph, mut inside) = (usize::MAX, 0usize);
    (0..units.len())
        .map(|i| {
            let (tally, sign, at) = (lexicon.tallies[i], &features[i], real(before));
            before += usize::from(units[i].role != Role::Heading && !sign.furniture);
            inside = if units[i].paragraph == paragraph { inside + 1 } else { 0 };
            paragraph = units[i].paragraph;
            let words = tally.words.max(1.0);
            let size = (1.0 + words).ln();
            let early = -(1.0 + at).ln() / 61f64.ln();
            let first = (-at / 3.0).exp();
            let late = at / span;

            let mut score = LIKE_LATER.always * forward[i]
                + LIKE_EARLIER.always * backward[i]
                + CENTRAL.always * central[i]
                + INTRODUCES.always * intro[i];
            score += EARLY.always * early + FIRST.always * first + LATE.always * late;
            score += SIZE.always * size + OVERLONG.always * ((words - 35.0).max(0.0) / 20.0);
            score += VERY_SHORT.always * flag(words < 5.0) + SHORT.always * flag(words < 8.0);
            score += FUNCTION_WORDS.always * (1.0 - tally.content / words) + CAPITALS.always * tally.capitals / words;
            score += END_MARK.always * flag(sign.has_end_mark)
                + QUOTED.always * flag(sign.quoted)
                + QUESTION.always * flag(sign.question)
                + COLON.always * flag(sign.colon);
            score += DEPENDENT.always * flag(sign.opener != Opener::Plain) + FIRST_PERSON.always * (tally.first_person / words);
            score += CUE.always * sign.cues + STIGMA.always * sign.stigmas + CITATION.always * sign.citations;
            score += DUPLICATE.always * flag(seen.insert(tally.fingerprint, i).is_some());
            score += LIKE_TITLE.always * titled[i];
            score += long
                * (FIRST.long * first
                    + EARLY.long * early
                    + LATE.long * late
                    + LIKE_LATER.long * forward[i]
                    + LIKE_EARLIER.long * backward[i]
                    + CENTRAL.long * central[i]
                    + REPEATED_PAIRS.long * pairs[i]
                    + SIZE.long * size
                    + INSIDE_PARAGRAPH.long * (1.0 + real(inside)).ln());
            if !matches!(budget, Budget::Sentences(_)) {
                score += SIZE_IN_BUDGET.always * size;
            }
            score
        })
        .collect()
}

/// The scores with their ranks. Headings have the last ranks.
pub(super) fn ranked(units: &[Unit<'_>], values: &[f64]) -> Vec<Score> {
    let mut scores: Vec<Score> = units
        .iter()
        .zip(values)
        // Scores are rounded to six decimals, because the last bits of a logarithm may differ
        // between machines.
        .map(|(unit, value)| Score {
            offset: unit.offset,
            length: unit.length,
            score: (value * 1e6).round() / 1e6,
            rank: 0,
        })
        .collect();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| {
        let heading = |i: &usize| units[*i].role == Role::Heading;
        heading(a)
            .cmp(&heading(b))
            .then(scores[*b].score.total_cmp(&scores[*a].score))
            .then(a.cmp(b))
    });
    for (rank, i) in order.into_iter().enumerate() {
        scores[i].rank = rank + 1;
    }
    scores
}

fn flag(set: bool) -> f64 {
    f64::from(u8::from(set))
}

/// For each sentence, the cosine with the headings at the beginning of the text.
fn likeness_to_title(units: &[Unit<'_>], lexicon: &Lexicon<'_>) -> Vec<f64> {
    let mut title = vec![0.0; lexicon.weight.len()];
    let headings = units.iter().take_while(|unit| unit.role == Role::Heading).count();
    for i in 0..headings {
        for (stem, weight) in lexicon.vector(i) {
            title[*stem as usize] += weight / real(headings);
        }
    }
    let like = |i: usize| lexicon.vector(i).iter().map(|(stem, weight)| weight * title[*stem as usize]).sum();
    (0..units.len()).map(|i| if i < headings { 0.0 } else { like(i) }).collect()
}

/// For each sentence, the mean cosine with all later sentences, and with all earlier ones.
fn shared_words(lexicon: &Lexicon<'_>) -> (Vec<f64>, Vec<f64>) {
    let backward = running_cosine(lexicon, 0..lexicon.len());
    let mut forward = running_cosine(lexicon, (0..lexicon.len()).rev());
    forward.reverse();
    (forward, backward)
}

/// For each sentence, the product of its vector with the sum of those before it in `walk`, divided
/// by the number of all other sentences.
fn running_cosine(lexicon: &Lexicon<'_>, walk: impl Iterator<Item = usize>) -> Vec<f64> {
    let span = real(lexicon.len().saturating_sub(1).max(1));
    let mut sum = vec![0.0; lexicon.weight.len()];
    walk.map(|i| {
        let mut dot = 0.0;
        for (stem, weight) in lexicon.vector(i) {
            let sum = &mut sum[*stem as usize];
            dot += weight * *sum;
            *sum += weight;
        }
        dot / span
    })
    .collect()
}

/// For each sentence, how important its words are for the whole text.
fn central_words(lexicon: &Lexicon<'_>) -> Vec<f64> {
    let sentences = real(lexicon.len());
    let centrality: Vec<f64> = (0..lexicon.weight.len())
        .map(|stem| lexicon.weight[stem].powi(2) * f64::from(lexicon.frequency[stem]) / sentences)
        .collect();
    (0..lexicon.len())
        .map(|i| (1.0 + lexicon.vector(i).iter().map(|(stem, _)| centrality[*stem as usize]).sum::<f64>()).ln())
        .collect()
}

/// For each sentence, how many words that occur again it is the first to use.
fn introduced_words(units: &[Unit<'_>], lexicon: &Lexicon<'_>) -> Vec<f64> {
    let mut seen = vec![false; lexicon.weight.len()];
    (0..lexicon.len())
        .map(|i| {
            let vector = lexicon.vector(i);
            if units[i].role == Role::Heading {
                return 0.0;
            }
            let mut sum = 0.0;
            for (stem, _) in vector {
                let again = lexicon.frequency[*stem as usize];
                if !std::mem::replace(&mut seen[*stem as usize], true) && again > 1 {
                    sum += f64::from(again).ln();
                }
            }
            sum / (1.0 + real(vector.len()).sqrt())
        })
        .collect()
}

/// For each sentence, how many pairs of neighbouring stems also occur in other sentences.
fn repeated_pairs(lexicon: &Lexicon<'_>) -> Vec<f64> {
    let mut places: HashMap<(u32, u32), (usize, bool)> = HashMap::new();
    let pairs = |i: usize| lexicon.tokens(i).windows(2).map(|pair| (pair[0].stem, pair[1].stem));
    for i in 0..lexicon.len() {
        for pair in pairs(i) {
            let (place, repeated) = places.entry(pair).or_insert((i, false));
            *repeated |= *place != i;
        }
    }
    (0..lexicon.len())
        .map(|i| {
            let all = real(lexicon.tokens(i).len().saturating_sub(1).max(1));
            real(
                pairs(i)
                    .filter(|pair| places.get(pair).is_some_and(|(_, repeated)| *repeated))
                    .count(),
            ) / all.sqrt()
        })
        .collect()
}

/// The z-scores of values, limited to ±3. If all values are equal, they are zero.
pub(super) fn standardised(mut values: Vec<f64>) -> Vec<f64> {
    let count = real(values.len().max(1));
    let mean = values.iter().sum::<f64>() / count;
    let deviation = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
    for x in &mut values {
        *x = if deviation > 1e-12 {
            ((*x - mean) / deviation).clamp(-3.0, 3.0)
        } else {
            0.0
        };
    }
    values
}
