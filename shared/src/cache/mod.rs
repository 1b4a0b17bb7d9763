//! The cache with results for reuse, the progress of jobs, and sessions. It is Valkey in cluster
//! mode.
//!
//! The cache may lose everything at any time, so every caller must also work without it. Whoever
//! uses a session that is lost has to open a new one.

mod admission;
mod keys;
mod left;
mod recent;
mod sessions;
mod tally;
mod throughput;
mod used;
mod waiting;
mod withdrawal;
mod work;
mod writes;

use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use futures::future::join_all;
use redis::{AsyncCommands, Pipeline, ProtocolVersion, PushInfo, RedisError, cluster::ClusterClient, cluster_async::ClusterConnection};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::{Mutex, broadcast};

use crate::{
    config::{self, ConfigError},
    job::{Job, JobId, KeyId, Lane, Status, SummaryResource, TenantId},
    kill::{self, Step},
    quota::Limits,
    store::{BoxError, Store, StoreError, parse},
    tokens::{Audience, Tokens},
};

pub use admission::{Admission, Candidate, Wanted};
pub use left::Left;
pub use sessions::{LONGEST, MOST_SESSIONS, Session, SessionId, Token};
pub use waiting::Waiting;
pub use work::Work;

/// How many messages of Valkey are kept for a waiting request at most.
const MESSAGES: usize = 256;
/// How long Valkey is waited for. It is short, because the cache is there to save time.
const TIMEOUT: Duration = Duration::from_millis(500);

/// How long Valkey is not asked again after it did not answer. Without this pause, the records of a
/// batch would wait for it one after the other.
const PAUSE: Duration = Duration::from_secs(1);
/// The largest job that is kept, in bytes of JSON. Several larger ones at once would take longer
/// than [`TIMEOUT`]. They are read from the archive.
const LARGEST: usize = 512 * 1024;

/// The connection to Valkey. It is opened at the first use.
pub struct Cache {
    client: ClusterClient,
    /// A random id of this process.
    process: String,
    connection: Mutex<Connection>,
    /// The messages of Valkey for requests that wait.
    pushed: broadcast::Sender<PushInfo>,
}

/// Keeps a finished job.
const KEEP: &str = include_str!("keep.lua");
/// Removes a job, unless the client has erased it.
const FORGET: &str = r#"if redis.call("GET", KEYS[1]) ~= "erased" then redis.call("DEL", KEYS[1]) end"#;
/// The entry of a job that its client has erased.
const ERASED: &str = "erased";

/// A finished job that is to be kept.
pub struct Kept<'a> {
    pub job: &'a Job,
    /// The fingerprint under which its result is kept for reuse.
    pub fingerprint: Option<&'a str>,
    /// The fingerprint under which the work on it was claimed. The claim ends.
    pub claim: Option<&'a str>,
}

