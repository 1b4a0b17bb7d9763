//! The stores and settings that every request needs.

use shared::{
    archive::Archive,
    cache::Cache,
    config::{self, ConfigError},
    directory::Directory,
    documents::Documents,
    job::PerLane,
    lanes::{self, Lanes},
    ledger::Ledger,
    service_level::ServiceLevel,
};

use crate::last_answers::LastAnswers;

/// The stores and settings that every request needs. They are made once per cold start.
pub struct Context {
    pub(crate) region: String,
    pub(crate) archive: Archive,
    pub(crate) cache: Cache,
    pub(crate) directory: Directory,
    pub(crate) documents: Documents,
    pub(crate) lanes: Lanes,
    pub(crate) ledger: Ledger,
    pub(crate) level: ServiceLevel,
    pub(crate) health: LastAnswers,
}

impl Context {
    /// Reads the environment variables that the template sets. It opens no connection yet.
    ///
    /// # Errors
    /// If a variable is missing or has a wrong value.
    pub async fn try_from_env() -> Result<Self, ConfigError> {
        let aws = config::aws().await;
        let lanes = PerLane {
            express: "EXPRESS_URL",
            standard: "STANDARD_URL",
            bulk: "BULK_URL",
        };
        Ok(Self {
            region: config::required("AWS_REGION")?,
            archive: Archive::from_env(&aws)?,
            cache: Cache::from_env(&aws)?,
            directory: Directory::from_env(&aws)?,
            documents: Documents::from_env(&aws)?,
            lanes: lanes::from_env(&aws, lanes)?,
            ledger: Ledger::from_env(&aws)?,
            level: ServiceLevel::from_env(&aws)?,
            health: LastAnswers::default(),
        })
    }
}
