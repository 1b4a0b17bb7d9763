//! The engine that summarises a text. It chooses the most important sentences, word for word, and
//! never exceeds the length that was asked for.
//!
//! This crate is pure: it has no I/O, no clock and no randomness. The same input gives the same
//! output on every machine.
//!
//! A text goes through these modules: `language`, then `structure` or `markup` (blocks that no
//! sentence crosses), `segment` (sentences), `words` and `stems` (weights of words), `features`,
//! `rank`, `focus` if a focus is given, and `select`.

mod block;
mod budget;
mod characters;
mod features;
mod focus;
mod keywords;
mod language;
mod markup;
mod options;
mod rank;
mod segment;
mod select;
mod shown;
mod stems;
mod structure;
mod summary;
mod weights;
mod words;

#[cfg(test)]
mod tests;

pub use budget::{Budget, Lengths, NotOneLength};
pub use options::{Options, Sort};
pub use summary::{NoSentence, Score, Sentence, Size, Summary, Truncation};

use block::Structure;
use features::Features;
use language::Language;
use words::Lexicon;

/// The name and version of the engine. It is part of the fingerprint of a submission.
pub const ENGINE: &str = concat!("summarease/", env!("CARGO_PKG_VERSION"));

/// The most keywords of a summary.
const KEYWORDS: usize = 10;

/// Summarises `text`.
///
/// # Errors
/// If the text has no sentence.
pub fn summarize(text: &str, options: &Options<'_>) -> Result<Summary, NoSentence> {
    let language = options.language.map_or_else(|| Language::detect(text), Language::from_tag);
    let Structure { blocks, has_code } = if options.markdown {
        markup::markdown(text)
    } else {
        structure::plain(text, language)
    };
    let units = segment::sentences(text, &blocks, language);
    if units.is_empty() {
        return Err(if has_code { NoSentence::OnlyCode } else { NoSentence::Blank });
    }
    let lexicon = Lexicon::build(&units, language);
    let mut scratch = String::new();
    let features: Vec<Features> = units.iter().map(|unit| Features::read(unit, language, &mut scratch)).collect();
    let mut values = rank::salience(&units, &features, &lexicon, options.budget);
    if let Some(query) = options.focus {
        focus::apply(query, &units, &lexicon, &mut values);
    }
    let scores = rank::ranked(&units, &values);
    let input = Size {
        characters: text.chars().count(),
        words: words::count(text),
        sentences: units.len(),
    };
    let selection = select::select(&units, &features, &scores, &lexicon, options, input.characters);
    Ok(Summary {
        output: Size {
            characters: selection.text.chars().count(),
            words: words::count(&selection.text),
            sentences: selection.sentences.len(),
        },
        text: selection.text,
        sentences: selection.sentences,
        keywords: options.keywords.then(|| keywords::keywords(&lexicon, KEYWORDS)),
        scores: options.scores.then_some(scores),
        language: language.tag.to_owned(),
        engine: ENGINE.to_owned(),
        input,
        truncation: selection.truncation,
    })
}
