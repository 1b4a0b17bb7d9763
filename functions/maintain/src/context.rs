//! The stores and settings that every run needs.

use shared::{
    archive::Archive,
    cache::Cache,
    config::{self, ConfigError},
    directory::Directory,
    lanes::{self, Lanes},
    ledger::Ledger,
};

/// The stores and settings that every run needs. They are made once per cold start.
pub struct Context {
    pub(crate) archive: Archive,
    pub(crate) cache: Cache,
    pub(crate) directory: Directory,
    pub(crate) lanes: Lanes,
    pub(crate) ledger: Ledger,
    pub(crate) region: String,
    pub(crate) http: reqwest::Client,
}

impl Context {
    /// Reads the environment variables that the template sets. It opens no connection yet.
    ///
    /// # Errors
    /// If a variable is missing or has a wrong value.
    pub async fn try_from_env() -> Result<Self, ConfigError> {
        let aws = config::aws().await;
        Ok(Self {
            archive: Archive::from_env(&aws)?,
            cache: Cache::from_env(&aws)?,
            directory: Directory::from_env(&aws)?,
            lanes: lanes::from_env(&aws, lanes::URLS)?,
            ledger: Ledger::from_env(&aws)?,
            region: config::required("AWS_REGION")?,
            http: reqwest::Client::new(),
        })
    }
}
