//! What every run needs.

use shared::{
    config::{self, ConfigError},
    directory::Directory,
};

use crate::door::Door;

/// What every run needs. It is made once per cold start.
pub struct Context {
    pub(crate) directory: Directory,
    pub(crate) codedeploy: aws_sdk_codedeploy::Client,
    pub(crate) region: String,
    pub(crate) public: Door,
    pub(crate) version: Door,
    pub(crate) workers: Vec<Door>,
}

impl Context {
    /// Reads the environment that the template sets. Connects to nothing yet.
    ///
    /// # Errors
    /// If a variable is missing or wrong.
    pub async fn try_from_env() -> Result<Self, ConfigError> {
        let aws = config::aws().await;
        let invoked = |arn: &str| Door::invoked(&aws, arn.to_owned());
        Ok(Self {
            directory: Directory::from_env(&aws)?,
            codedeploy: aws_sdk_codedeploy::Client::new(&aws),
            region: config::required("AWS_REGION")?,
            public: Door::public(config::required("API_URL")?),
            version: invoked(&config::required("API_VERSION")?),
            workers: config::required("WORKER_VERSIONS")?.split(',').map(invoked).collect(),
        })
    }
}
