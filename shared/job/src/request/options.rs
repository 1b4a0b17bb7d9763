//! The choices that a submission offers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the text is marked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Plain text.
    #[default]
    Text,
    /// CommonMark.
    Markdown,
}

/// How the summary is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Picks whole sentences of the text, word for word.
    #[default]
    Extractive,
    /// Leaves the choice to the service.
    Auto,
}

/// How urgent the job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Someone is waiting; for tenants on the `pro` plan.
    Express,
    /// The usual.
    #[default]
    Standard,
    /// Nobody is waiting.
    Bulk,
}

/// What the result holds besides the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Include {
    /// Keywords of the whole text.
    Keywords,
    /// Score and rank of every sentence, chosen or not.
    Scores,
}