#[derive(Default)]
struct Connection {
    open: Option<ClusterConnection>,
    /// When Valkey did not answer the last time.
    lost_at: Option<Instant>,
    /// How many connections were opened. A late error of an old connection must not close a new one.
    opened: u64,
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
        let (pushed, _) = broadcast::channel(MESSAGES);
        let client = ClusterClient::builder([url])
            .use_protocol(ProtocolVersion::RESP3)
            .push_sender(ignored_if_nobody_waits(pushed.clone()))
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
            process: uuid::Uuid::new_v4().to_string(),
            connection: Mutex::default(),
            pushed,
        })
    }

    /// The connection and its number.
    async fn connection(&self) -> Result<(ClusterConnection, u64), BoxError> {
        let mut connection = self.connection.lock().await;
        if let Some(open) = &connection.open {
            return Ok((open.clone(), connection.opened));
        }
        if connection.lost_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err("Valkey did not answer a moment ago".into());
        }
        match self.client.get_async_connection().await {
            Ok(open) => {
                connection.open = Some(open.clone());
                connection.opened += 1;
                Ok((open, connection.opened))
            }
            Err(error) => {
                connection.lost_at = Some(Instant::now());
                Err(error.into())
            }
        }
    }

    /// Does something with the connection. If Valkey does not answer, the connection is given up:
    /// while Lambda has frozen the process, the other side may have closed it, and then it would
    /// never answer again.
    async fn ask<T>(
        &self,
        operation: &'static str,
        question: impl AsyncFnOnce(ClusterConnection) -> Result<T, BoxError>,
    ) -> Result<T, StoreError> {
        let failed = StoreError::because(Store::Cache, operation);
        let (open, number) = match self.connection().await {
            Ok(connection) => connection,
            Err(error) => return Err(failed(error)),
        };
        let answer = question(open).await;
        let lost = |error: &RedisError| error.is_timeout() || error.is_io_error() || error.is_connection_dropped();
        if let Err(error) = &answer
            && error.downcast_ref().is_some_and(lost)
        {
            let mut connection = self.connection.lock().await;
            if connection.opened == number {
                connection.open = None;
                connection.lost_at = Some(Instant::now());
            }
        }
        answer.map_err(failed)
    }

    /// Finds a job. It is queued, running or finished.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn find(&self, tenant: &TenantId, id: &JobId) -> Result<Option<SummaryResource>, StoreError> {
        Ok(self.find_all(tenant, std::slice::from_ref(id)).await?.pop())
    }

    /// Finds a job, and how much of their limits a key and its tenant have left, in one round trip.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn find_for(
        &self,
        tenant: &TenantId,
        id: &JobId,
        key: &KeyId,
        limits: &Limits,
    ) -> Result<(Option<SummaryResource>, Left), StoreError> {
        self.ask("find a job", async |mut connection| {
            let asked = [
                keys::summary(tenant, id),
                keys::started(tenant, id),
                keys::key_rate(tenant, key),
                keys::rate(tenant),
            ];
            let (summary, started, key, all): (_, _, Option<i64>, Option<i64>) = connection.mget(&asked).await?;
            Ok((job(summary, started)?, left::left(limits, (key, all))))
        })
        .await
    }

    /// Removes the marks of jobs that wait for another attempt.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn waiting(&self, jobs: &[(&TenantId, &JobId)]) -> Result<(), StoreError> {
        self.delete("mark jobs as waiting", jobs, keys::started).await
    }

    /// Keeps finished jobs for reads, and their results for reuse: each under its fingerprint, if it
    /// has one. A job that is larger than 512 KiB is removed instead, so that it is read from the
    /// archive. Requests that wait for one of the jobs are woken.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn finished(&self, jobs: &[Kept<'_>]) -> Result<(), StoreError> {
        const OPERATION: &str = "keep finished jobs";
        let pipelines = jobs.iter().map(|Kept { job, fingerprint, claim }| {
            let Job { tenant, resource, .. } = job;
            let json = serde_json::to_string(resource)?;
            let mut pipeline = redis::pipe();
            if json.len() > LARGEST {
                forget(&mut pipeline, tenant, &resource.id);
            } else {
                pipeline
                    .cmd("EVAL")
                    .arg(KEEP)
                    .arg(3)
                    .arg(keys::summary(tenant, &resource.id))
                    .arg(keys::result(tenant, fingerprint.unwrap_or_default()))
                    .arg(keys::origin(tenant, &resource.id))
                    .arg(&json)
                    .arg(keys::SUMMARY_SECONDS)
                    .arg(fingerprint.unwrap_or_default())
                    .arg(keys::RESULT_SECONDS)
                    .ignore();
            }
            if let Some(claim) = claim {
                pipeline.del(keys::work(tenant, claim)).ignore();
            }
            pipeline.zrem(keys::unrecorded(tenant), resource.id.to_string()).ignore();
            let channel = keys::done(tenant, &resource.id);
            pipeline.cmd("SPUBLISH").arg(channel).arg(resource.status().as_str()).ignore();
            Ok(pipeline)
        });
        let pipelines = pipelines.collect::<Result<Vec<_>, serde_json::Error>>();
        let mut pipelines = pipelines.map_err(StoreError::because(Store::Cache, OPERATION))?;
        for lane in Lane::ALL {
            let count = jobs.iter().filter(|kept| kept.job.resource.lane == lane).count();
            if count > 0 {
                pipelines.push(counted(lane, count));
            }
        }
        self.send(OPERATION, pipelines).await
    }

    /// Removes jobs that the archive knows, so that they are read from there. That a job was erased stays
    /// known.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn forget(&self, jobs: &[(&TenantId, &JobId)]) -> Result<(), StoreError> {
        let pipelines = jobs.iter().map(|(tenant, id)| {
            let mut pipeline = redis::pipe();
            forget(&mut pipeline, tenant, id);
            pipeline.zrem(keys::unrecorded(tenant), id.to_string()).ignore();
            pipeline
        });
        self.send("remove jobs", pipelines.collect()).await
    }

    async fn delete(
        &self,
        operation: &'static str,
        jobs: &[(&TenantId, &JobId)],
        key: impl Fn(&TenantId, &JobId) -> String,
    ) -> Result<(), StoreError> {
        let pipelines = jobs.iter().map(|(tenant, id)| {
            let mut pipeline = redis::pipe();
            pipeline.del(key(tenant, id)).ignore();
            pipeline
        });
        self.send(operation, pipelines.collect()).await
    }

    /// Sends pipelines at the same time over one connection. Each pipeline has keys of one tenant
    /// only. A pipeline that fails does not stop the others.
    async fn send(&self, operation: &'static str, pipelines: Vec<Pipeline>) -> Result<(), StoreError> {
        self.ask(operation, async |connection| {
            let sent = join_all(pipelines.iter().map(|pipeline| {
                let mut connection = connection.clone();
                async move { pipeline.exec_async(&mut connection).await }
            }));
            sent.await.into_iter().collect::<Result<(), RedisError>>()?;
            Ok(())
        })
        .await
    }

    /// Ends the claim on a result, so that another process makes it.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn end_claim(&self, tenant: &TenantId, fingerprint: &str) -> Result<(), StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.del(keys::work(tenant, fingerprint)).ignore();
        self.send("end a claim", vec![pipeline]).await
    }

    /// Removes everything of a job: the job, and the result that it has made for others. A worker that
    /// finishes the job at this moment does not keep it again.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn erase(&self, tenant: &TenantId, id: &JobId) -> Result<(), StoreError> {
        self.ask("erase a job", async |mut connection| {
            // From here on no worker keeps the job or its result, so that the fingerprint that is
            // read next is the last one.
            let _: () = connection.set_ex(keys::summary(tenant, id), ERASED, keys::SUMMARY_SECONDS).await?;
            kill::at(Step::CacheMarked);
            let fingerprint: Option<String> = connection.get(keys::origin(tenant, id)).await?;
            let mut erased = vec![keys::started(tenant, id), keys::origin(tenant, id)];
            erased.extend(fingerprint.map(|fingerprint| keys::result(tenant, &fingerprint)));
            let mut pipeline = redis::pipe();
            pipeline
                .del(erased)
                .ignore()
                .zrem(keys::recent(tenant), id.to_string())
                .ignore()
                .zrem(keys::unrecorded(tenant), id.to_string())
                .ignore();
            Ok(pipeline.exec_async(&mut connection).await?)
        })
        .await
    }

    /// Checks that Valkey answers.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.ask("reach Valkey", async |mut connection| {
            Ok(connection.exists::<_, ()>("{ping}").await?)
        })
        .await
    }
}

