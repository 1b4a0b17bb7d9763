//! Reads and writes the attributes of an item.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Serialize, de::DeserializeOwned};
use time::OffsetDateTime;

use crate::store::{BoxError, parse};

/// An item of the table.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Attributes of an item. Absent ones are left out.
#[derive(Default)]
pub(super) struct Attributes(Item);

impl Attributes {
    pub(super) fn text(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::S(value.into()));
        self
    }

    pub(super) fn number(mut self, name: &str, value: Option<i64>) -> Self {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), AttributeValue::N(value.to_string()));
        }
        self
    }

    pub(super) fn moment(self, name: &str, value: Option<OffsetDateTime>) -> Self {
        self.number(name, value.map(OffsetDateTime::unix_timestamp))
    }

    pub(super) fn json<T: Serialize>(self, name: &str, value: Option<&T>) -> Result<Self, BoxError> {
        Ok(match value {
            Some(value) => self.text(name, serde_json::to_string(value)?),
            None => self,
        })
    }

    pub(super) fn into_item(self) -> Item {
        self.0
    }
}

pub(super) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

pub(super) fn number(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

pub(super) fn moment(item: &Item, name: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(number(item, name)?).ok()
}

/// A value that is stored as JSON. It is `None` if the item does not have it.
pub(super) fn json<T: DeserializeOwned>(item: &Item, name: &str) -> Result<Option<T>, BoxError> {
    text(item, name).map(parse).transpose()
}
