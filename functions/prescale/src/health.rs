//! Asks the API whether the database answers. `prescale` itself cannot reach the database, because it runs
//! outside of the network of the stores.

use aws_config::SdkConfig;
use aws_sdk_lambda::primitives::Blob;
use lambda_runtime::Error;
use serde_json::Value;
use shared::{
    config::{self, ConfigError},
    gateway,
    store::Chain,
};

pub(crate) struct Health {
    lambda: aws_sdk_lambda::Client,
    api: String,
}

impl Health {
    pub(crate) fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            lambda: aws_sdk_lambda::Client::new(aws),
            api: config::required("API")?,
        })
    }

    /// Whether the database answers. `None` if the API does not say it.
    pub(crate) async fn database_answers(&self) -> Option<bool> {
        let answers = Box::pin(self.ask()).await;
        answers
            .inspect_err(|error| {
                tracing::warn!(error = %Chain(error.as_ref()), "The API does not say whether the database answers. No lane is paused or resumed for that.");
            })
            .ok()
    }

    async fn ask(&self) -> Result<bool, Error> {
        let event = gateway::event("GET", gateway::DEEP_HEALTH, None, None);
        let payload = Blob::new(serde_json::to_vec(&event)?);
        let reply = self.lambda.invoke().function_name(&self.api).payload(payload).send().await?;
        let answer: Value = serde_json::from_slice(reply.payload().map(Blob::as_ref).unwrap_or_default())?;
        let health = serde_json::from_str(answer["body"].as_str().unwrap_or_default())?;
        gateway::database_answers(&health).ok_or_else(|| format!("the answer to the health check is {answer}").into())
    }
}
