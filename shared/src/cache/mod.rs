//! The cache with results for reuse and the progress of jobs. It is Valkey in cluster mode.
//!
//! The cache may lose everything at any time, so every caller must also work without it.

mod keys;

use std::time::Duration;

use aws_config::SdkConfig;
use futures::future::try_join_all;
use redis::{AsyncCommands, Pipeline, RedisError, cluster::ClusterClient, cluster_async::ClusterConnection};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::OnceCell;

use crate::{
    config::{self, ConfigError},
    job::{Job, JobId, Status, SummaryResource, TenantId},
    store::{BoxError, Store, StoreError, parse},
    tokens::{Audience, Tokens},
};

/// How long Valkey is waited for. It is short, because the cache is there to save time.
const TIMEOUT: Duration = Duration::from_millis(500);

/// The connection to Valkey. It is opened at the first use.
pub struct Cache {
    client: ClusterClient,
    connection: OnceCell<ClusterConnection>,
}

impl Cache {
    /// The cache at `VALKEY_URL`. If `VALKEY_IAM_CACHE` names a cache, signed tokens are used as
    /// passwords.
    ///
    /// # Errors
    /// If the URL is not set, or is not a `redis://` or `rediss://` URL, or if tokens cannot be
    /// signed.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        let tokens = config::optional("VALKEY_IAM_CACHE").map(|name| {
            let serverless = config::optional("VALKEY_IAM_KIND").is_some_and(|kind| kind == "serverless");
            let user = config::required("VALKEY_IAM_USER")?;
            Ok::<_, ConfigError>(Tokens::signed(aws, &user, Audience::Valkey { name, serverless })?)
        });
        Self::connect(&config::required("VALKEY_URL")?, tokens.transpose()?)
    }

    /// The cache at a URL. With `tokens`, connections begin with the current token and receive each
    /// new one.
    ///
    /// # Errors
    /// If it is not a `redis://` or `rediss://` URL.
    pub fn connect(url: &str, tokens: Option<Tokens>) -> Result<Self, ConfigError> {
        let client = ClusterClient::builder([url])
            .connection_timeout(TIMEOUT)
            .response_timeout(TIMEOUT)
            .retries(1);
        let client = match tokens {
            Some(tokens) => client.set_credentials_provider(tokens),
            None => client,
        };
        let client = client.build().map_err(|_| ConfigError::Invalid {
            name: "VALKEY_URL",
            expected: "a URL like rediss://host:6379",
        })?;
        Ok(Self {
            client,
            connection: OnceCell::new(),
        })
    }

    async fn connection(&self) -> Result<ClusterConnection, RedisError> {
        self.connection
            .get_or_try_init(|| self.client.get_async_connection())
            .await
            .cloned()
    }

    /// Finds a finished job of the same tenant with the same text and options.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn reuse(&self, tenant: &TenantId, fingerprint: &str) -> Result<Option<SummaryResource>, StoreError> {
        const OPERATION: &str = "look for a result";
        let read = async {
            let found: Option<String> = self.connection().await?.get(keys::result(tenant, fingerprint)).await?;
            found.map(|json| parse(&json)).transpose()
        };
        read.await.map_err(failed(OPERATION))
    }

    /// Finds a job. It is queued, running or finished.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn find(&self, tenant: &TenantId, id: &JobId) -> Result<Option<SummaryResource>, StoreError> {
        let read = async {
            let asked = [keys::summary(tenant, id), keys::started(tenant, id)];
            let (summary, started): (Option<String>, Option<String>) = self.connection().await?.mget(&asked).await?;
            let Some(summary) = summary else { return Ok(None) };
            let mut resource: SummaryResource = parse(&summary)?;
            if let (Status::Queued, Some(started)) = (resource.status(), started) {
                resource.start(OffsetDateTime::parse(&started, &Rfc3339)?)?;
            }
            Ok(Some(resource))
        };
        read.await.map_err(failed("find a job"))
    }

    /// Keeps a job that was just queued, unless a worker has already finished it.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn queued(&self, tenant: &TenantId, resource: &SummaryResource) -> Result<(), StoreError> {
        let mut pipeline = redis::pipe();
        let json = serde_json::to_string(resource).map_err(StoreError::because(Store::Cache, "write a job"))?;
        let key = keys::summary(tenant, &resource.id);
        pipeline
            .cmd("SET")
            .arg(key)
            .arg(json)
            .arg("NX")
            .arg("EX")
            .arg(keys::SUMMARY_SECONDS)
            .ignore();
        self.send(vec![pipeline]).await.map_err(failed("keep a queued job"))
    }

    /// Marks a job as started by a worker.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn started(&self, tenant: &TenantId, id: &JobId, at: OffsetDateTime) -> Result<(), StoreError> {
        const OPERATION: &str = "mark a job as started";
        let at = at.format(&Rfc3339).map_err(StoreError::because(Store::Cache, OPERATION))?;
        let mut pipeline = redis::pipe();
        pipeline.set_ex(keys::started(tenant, id), at, keys::STARTED_SECONDS).ignore();
        self.send(vec![pipeline]).await.map_err(failed(OPERATION))
    }

    /// Removes the marks of jobs that wait for another attempt.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn waiting(&self, jobs: &[(&TenantId, &JobId)]) -> Result<(), StoreError> {
        self.delete(jobs, keys::started).await.map_err(failed("mark jobs as waiting"))
    }

    /// Keeps finished jobs for reads, and their results for reuse: each under its fingerprint, if it
    /// has one.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn finished(&self, jobs: &[(&Job, Option<&str>)]) -> Result<(), StoreError> {
        const OPERATION: &str = "keep finished jobs";
        let pipelines = jobs.iter().map(|(Job { tenant, resource }, fingerprint)| {
            let json = serde_json::to_string(resource)?;
            let mut pipeline = redis::pipe();
            pipeline
                .set_ex(keys::summary(tenant, &resource.id), &json, keys::SUMMARY_SECONDS)
                .ignore();
            if let Some(fingerprint) = fingerprint {
                pipeline
                    .set_ex(keys::result(tenant, fingerprint), &json, keys::RESULT_SECONDS)
                    .ignore();
            }
            Ok(pipeline)
        });
        let pipelines = pipelines
            .collect::<Result<_, serde_json::Error>>()
            .map_err(StoreError::because(Store::Cache, OPERATION))?;
        self.send(pipelines).await.map_err(failed(OPERATION))
    }

    /// Removes jobs, so that they are read from the archive.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn forget(&self, jobs: &[(&TenantId, &JobId)]) -> Result<(), StoreError> {
        self.delete(jobs, keys::summary).await.map_err(failed("remove jobs"))
    }

    async fn delete(&self, jobs: &[(&TenantId, &JobId)], key: impl Fn(&TenantId, &JobId) -> String) -> Result<(), BoxError> {
        let pipelines = jobs.iter().map(|(tenant, id)| {
            let mut pipeline = redis::pipe();
            pipeline.del(key(tenant, id)).ignore();
            pipeline
        });
        self.send(pipelines.collect()).await
    }

    /// Sends pipelines at the same time over one connection. Each pipeline has keys of one tenant
    /// only.
    async fn send(&self, pipelines: Vec<Pipeline>) -> Result<(), BoxError> {
        let connection = self.connection().await?;
        try_join_all(pipelines.iter().map(|pipeline| {
            let mut connection = connection.clone();
            async move { pipeline.exec_async(&mut connection).await }
        }))
        .await?;
        Ok(())
    }

    /// Checks that Valkey answers.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let ping = async { Ok(self.connection().await?.exists::<_, ()>("{ping}").await?) };
        ping.await.map_err(failed("reach Valkey"))
    }
}

fn failed(operation: &'static str) -> impl FnOnce(BoxError) -> StoreError {
    StoreError::because(Store::Cache, operation)
}
