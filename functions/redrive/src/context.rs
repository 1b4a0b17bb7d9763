//! The stores and settings that every run needs.

use std::sync::Arc;

use shared::{
    cache::Cache,
    completion::Completion,
    config::{self, ConfigError},
    documents::Documents,
    job::PerLane,
    lanes::{self, Lanes},
    ledger::Ledger,
};

/// The stores and settings that every run needs. They are made once per cold start.
pub struct Context {
    pub(crate) completion: Completion,
    pub(crate) documents: Documents,
    pub(crate) dead_letters: Lanes,
    pub(crate) lanes: Lanes,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) region: String,
}

impl Context {
    /// Reads the environment variables that the template sets. It opens no connection yet.
    ///
    /// # Errors
    /// If a variable is missing or has a wrong value.
    pub async fn try_from_env() -> Result<Self, ConfigError> {
        let aws = config::aws().await;
        let (cache, ledger) = (Arc::new(Cache::from_env(&aws)?), Arc::new(Ledger::from_env(&aws)?));
        let dead_letters = PerLane {
            express: "EXPRESS_DEAD_LETTERS_URL",
            standard: "STANDARD_DEAD_LETTERS_URL",
            bulk: "BULK_DEAD_LETTERS_URL",
        };
        Ok(Self {
            completion: Completion::from_env(&aws, cache, Arc::clone(&ledger))?,
            documents: Documents::from_env(&aws)?,
            dead_letters: lanes::from_env(&aws, dead_letters)?,
            lanes: lanes::from_env(&aws, lanes::URLS)?,
            ledger,
            region: config::required("AWS_REGION")?,
        })
    }
}
