//! The stores and settings that every run needs.

use shared::{
    config::{self, ConfigError},
    directory::Directory,
    service_level::ServiceLevel,
};

use crate::endpoint::Endpoint;

/// The stores and settings that every run needs. They are made once per cold start.
pub struct Context {
    pub(crate) directory: Directory,
    pub(crate) codedeploy: aws_sdk_codedeploy::Client,
    pub(crate) region: String,
    pub(crate) public: Endpoint,
    pub(crate) version: Endpoint,
    pub(crate) workers: Vec<Endpoint>,
    pub(crate) level: ServiceLevel,
    pub(crate) lambda: aws_sdk_lambda::Client,
    /// The aliases of the workers, which the event source mappings name, in the order of the lanes.
    pub(crate) lanes: Vec<String>,
}

impl Context {
    /// Reads the environment variables that the template sets. It opens no connection yet.
    ///
    /// # Errors
    /// If a variable is missing or has a wrong value.
    pub async fn try_from_env() -> Result<Self, ConfigError> {
        let aws = config::aws().await;
        let workers = config::required("WORKER_VERSIONS")?;
        let invoked = |arn: &str| Endpoint::invoked(&aws, arn.to_owned());
        Ok(Self {
            directory: Directory::from_env(&aws)?,
            codedeploy: aws_sdk_codedeploy::Client::new(&aws),
            region: config::required("AWS_REGION")?,
            public: Endpoint::public(config::required("API_URL")?),
            version: invoked(&config::required("API_VERSION")?),
            workers: workers.split(',').map(invoked).collect(),
            level: ServiceLevel::from_env(&aws)?,
            lambda: aws_sdk_lambda::Client::new(&aws),
            // The environment of this function cannot name the aliases, because they wait for this function.
            lanes: workers
                .split(',')
                .filter_map(|version| version.rsplit_once(':'))
                .map(|(function, _)| format!("{function}:live"))
                .collect(),
        })
    }
}
