//! The options of a submission that have a fixed set of values.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The format of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(default = "text")]
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
#[schema(default = "extractive")]
pub enum Method {
    /// The summary consists of whole sentences of the text, word for word.
    #[default]
    Extractive,
    /// The service chooses the method.
    Auto,
}

/// How urgent the job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(default = "standard")]
pub enum Priority {
    /// Someone waits for the summary. Only for tenants on the plans `pro` and `enterprise`. Other
    /// tenants get `standard`.
    Express,
    /// The usual priority.
    #[default]
    Standard,
    /// Nobody waits for the summary.
    Bulk,
}

/// What the result contains besides the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Include {
    /// The keywords of the whole text.
    Keywords,
    /// The score and the rank of every sentence of the text.
    Scores,
}
