//! The service level of this region, and what `prescale` remembers between its runs. Both are kept
//! in DynamoDB.
//!
//! They are one item in the table of the ledger. Its `id` is `capacity#<region>`. `service_level`
//! (a number) holds until `level_until` (seconds since 1970). `memory` (JSON) is what `prescale`
//! remembers, and `pin` (JSON) is the level that an operator holds. `expires_at` is the time to
//! live.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    capacity::{Circuit, Controller, Level, Memory, Pin},
    config::{self, ConfigError},
    recent::Recent,
    store::{BoxError, Chain, Store, StoreError, in_time, parse},
};

/// How long a process keeps the level that it has read. A new level is known to all processes after
/// this time at most.
const REMEMBERED: Duration = Duration::from_secs(5);
/// How long the level is waited for. It is short, because a client waits for its answer meanwhile.
const TIMEOUT: Duration = Duration::from_millis(300);
/// How long the item is kept after the level in it has expired, in seconds. It says which lanes are paused.
const KEPT: i64 = 30 * 24 * 3600;
const READ: &str = "read the service level";

/// The service level of this region.
pub struct ServiceLevel {
    client: Client,
    table: String,
    id: String,
    known: Recent<(), Level>,
}

/// What `prescale` remembers between its runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    pub memory: Memory,
    pub controller: Controller,
    #[serde(default)]
    pub circuit: Circuit,
    /// When `prescale` ran the last time. Version 0.2.0 did not write it.
    #[serde(default)]
    pub ran_at: Option<Timestamp>,
}

impl ServiceLevel {
    /// The service level of `AWS_REGION` in the table that `LEDGER_TABLE` names.
    ///
    /// # Errors
    /// If one of the variables is not set.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::required("LEDGER_TABLE")?, &config::required("AWS_REGION")?))
    }

    /// The service level of `region` in `table`.
    pub fn new(aws: &aws_config::SdkConfig, table: String, region: &str) -> Self {
        Self {
            client: Client::new(aws),
            table,
            id: format!("capacity#{region}"),
            known: Recent::new(1, REMEMBERED),
        }
    }

    /// The service level that holds now. A level that was read in the last seconds is used again.
    /// If the level has expired or cannot be read, it is 0: nothing is left out of results because
    /// a table does not answer.
    pub async fn current(&self) -> Level {
        let read = async {
            let read = in_time(Store::Ledger, READ, TIMEOUT, self.read_level()).await;
            read.unwrap_or_else(|error| {
                tracing::warn!(error = %Chain(&error), "The service level cannot be read. Level 0 is assumed.");
                Level::Normal
            })
        };
        self.known.get_with((), Box::pin(read)).await
    }

    async fn read_level(&self) -> Result<Level, StoreError> {
        let item = self.item(false).await?;
        let number = |name: &str| item.get(name).and_then(|value| value.as_n().ok()?.parse::<i64>().ok());
        let holds = number("level_until").is_some_and(|until| Timestamp::now().as_second() < until);
        let level = number("service_level").and_then(|level| u8::try_from(level).ok()?.try_into().ok());
        Ok(level.filter(|_| holds).unwrap_or_default())
    }

    /// What `prescale` remembered in its last run, and the pinned level if there is one.
    ///
    /// # Errors
    /// If DynamoDB does not answer, or the item was not written by this module.
    pub async fn remembered(&self) -> Result<(Remembered, Option<Pin>), StoreError> {
        let item = self.item(true).await?;
        Ok((parsed(&item, "memory")?.unwrap_or_default(), parsed(&item, "pin")?))
    }

    async fn item(&self, consistent: bool) -> Result<HashMap<String, AttributeValue>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", AttributeValue::S(self.id.clone()))
            .consistent_read(consistent);
        let reply = request.send().await.map_err(StoreError::because(Store::Ledger, READ))?;
        Ok(reply.item.unwrap_or_default())
    }

    /// Sets the service level until a moment, and what `prescale` remembers.
    ///
    /// # Errors
    /// If DynamoDB does not answer or refuses the change.
    pub async fn set(&self, level: Level, until: Timestamp, remember: &Remembered) -> Result<(), StoreError> {
        self.write(
            "service_level = :level, level_until = :until, memory = :memory",
            level,
            until,
            ":memory",
            json(remember)?,
        )
        .await
    }

    /// Holds a service level until a moment, whatever the signals say.
    ///
    /// # Errors
    /// If DynamoDB does not answer or refuses the change.
    pub async fn pin(&self, pin: Pin) -> Result<(), StoreError> {
        self.write(
            "service_level = :level, level_until = :until, pin = :pin",
            pin.level,
            pin.until,
            ":pin",
            json(&pin)?,
        )
        .await
    }

    async fn write(&self, fields: &str, level: Level, until: Timestamp, name: &str, value: String) -> Result<(), StoreError> {
        let expires = Timestamp::now().as_second().max(until.as_second()) + KEPT;
        self.client
            .update_item()
            .table_name(&self.table)
            .key("id", AttributeValue::S(self.id.clone()))
            .update_expression(format!("SET {fields}, expires_at = :expires"))
            .expression_attribute_values(":level", AttributeValue::N(level.to_string()))
            .expression_attribute_values(":until", AttributeValue::N(until.as_second().to_string()))
            .expression_attribute_values(":expires", AttributeValue::N(expires.to_string()))
            .expression_attribute_values(name, AttributeValue::S(value))
            .send()
            .await
            .map(drop)
            .map_err(StoreError::because(Store::Ledger, "set the service level"))
    }
}

fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::because(Store::Ledger, "write the service level"))
}

fn parsed<T: DeserializeOwned>(item: &HashMap<String, AttributeValue>, name: &str) -> Result<Option<T>, StoreError> {
    let Some(value) = item.get(name) else { return Ok(None) };
    let read = || -> Result<T, BoxError> { parse(value.as_s().map_err(|_| "not a string")?) };
    read().map(Some).map_err(StoreError::because(Store::Ledger, READ))
}
