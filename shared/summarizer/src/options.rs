//! The options of a summary.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::budget::Budget;

/// The order of the chosen sentences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(default = "position")]
pub enum Sort {
    /// The order of the text.
    #[default]
    Position,
    /// The most important sentence first.
    Rank,
}

/// The options of a summary.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    pub budget: Budget,
    pub sort: Sort,
    /// The language as a BCP 47 tag, or `None` to detect it.
    pub language: Option<&'a str>,
    /// What the reader wants to know. Sentences about it are preferred.
    pub focus: Option<&'a str>,
    /// Whether the text is Markdown.
    pub markdown: bool,
    /// Whether the summary lists keywords.
    pub keywords: bool,
    /// Whether the summary lists the scores of all sentences.
    pub scores: bool,
}
