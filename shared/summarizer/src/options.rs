//! What to make of a text.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::budget::Budget;

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
