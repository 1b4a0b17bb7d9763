//! The text engine: picks the sentences that say most, word for word, within a hard budget.
//!
//! Pure: no I/O, no clock, no randomness. The same input gives the same output on every machine.
//!
//! The way of a text: `language`, then `structure` or `markup` (blocks no sentence crosses) ->
//! `segment` (sentences) -> `words` and `stems` (weights) -> `features` -> `rank` -> `focus` if asked
//! -> `select`.

mod budget;
mod features;
mod focus;
mod keywords;
mod language;
mod markup;
mod rank;
mod segment;
mod select;
mod stems;
mod structure;
mod words;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use budget::{Budget, Lengths, NotOneLength};
use features::Features;
use language::Language;
use structure::Structure;
use words::Lexicon;

/// The name and version a result is made by. Part of the cache key of a result.
pub const ENGINE: &str = concat!("summarease/", env!("CARGO_PKG_VERSION"));

const KEYWORDS: usize = 10;

/// The order of the chosen sentences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// As in the text.
    #[default]
    Position,
    /// The most telling first.
    Rank,
}

/// What to make of a text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    pub budget: Budget,
    pub sort: Sort,
    /// A BCP 47 tag, or `None` to detect the language.
    pub language: Option<&'a str>,
    /// What the reader wants to know: sentences that have to do with it come first.
    pub focus: Option<&'a str>,
    /// Whether the text is Markdown.
    pub markdown: bool,
    /// Whether to list keywords.
    pub keywords: bool,
    /// Whether to score every sentence, chosen or not.
    pub scores: bool,
}

/// A finished summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = SummaryText)]
pub struct Summary {
    /// The chosen sentences, joined by single spaces, runs of white space folded.
    pub text: String,
    pub sentences: Vec<Sentence>,
    /// Most telling first. Present if asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub keywords: Option<Vec<String>>,
    /// Every sentence of the text in its order. Present if asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scores: Option<Vec<Score>>,
    /// BCP 47 tag of the language used for stems and stop words; `und` if unknown.
    pub language: String,
    /// Name and version of the engine.
    #[schema(examples("summarease/0.2.0"))]
    pub engine: String,
    /// Size of the text.
    pub input: Size,
    /// Size of the summary.
    pub output: Size,
    #[schema(inline)]
    pub truncation: Truncation,
}

/// A chosen sentence. `text == input[offset..offset + length]`, counted in Unicode scalar values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sentence {
    /// Verbatim, with the white space it had.
    pub text: String,
    #[serde(flatten)]
    pub score: Score,
}

/// Where a sentence stands in the text and how telling it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Score {
    /// Start in the text, in Unicode scalar values from 0.
    pub offset: usize,
    /// Length in Unicode scalar values.
    pub length: usize,
    /// Higher is more telling; comparable within one text only.
    pub score: f64,
    /// 1 is the most telling sentence of the text.
    pub rank: usize,
}

/// How large a text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Size {
    /// Unicode scalar values.
    pub characters: usize,
    /// Words as Unicode counts them (UAX #29).
    pub words: usize,
    pub sentences: usize,
}

/// Whether a sentence had to be cut because the budget is smaller than any whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Truncation {
    /// Every sentence is whole.
    None,
    /// The only sentence ends at the last word that fits.
    Word,
    /// The only sentence ends inside its first word.
    Character,
}

/// There is nothing to summarise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSentence {
    /// No letter or digit.
    #[error("the text has no sentence: no letter or digit outside of markup")]
    Blank,
    /// Code, tables, data or logs, and not a line of prose.
    #[error("the text has no sentence: it is all code, tables or logs")]
    OnlyCode,
}

/// Summarises `text`.
///
/// # Errors
/// If the text holds no sentence.
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

/// White space, and what takes no room and tells nothing: controls, byte order marks, zero-width spaces.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{2060}' | '\u{00ad}')
}

#[cfg(test)]
mod tests;