/// Removes a job, unless the client has erased it.
fn forget(pipeline: &mut Pipeline, tenant: &TenantId, id: &JobId) {
    pipeline.cmd("EVAL").arg(FORGET).arg(1).arg(keys::summary(tenant, id)).ignore();
}

/// Counts finished jobs of a lane. The pipeline has keys of one lane only.
fn counted(lane: Lane, jobs: usize) -> Pipeline {
    let key = keys::finished(lane, keys::minute());
    let mut pipeline = redis::pipe();
    pipeline
        .incr(&key, jobs)
        .ignore()
        .expire(&key, keys::FINISHED_SECONDS.cast_signed())
        .ignore();
    pipeline
}

/// A job from its two entries.
fn job(summary: Option<String>, started: Option<String>) -> Result<Option<SummaryResource>, BoxError> {
    let Some(summary) = summary.filter(|summary| summary != ERASED) else {
        return Ok(None);
    };
    let mut resource: SummaryResource = parse(&summary)?;
    if let (Status::Queued, Some(started)) = (resource.status(), started) {
        resource.start(OffsetDateTime::parse(&started, &Rfc3339)?)?;
    }
    Ok(Some(resource))
}

/// Passes on what Valkey pushes. It is no error if no request waits at this moment.
fn ignored_if_nobody_waits(pushed: broadcast::Sender<PushInfo>) -> impl Fn(PushInfo) -> Result<(), PushInfo> {
    move |push| {
        let _ = pushed.send(push);
        Ok(())
    }
}
