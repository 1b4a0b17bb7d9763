//! Strings of the client's own that are returned with the summary.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::limits::Limits;

/// Entries of the client's own, within [`Limits`].
///
/// `Deserialize` reads what this service has written and does not check the limits again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, String>);

/// Why the entries cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetadata {
    /// There are too many entries.
    #[error("has {0} entries; at most {most} are allowed.", most = Limits::METADATA_ENTRIES)]
    TooMany(usize),
    /// The entry with this key is too long, has no key, or holds U+0000.
    #[error(
        "needs a key of 1 to {} and a value of at most {} characters, none of them U+0000.",
        Limits::METADATA_KEY,
        Limits::METADATA_VALUE
    )]
    Entry(String),
}

impl TryFrom<BTreeMap<String, String>> for Metadata {
    /// Everything that is wrong, at once.
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
