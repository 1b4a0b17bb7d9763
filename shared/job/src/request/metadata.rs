//! The metadata of a submission: strings of the client that are returned with the summary.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use super::limits::Limits;

/// The metadata of a submission, within [`Limits`].
///
/// `Deserialize` is for values that this service has written. It does not check the limits again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, String>);

/// Why metadata is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetadata {
    /// There are too many entries.
    #[error("The metadata has {0} entries. At most {most} are allowed.", most = Limits::METADATA_ENTRIES)]
    TooMany(usize),
    /// The entry with this key is too long, has an empty key, or contains U+0000.
    #[error(
        "The key must have 1 to {} characters and the value at most {}, none of them U+0000.",
        Limits::METADATA_KEY,
        Limits::METADATA_VALUE
    )]
    Entry(String),
}

impl Metadata {
    /// The value of an entry.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

impl TryFrom<BTreeMap<String, String>> for Metadata {
    /// All errors of the metadata.
    type Error = Vec<InvalidMetadata>;

    fn try_from(entries: BTreeMap<String, String>) -> Result<Self, Vec<InvalidMetadata>> {
        let mut wrong = Vec::new();
        if entries.len() > Limits::METADATA_ENTRIES {
            wrong.push(InvalidMetadata::TooMany(entries.len()));
        }
        let considered = entries.iter().take(Limits::METADATA_ENTRIES);
        let unfit = considered.filter(|(key, value)| !fits(key, value));
        wrong.extend(unfit.map(|(key, _)| InvalidMetadata::Entry(key.clone())));
        if wrong.is_empty() { Ok(Self(entries)) } else { Err(wrong) }
    }
}

fn fits(key: &str, value: &str) -> bool {
    !key.is_empty()
        && key.chars().count() <= Limits::METADATA_KEY
        && value.chars().count() <= Limits::METADATA_VALUE
        && !key.contains('\0')
        && !value.contains('\0')
}

impl PartialSchema for Metadata {
    fn schema() -> RefOr<Schema> {
        let string = || ObjectBuilder::new().schema_type(Type::String);
        ObjectBuilder::new()
            .max_properties(Some(Limits::METADATA_ENTRIES))
            .property_names(Some(string().min_length(Some(1)).max_length(Some(Limits::METADATA_KEY))))
            .additional_properties(Some(string().max_length(Some(Limits::METADATA_VALUE))))
            .description(Some("Strings that are returned with the summary. None of them has U+0000."))
            .into()
    }
}

impl ToSchema for Metadata {}
