//! The stores and settings that every request needs.

use std::sync::Arc;

use aws_config::SdkConfig;
use shared::{
    admission::Admission,
    archive::Archive,
    cache::Cache,
    completion::Completion,
    config::{self, ConfigError},
    directory::Directory,
    documents::Documents,
    lanes::{self, Lanes, Queue},
    ledger::Ledger,
    service_level::ServiceLevel,
};

use crate::{cors::Origins, last_answers::LastAnswers, last_callers::LastCallers, last_estimates::LastEstimates};

/// The stores and settings that every request needs. They are made once per cold start.
pub struct Context {
    pub(crate) region: String,
    pub(crate) archive: Archive,
    pub(crate) admission: Admission,
    pub(crate) cache: Arc<Cache>,
    pub(crate) completion: Completion,
    pub(crate) directory: Directory,
    pub(crate) documents: Documents,
    pub(crate) lanes: Lanes,
    pub(crate) estimates: LastEstimates,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) level: ServiceLevel,
    pub(crate) health: LastAnswers,
    pub(crate) origins: Option<Origins>,
    pub(crate) callers: LastCallers,
}

impl Context {
    /// Reads the environment variables that the template sets. It opens no connection yet.
    ///
    /// # Errors
    /// If a variable is missing or has a wrong value.
    pub async fn try_from_env() -> Result<Self, ConfigError> {
        let aws = config::aws().await;
        Self::of(&aws, Ledger::from_env(&aws)?, lanes::from_env(&aws, lanes::URLS)?)
    }

    /// The same for a process that answers many requests at once. What they write to the ledger and to
    /// the lanes is gathered, so that fewer calls are made.
    ///
    /// # Errors
    /// If a variable is missing or has a wrong value.
    pub async fn for_many_requests() -> Result<Self, ConfigError> {
        let aws = config::aws().await;
        let lanes = lanes::from_env(&aws, lanes::URLS)?;
        Self::of(&aws, Ledger::from_env(&aws)?.gathering(), lanes.map(Queue::gathering))
    }

    fn of(aws: &SdkConfig, ledger: Ledger, lanes: Lanes) -> Result<Self, ConfigError> {
        let (cache, ledger) = (Arc::new(Cache::from_env(aws)?), Arc::new(ledger));
        Ok(Self {
            admission: Admission::new(Arc::clone(&cache)),
            completion: Completion::from_env(aws, Arc::clone(&cache), Arc::clone(&ledger))?,
            estimates: LastEstimates::default(),
            region: config::required("AWS_REGION")?,
            archive: Archive::from_env(aws)?,
            cache,
            directory: Directory::from_env(aws)?,
            documents: Documents::from_env(aws)?,
            lanes,
            ledger,
            level: ServiceLevel::from_env(aws)?,
            health: LastAnswers::default(),
            origins: Origins::from_env()?,
            callers: LastCallers::default(),
        })
    }
}
