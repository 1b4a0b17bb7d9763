//! The request body of a submission. It is parsed into types that cannot contain a wrong value.

mod expiry;
mod explain;
mod focus;
mod language_tag;
mod length;
mod limits;
mod metadata;
mod object;
mod options;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use summarizer::{Budget, Sort};

pub use expiry::{ExpiresIn, InvalidDeadline, InvalidExpiresIn, RETENTION};
pub use explain::{InvalidField, SubmissionError, explained};
pub use focus::{Focus, InvalidFocus};
pub use language_tag::{InvalidLanguageTag, LanguageTag};
pub use length::{InvalidLength, Length};
pub use limits::Limits;
pub use metadata::{InvalidMetadata, Metadata};
pub use object::parse_object;
pub use options::{Format, Include, Method, Priority};

use explain::pointer_token;

/// The body of `POST /v1/summaries`.
//
// The values in it are not checked yet.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SummaryRequest)]
pub struct Submission {
    /// The text to summarise, in UTF-8. It has at most 4,194,304 bytes, at least one letter or digit,
    /// and no U+0000.
    #[schema(min_length = 1, max_length = 4_194_304)]
    pub text: String,
    #[serde(default)]
    #[schema(inline)]
    pub format: Format,
    #[serde(default)]
    #[schema(value_type = Length)]
    pub length: Budget,
    #[serde(default)]
    #[schema(inline)]
    pub method: Method,
    #[serde(default)]
    #[schema(inline)]
    pub sort: Sort,
    /// What the result contains besides the summary.
    #[serde(default)]
    #[schema(inline)]
    pub include: Vec<Include>,
    #[serde(default)]
    #[schema(inline)]
    pub priority: Priority,
    #[serde(default = "auto")]
    #[schema(value_type = LanguageTag, inline)]
    pub language: String,
    /// A question or some words. Sentences about them are preferred. It has 1 to 500 characters, at
    /// least one of them a letter or digit.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    pub focus: Option<String>,
    #[serde(default)]
    #[schema(value_type = Metadata, inline)]
    pub metadata: BTreeMap<String, String>,
    /// For how many seconds the finished job is kept: from 3,600 to 2,592,000 (30 days), which is also
    /// the value if it is absent. 0 means that nothing is kept after the answer. It is allowed only
    /// with the header `Prefer: wait=N`, and for texts of at most 32 KiB.
    #[serde(default)]
    #[schema(maximum = 2_592_000, examples(86_400))]
    pub expires_in: Option<u32>,
    /// A job that no worker has begun at this moment (RFC 3339) fails with the code `expired`. It is
    /// in the future, by ten days at most.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub deadline: Option<String>,
}

/// The options of a submission, checked and with their defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RequestOptions {
    #[schema(inline)]
    pub format: Format,
    pub length: Length,
    #[schema(inline)]
    pub method: Method,
    #[schema(inline)]
    pub sort: Sort,
    #[schema(inline)]
    pub include: Vec<Include>,
    #[schema(inline)]
    pub priority: Priority,
    #[schema(inline)]
    pub language: LanguageTag,
    /// The focus of the summary. Absent if none was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 500)]
    pub focus: Option<Focus>,
    #[schema(inline)]
    pub metadata: Metadata,
    /// For how many seconds the finished job is kept. Absent if the client did not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>)]
    pub expires_in: Option<ExpiresIn>,
    /// When the job fails if no worker has begun it, RFC 3339. Absent if there is no deadline.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub deadline: Option<OffsetDateTime>,
}

impl RequestOptions {
    /// For how long the finished job is kept.
    pub fn kept(&self) -> Duration {
        self.expires_in.map_or(RETENTION, ExpiresIn::duration)
    }

    /// Checks that the deadline lies in the future, and not too far.
    ///
    /// # Errors
    /// If it does not.
    pub fn check_deadline(&self, now: OffsetDateTime) -> Result<(), SubmissionError> {
        let latest = now + Duration::days(Limits::DEADLINE_DAYS);
        match self.deadline {
            Some(deadline) if deadline <= now || deadline > latest => Err(SubmissionError::Invalid(vec![InvalidField {
                pointer: "#/deadline".to_owned(),
                detail: InvalidDeadline::Moment.to_string(),
            }])),
            _ => Ok(()),
        }
    }
}

fn auto() -> String {
    language_tag::AUTO.to_owned()
}

impl Submission {
    /// Reads and checks a request body. Returns the text and the options for it.
    ///
    /// # Errors
    /// [`SubmissionError::Malformed`] if the body is not JSON in UTF-8. Otherwise the error names
    /// all invalid fields. If a field has a wrong type or name, it names only the first such field.
    pub fn parse(body: &[u8]) -> Result<(String, RequestOptions), SubmissionError> {
        let submission: Self = parse_object(body)?;
        submission.check()
    }

    /// Checks every value and reports all errors together.
    fn check(mut self) -> Result<(String, RequestOptions), SubmissionError> {
        let mut refused = Refused::default();
        if let Some(detail) = wrong_with(&self.text) {
            refused.field("#/text", detail);
        }
        let length = refused.unless(Length::try_from(self.length), |error| format!("#/length/{}", error.unit));
        let language = refused.unless(LanguageTag::try_from(self.language), |_| "#/language".to_owned());
        let focus = refused.unless(self.focus.map(Focus::try_from).transpose(), |_| "#/focus".to_owned());
        let expires_in = refused.unless(self.expires_in.map(ExpiresIn::try_from).transpose(), |_| "#/expires_in".to_owned());
        let deadline = refused.unless(self.deadline.as_deref().map(expiry::deadline).transpose(), |_| {
            "#/deadline".to_owned()
        });
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
            expires_in,
            deadline,
        };
        refused.or((self.text, options))
    }
}

/// The fields that were refused so far.
#[derive(Default)]
struct Refused(Vec<InvalidField>);

impl Refused {
    fn field(&mut self, pointer: impl Into<String>, detail: String) {
        let pointer = pointer.into();
        self.0.push(InvalidField { pointer, detail });
    }

    /// Returns the value. If there is an error, it is recorded, and the default value is returned
    /// so that the other fields can be checked.
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

/// Says what is wrong with a text, or `None` if it is valid.
fn wrong_with(text: &str) -> Option<String> {
    if text.len() > Limits::TEXT_BYTES {
        let (bytes, most) = (text.len(), Limits::TEXT_BYTES);
        return Some(format!(
            "The text has {bytes} bytes. It may have at most {most}. Split the document."
        ));
    }
    if !text.contains(char::is_alphanumeric) {
        return Some("The text has no letter or digit. Send a text with at least one sentence.".to_owned());
    }
    let at = text.chars().position(|c| c == '\0')?;
    Some(format!(
        "The text has U+0000 at character {at}, which only binary data contains. Send a text without it."
    ))
}
