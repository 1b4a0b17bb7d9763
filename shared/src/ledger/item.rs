//! The items of the table, and their attributes.

use std::{collections::HashMap, num::ParseIntError, str::FromStr};

use aws_sdk_dynamodb::types::AttributeValue;
use time::OffsetDateTime;

use crate::store::BoxError;

/// An item of the table.
pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

pub(super) fn seconds(moment: OffsetDateTime) -> AttributeValue {
    AttributeValue::N(moment.unix_timestamp().to_string())
}

pub(super) fn text<'a>(item: &'a Item, name: &str) -> Result<&'a str, BoxError> {
    let value = item.get(name).and_then(|value| value.as_s().ok());
    value
        .map(String::as_str)
        .ok_or_else(|| format!("an item has no string `{name}`").into())
}

pub(super) fn bytes(value: &AttributeValue) -> Result<&[u8], BoxError> {
    value.as_b().map(AsRef::as_ref).map_err(|_| "a finished job is not binary".into())
}

pub(super) fn number<T: FromStr<Err = ParseIntError>>(value: &AttributeValue) -> Result<T, BoxError> {
    Ok(value.as_n().map_err(|_| "a number is not one")?.parse()?)
}
