//! What every run needs.

use shared::{
    archive::Archive,
    config::{self, ConfigError},
    ledger::Ledger,
};

/// What every run needs. It is made once per cold start.
pub struct Context {
    pub(crate) archive: Archive,
    pub(crate) ledger: Ledger,
    pub(crate) http: reqwest::Client,
}

impl Context {
    /// Reads the environment that the template sets. Connects to nothing yet.
    ///
    /// # Errors
    /// If a variable is missing or wrong.
    pub async fn try_from_env() -> Result<Self, ConfigError> {
        let aws = config::aws().await;
        Ok(Self {
            archive: Archive::from_env(&aws)?,
            ledger: Ledger::from_env(&aws)?,
            http: reqwest::Client::new(),
        })
    }
}
