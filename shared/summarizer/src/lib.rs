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
mod steps;
mod structure;
mod summary;
mod weights;
mod words;

#[cfg(test)]
mod tests;

pub use budget::{Budget, Lengths, NotOneLength};
pub use options::{Options, Sort};
pub use summary::{NoSummary, Score, Sentence, Size, Summary, Truncation};

use block::Structure;
use features::Features;
use language::Language;
use steps::Steps;
use words::Lexicon;

/// The name and version of the engine. It is part of the fingerprint of a submission.
pub const ENGINE: &str = concat!("summarease/", env!("CARGO_PKG_VERSION"));

/// The most keywords of a summary.
const KEYWORDS: usize = 10;

/// Summarises `text`.
///
/// # Errors
/// If the text has no sentence.
pub fn summarize(text: &str, options: &Options<'_>) -> Result<Summary, NoSummary> {
    summarize_while(text, options, &|| true)
}

/// Summarises `text` as long as `may_go_on` returns true. The engine asks it between its steps: for
/// each line, block, sentence and candidate. A caller who returns false from some moment on thereby
/// bounds the time of the engine.
///
/// The longest step is to read one paragraph of Markdown. For a hostile paragraph of 4 MiB it takes
/// about three CPU seconds. Every other step takes well below one.
///
/// # Errors
/// If the text has no sentence, or if the engine was stopped.
pub fn summarize_while(text: &str, options: &Options<'_>, may_go_on: &dyn Fn() -> bool) -> Result<Summary, NoSummary> {
    let steps = Steps::new(may_go_on);
    let language = options.language.map_or_else(|| Language::detect(text), Language::from_tag);
    let Structure { blocks, has_code } = if options.markdown {
        markup::markdown(text, &steps)?
    } else {
        structure::plain(text, language, &steps)?
    };
    let units = segment::sentences(text, &blocks, language, &steps)?;
    if units.is_empty() {
        return Err(if has_code { NoSummary::OnlyCode } else { NoSummary::Blank });
    }
    let lexicon = Lexicon::build(&units, language, &steps)?;
    let mut scratch = String::new();
    let mut features = Vec::with_capacity(units.len());
    for unit in &units {
        steps.next()?;
        features.push(Features::read(unit, language, &mut scratch));
    }
    let mut values = rank::salience(&units, &features, &lexicon, options.budget);
    if let Some(query) = options.focus {
        focus::apply(query, &units, &lexicon, &mut values);
    }
    steps.next()?;
    let scores = rank::ranked(&units, &values);
    steps.next()?;
    let input = Size {
        characters: text.chars().count(),
        words: words::count(text),
        sentences: units.len(),
    };
    let selection = select::select(&units, &features, &scores, &lexicon, options, input.characters, &steps)?;
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
