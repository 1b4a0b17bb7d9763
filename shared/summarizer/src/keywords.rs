//! Keywords and key phrases. They are the most important stems of a text. Stems that mostly occur
//! together make a phrase.
//!
//! Candidates are runs of content words between stop words and punctuation, as in RAKE (Rose et al.
//! 2010). They have the same weights as in the ranking of sentences.

use foldhash::{HashMap, HashMapExt};

use super::words::Lexicon;

/// The most content words of a phrase.
const LONGEST: usize = 3;
/// How often a phrase must occur in the text.
const TIMES: u32 = 2;

/// The most important words and phrases, at most `most` of them. A stem is in only one of them.
pub(super) fn keywords(lexicon: &Lexicon<'_>, most: usize) -> Vec<String> {
    let importance = |stem: u32| f64::from(lexicon.frequency[stem as usize]) * lexicon.weight[stem as usize];
    let mut candidates: Vec<(f64, Vec<u32>, &str)> = phrases(lexicon)
        .into_iter()
        .filter(|(stems, (times, _))| {
            // At least half of the occurrences of its rarest word are in this phrase.
            let rarest = stems.iter().map(|stem| lexicon.frequency[*stem as usize]).min().unwrap_or(0);
            *times >= TIMES && times * 2 >= rarest
        })
        .map(|(stems, (times, written))| {
            let most = stems.iter().map(|stem| importance(*stem)).fold(0.0, f64::max);
            (most * (1.0 + 0.1 * f64::from(times.min(10))), stems, written)
        })
        .collect();
    // Words that occur once are keywords only if no word of the text occurs again.
    let again = u32::from(lexicon.frequency.iter().any(|times| *times >= TIMES)) + 1;
    candidates.extend((0u32..).zip(&lexicon.surface).filter_map(|(stem, written)| {
        let is_word = written.chars().count() > 2 || !written.is_ascii();
        let often = lexicon.frequency[stem as usize] >= again;
        (is_word && often && written.contains(char::is_alphabetic)).then(|| (importance(stem), vec![stem], *written))
    }));
    candidates.retain(|(_, _, written)| !lexicon.is_broken(written));
    candidates.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut used = vec![false; lexicon.surface.len()];
    let mut keywords = Vec::new();
    for (_, stems, written) in candidates {
        if keywords.len() == most {
            break;
        }
        if stems.iter().any(|stem| used[*stem as usize]) {
            continue;
        }
        for stem in &stems {
            used[*stem as usize] = true;
        }
        keywords.push(written.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    keywords
}

/// Runs of two and more content words, with how often each occurs and how it is first written.
fn phrases<'a>(lexicon: &Lexicon<'a>) -> HashMap<Vec<u32>, (u32, &'a str)> {
    let mut phrases: HashMap<Vec<u32>, (u32, &'a str)> = HashMap::new();
    for sentence in 0..lexicon.len() {
        let tokens = lexicon.tokens(sentence);
        for start in 0..tokens.len() {
            let run = 1 + tokens[start + 1..]
                .iter()
                .take(LONGEST - 1)
                .take_while(|token| token.follows)
                .count();
            for length in 2..=run {
                let stems = tokens[start..start + length].iter().map(|token| token.stem).collect();
                let written = lexicon.written(sentence, tokens[start], tokens[start + length - 1]);
                phrases.entry(stems).or_insert((0, written)).0 += 1;
            }
        }
    }
    phrases
}
