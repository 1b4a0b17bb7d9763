//! The result, and why there may be none.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
