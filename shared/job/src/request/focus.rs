//! The focus of a summary: what its reader wants to know.

use serde::{Deserialize, Serialize};

use super::limits::Limits;

/// A question or some words that the summary should be about.
///
/// `Deserialize` is for values that this service has written. It does not check them again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Focus(String);

/// The text cannot be used as a focus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "The focus must have 1 to {} characters, at least one of them a letter or digit, and none U+0000. Leave it out for a summary of the whole text.",
    Limits::FOCUS
)]
pub struct InvalidFocus;

impl Focus {
    /// The text of the focus.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Focus {
    type Error = InvalidFocus;

    fn try_from(text: String) -> Result<Self, InvalidFocus> {
        let fits = text.chars().count() <= Limits::FOCUS && text.contains(char::is_alphanumeric) && !text.contains('\0');
        if fits { Ok(Self(text)) } else { Err(InvalidFocus) }
    }
}
