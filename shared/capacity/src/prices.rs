//! The cost of a state, by the list prices in `infra/cost.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    lever::{Lever, State},
    work::Work,
};

/// List prices in US dollars.
#[derive(Clone, Debug, PartialEq)]
pub struct Prices {
    pub(super) gb_second: f64,
    pub(super) provisioned_gb_second: f64,
    pub(super) acu_hour: f64,
    pub(super) million_ecpu: f64,
}

/// The file with the prices cannot be read, or lacks a price.
#[derive(Debug, thiserror::Error)]
#[error("infra/cost.toml: {0}")]
pub struct NoPrice(String);

#[derive(Deserialize)]
struct Book {
    prices: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Prices {
    /// Reads the prices from the text of `infra/cost.toml`.
    ///
    /// # Errors
    /// If the text is not TOML, or lacks a price.
    pub fn parse(book: &str) -> Result<Self, NoPrice> {
        let book: Book = toml::from_str(book).map_err(|error| NoPrice(error.to_string()))?;
        let price = |service: &str, unit: &str| {
            let price = book.prices.get(service).and_then(|units| units.get(unit));
            price
                .copied()
                .ok_or_else(|| NoPrice(format!("the price {service}.{unit} is missing")))
        };
        Ok(Self {
            gb_second: price("lambda", "gb_second")?,
            provisioned_gb_second: price("lambda", "provisioned_gb_second")?,
            acu_hour: price("rds", "acu_hour")?,
            million_ecpu: price("elasticache", "million_ecpu")?,
        })
    }

    /// The cost of a state in dollars an hour, with all workers busy and the stores at their
    /// minimum.
    pub fn per_hour(&self, state: &State, work: &Work) -> f64 {
        state.iter().map(|(&lever, &value)| value * self.of(lever, state, work)).sum()
    }

    /// The cost of one unit of a lever in dollars an hour.
    fn of(&self, lever: Lever, state: &State, work: &Work) -> f64 {
        match lever.lane() {
            Some(lane) => work.worker_memory_mb[lane] / 1024.0 * 3600.0 * self.gb_second,
            None => match lever {
                Lever::Warm => work.api_memory_mb / 1024.0 * 3600.0 * self.provisioned_gb_second,
                Lever::Acus => self.acu_hour * (1.0 + state.get(&Lever::Readers).copied().unwrap_or(0.0)),
                Lever::Cache => 3600.0 * self.million_ecpu / 1e6,
                // Readers are included in the cost of the capacity units. The levers of lanes are
                // handled above.
                _ => 0.0,
            },
        }
    }
}
