//! The result of the engine, and the reasons why there may be none.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = SummaryText)]
pub struct Summary {
    /// The chosen sentences as a reader should see them. They are joined by single spaces, without
    /// markup, and runs of white space are one space.
    pub text: String,
    /// The chosen sentences as they are in the text.
    pub sentences: Vec<Sentence>,
    /// The most important keyword first. Present if asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub keywords: Option<Vec<String>>,
    /// The score of every sentence of the text, in the order of the text. Present if asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scores: Option<Vec<Score>>,
    /// The language that was used for stems and stop words, as a BCP 47 tag. `und` means unknown.
    pub language: String,
    /// The name and version of the engine.
    #[schema(examples("summarease/0.2.0"))]
    pub engine: String,
    /// The size of the text.
    pub input: Size,
    /// The size of the summary.
    pub output: Size,
    #[schema(inline)]
    pub truncation: Truncation,
}

/// A chosen sentence. Its `text` is `input[offset..offset + length]`, counted in Unicode scalar
/// values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sentence {
    /// The sentence as it is in the text, with its white space.
    pub text: String,
    #[serde(flatten)]
    pub score: Score,
}

/// The place of a sentence in the text, and its importance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Score {
    /// The start of the sentence in the text, in Unicode scalar values from 0.
    pub offset: usize,
    /// The length of the sentence in Unicode scalar values.
    pub length: usize,
    /// The importance of the sentence. Scores can be compared within one text only.
    pub score: f64,
    /// The rank of the sentence in the text. The most important sentence has rank 1.
    pub rank: usize,
}

/// The size of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Size {
    /// The number of Unicode scalar values.
    pub characters: usize,
    /// The number of words as Unicode defines them (UAX #29).
    pub words: usize,
    /// The number of sentences.
    pub sentences: usize,
}

/// Whether a sentence was cut because no whole sentence fits into the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Truncation {
    /// Every sentence is whole.
    None,
    /// The only sentence was cut after a word. It ends at the end of a clause if that keeps at
    /// least two thirds of the words that fit, and otherwise at the last word that fits.
    Word,
    /// The only sentence was cut inside its first word.
    Character,
}

/// Why there is no summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSummary {
    /// The text has no letter or digit outside of markup.
    #[error("the text has no sentence, because it has no letter or digit outside of markup")]
    Blank,
    /// The text consists of code, tables, data or logs only.
    #[error("the text has no sentence, because it consists of code, tables, data or logs only")]
    OnlyCode,
    /// The caller stopped the engine.
    #[error("the engine was stopped before the summary was ready")]
    Stopped,
}
