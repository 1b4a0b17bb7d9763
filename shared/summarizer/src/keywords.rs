//! Keywords and key phrases: the stems that tell most, as phrases where they mostly stand together.
//!
//! Candidates are runs of content words between stop words and punctuation, as in RAKE (Rose et al.
//! 2010), weighed by the same numbers as the sentences.

use foldhash::{HashMap, HashMapExt};

use super::words::Lexicon;

/// Most content words of a phrase.
const LONGEST: usize = 3;
/// A phrase must stand in the text this often.
const TIMES: u32 = 2;

/// The `most` words and phrases that tell most, each stem in one of them only.
pub(super) fn keywords(lexicon: &Lexicon<'_>, most: usize) -> Vec<String> {
    let told = |stem: u32| f64::from(lexicon.frequency[stem as usize]) * lexicon.weight[stem as usize];
    let mut candidates: Vec<(f64, Vec<u32>, &str)> = phrases(lexicon)
        .into_iter()
        .filter(|(stems, (times, _))| {
            // The rarer of its words hardly stands without it.
            let rarest = stems.iter().map(|stem| lexicon.frequency[*stem as usize]).min().unwrap_or(0);
            *times >= TIMES && times * 2 >= rarest
        })
        .map(|(stems, (times, written))| {
            let most = stems.iter().map(|stem| told(*stem)).fold(0.0, f64::max);
            (most * (1.0 + 0.1 * f64::from(times.min(10))), stems, written)
        })
        .collect();
    // Words that come up once are keywords of a text only if none comes up again.
    let again = u32::from(lexicon.frequency.iter().any(|times| *times >= TIMES)) + 1;
    candidates.extend((0u32..).zip(&lexicon.surface).filter_map(|(stem, written)| {
        let tells = written.chars().count() > 2 || !written.is_ascii();
        let often = lexicon.frequency[stem as usize] >= again;
        (tells && often && written.contains(char::is_alphabetic)).then(|| (told(stem), vec![stem], *written))
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

/// Runs of two and more content words: how often they stand, and how they are written first.
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
