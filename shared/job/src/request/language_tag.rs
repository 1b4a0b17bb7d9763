//! The language of a text, as the client gives it.

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// The language is to be detected.
pub(super) const AUTO: &str = "auto";
/// The number of characters that a program must support for a tag (RFC 5646 §4.4.1).
const LONGEST: usize = 35;

/// `auto`, or a BCP 47 language tag.
///
/// `Deserialize` is for values that this service has written. It does not check them again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LanguageTag(String);

/// The text is not a language tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The value is not a language tag. Use `auto` or a BCP 47 tag such as `en` or `pt-BR`.")]
pub struct InvalidLanguageTag;

impl LanguageTag {
    /// The tag, or `None` if the language is to be detected.
    pub fn tag(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|tag| *tag != AUTO)
    }
}

impl PartialSchema for LanguageTag {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(LONGEST))
            .pattern(Some("^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"))
            .default(Some(AUTO.into()))
            .examples(["auto", "de", "pt-BR"])
            .description(Some("The language of the text as a BCP 47 tag, or `auto` to detect it."))
            .into()
    }
}

impl ToSchema for LanguageTag {}

impl Default for LanguageTag {
    fn default() -> Self {
        Self(AUTO.to_owned())
    }
}

impl TryFrom<String> for LanguageTag {
    type Error = InvalidLanguageTag;

    fn try_from(tag: String) -> Result<Self, InvalidLanguageTag> {
        let is_subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_language = |part: &str| part.len() >= 2 && part.bytes().all(|byte| byte.is_ascii_alphabetic());
        let is_tag = tag.len() <= LONGEST && tag.split('-').all(is_subtag) && tag.split('-').next().is_some_and(is_language);
        if is_tag { Ok(Self(tag)) } else { Err(InvalidLanguageTag) }
    }
}
