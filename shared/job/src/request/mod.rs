//! What a client may ask for: the request body, read into types that cannot hold a wrong value.

mod explain;
mod focus;
mod language_tag;
mod length;
mod limits;
mod metadata;
mod options;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use summarizer::{Budget, Sort};

pub use explain::{InvalidField, SubmissionError};
pub use focus::{Focus, InvalidFocus};
pub use language_tag::{InvalidLanguageTag, LanguageTag};
pub use length::{InvalidLength, Length};
pub use limits::Limits;
pub use metadata::{InvalidMetadata, Metadata};
pub use options::{Format, Include, Method, Priority};

use explain::{explain, malformed, pointer_token};

/// The body of `POST /v1/summaries`.
//
// Its values are not checked yet.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SummaryRequest)]
pub struct Submission {
    /// The text to summarise: UTF-8, 1 byte to 4 MiB, at least one letter or digit, no U+0000.
    #[schema(min_length = 1, max_length = 4_194_304)]
    pub text: String,
    #[serde(default)]
    #[schema(inline, default = "text")]
    pub format: Format,
    #[serde(default)]
    pub length: Budget,
    #[serde(default)]
    #[schema(inline, default = "extractive")]
    pub method: Method,
    #[serde(default)]
    #[schema(inline, default = "position")]
    pub sort: Sort,
    /// What the result holds besides the summary.
    #[serde(default)]
    #[schema(inline)]
    pub include: Vec<Include>,
    #[serde(default)]
    #[schema(inline, default = "standard")]
    pub priority: Priority,
    /// `auto`, or the text's language as a BCP 47 tag such as `de` or `pt-BR`.
    #[serde(default = "auto")]
    #[schema(default = "auto")]
    pub language: String,
    /// A question or some words: sentences that have to do with them come first. 1 to 500 characters,
    /// at least one letter or digit.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    pub focus: Option<String>,
    /// Up to 16 strings of your own, returned with the summary. Keys up to 64, values up to 512 characters.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// A checked submission without its text: what is queued, archived and echoed to the client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RequestOptions {
    #[schema(inline)]
    pub format: Format,
    #[schema(value_type = Budget)]
    pub length: Length,
    #[schema(inline)]
    pub method: Method,
    #[schema(inline)]
    pub sort: Sort,
    #[schema(inline)]
    pub include: Vec<Include>,
    #[schema(inline)]
    pub priority: Priority,
    #[schema(value_type = String)]
    pub language: LanguageTag,
    /// Absent if none was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub focus: Option<Focus>,
    #[schema(value_type = BTreeMap<String, String>)]
    pub metadata: Metadata,
}

fn auto() -> String {
    "auto".to_owned()
}

impl Submission {
    /// Reads and checks a request body; returns the text and the options for it.
    ///
    /// # Errors
    /// [`SubmissionError::Malformed`] for anything but JSON in UTF-8, else every bad field at once
    /// (only the first one where the shape itself is wrong).
    pub fn parse(body: &[u8]) -> Result<(String, RequestOptions), SubmissionError> {
        let body = std::str::from_utf8(body).map_err(|error| {
            let at = error.valid_up_to();
            SubmissionError::Malformed(format!("The body is not UTF-8: byte {at} starts no character. Send UTF-8."))
        })?;
        let mut json = serde_json::Deserializer::from_str(body);
        let submission: Self = serde_path_to_error::deserialize(&mut json).map_err(|error| explain(&error))?;
        json.end().map_err(|error| malformed(&error))?;
        submission.check()
    }

    /// Checks every value; all that is wrong is reported at once.
    fn check(mut self) -> Result<(String, RequestOptions), SubmissionError> {
        let mut refused = Refused::default();
        if let Some(detail) = wrong_with(&self.text) {
            refused.field("#/text", detail);
        }
        let length = refused.unless(Length::try_from(self.length), |error| format!("#/length/{}", error.unit));
        let language = refused.unless(LanguageTag::try_from(self.language), |_| "#/language".to_owned());
        let focus = refused.unless(self.focus.map(Focus::try_from).transpose(), |_| "#/focus".to_owned());
        let metadata = Metadata::try_from(self.metadata).unwrap_or_else(|errors| {
            for error in errors {
                let pointer = match &error {
                    InvalidMetadata::TooMany(_) => "#/metadata".to_owned(),
                    InvalidMetadata::Entry(key) => format!("#/metadata/{}", pointer_token(key)),
                };
                refused.field(pointer, error.to_string());
            }
            Metadata::default()
        });
        self.include.sort_by_key(|include| *include as u8);
        self.include.dedup();
        let options = RequestOptions {
            format: self.format,
            length,
            method: self.method,
            sort: self.sort,
            include: self.include,
            priority: self.priority,
            language,
            focus,
            metadata,
        };
        refused.or((self.text, options))
    }
}

/// The fields that are refused so far.
#[derive(Default)]
struct Refused(Vec<InvalidField>);

impl Refused {
    fn field(&mut self, pointer: impl Into<String>, detail: String) {
        let pointer = pointer.into();
        self.0.push(InvalidField { pointer, detail });
    }

    /// The value; or, after noting the error, a value that stands in for it while the rest is checked.
    fn unless<T: Default, E: std::fmt::Display>(&mut self, value: Result<T, E>, pointer: impl FnOnce(&E) -> String) -> T {
        value.unwrap_or_else(|error| {
            self.field(pointer(&error), error.to_string());
            T::default()
        })
    }

    fn or<T>(self, checked: T) -> Result<T, SubmissionError> {
        if self.0.is_empty() {
            Ok(checked)
        } else {
            Err(SubmissionError::Invalid(self.0))
        }
    }
}

/// What is wrong with a text, if something is.
fn wrong_with(text: &str) -> Option<String> {
    if text.len() > Limits::TEXT_BYTES {
        let (bytes, most) = (text.len(), Limits::TEXT_BYTES);
        return Some(format!("is {bytes} bytes long; at most {most} are allowed. Split the document."));
    }
    if !text.contains(char::is_alphanumeric) {
        return Some("has no letter or digit; send a text with at least one sentence.".to_owned());
    }
    let at = text.chars().position(|c| c == '\0')?;
    Some(format!("has U+0000 at character {at}; is it binary? Send text without it."))
}
