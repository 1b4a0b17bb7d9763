//! Records that jobs have finished, and that a failed job is tried once more. No other module does this.
//!
//! The archive is written first. It keeps the first final result of a job and ignores every later
//! one, so that a second delivery of a message changes nothing. Then the cache and the ledger are
//! written at the same time. A caller may delete its message only after [`Completion::record`] has
//! returned `Ok`. After an error it records the same jobs again later.
//!
//! Only a replay by an operator takes the end of a failed job out again.

use std::{collections::HashSet, sync::Arc};

use aws_config::SdkConfig;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    archive::{Archive, Archived, DeadLetter, Entered},
    cache::{Cache, Kept},
    config::ConfigError,
    documents::Documents,
    job::{Ended, Job, JobId, Status, SummaryResource, TenantId},
    kill::{self, Step},
    ledger::Ledger,
    store::{Chain, Store, StoreError},
    telemetry::metric,
};

/// The stores that a finished job is recorded in.
pub struct Completion {
    archive: Archive,
    cache: Arc<Cache>,
    ledger: Arc<Ledger>,
}

/// A finished job that is to be recorded.
pub struct Finished {
    pub job: Job,
    /// The fingerprint under which the cache keeps the result for reuse. `None` if the result must
    /// not be reused.
    pub fingerprint: Option<String>,
    /// The fingerprint under which the work on the job was claimed.
    pub claim: Option<String>,
    /// The id of the trace that the submission belongs to, for the logs.
    pub trace: Option<String>,
}

/// Why the job of a dead letter cannot be opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreplayable {
    #[error("its job has succeeded")]
    Succeeded,
    #[error("its client has canceled the job")]
    Canceled,
    #[error("its job has expired, or was erased by its client")]
    Gone,
}

impl Finished {
    /// A finished job without a result for others.
    pub fn alone(job: Job, trace: Option<String>) -> Self {
        Self {
            job,
            fingerprint: None,
            claim: None,
            trace,
        }
    }
}

impl Completion {
    /// Uses the archive that the environment variables name, and the cache and the ledger of the
    /// caller.
    ///
    /// # Errors
    /// If a variable of the archive is missing or has a wrong value.
    pub fn from_env(aws: &SdkConfig, cache: Arc<Cache>, ledger: Arc<Ledger>) -> Result<Self, ConfigError> {
        Ok(Self {
            archive: Archive::from_env(aws)?,
            cache,
            ledger,
        })
    }

    /// Records finished jobs, jobs of which nothing may be kept, and the dead letters that made jobs
    /// fail. Returns the jobs that the archive did not have before.
    ///
    /// # Errors
    /// If the archive or the ledger does not answer. What was written stays written, and recording
    /// the same jobs again does no harm. A failure of the cache is only logged, because its entries
    /// expire, and reads then find the jobs in the archive.
    pub async fn record(&self, finished: &[Finished], unkept: &[Ended], letters: &[DeadLetter]) -> Result<HashSet<Uuid>, StoreError> {
        // A job has two ends here if a batch of messages holds it twice. All stores keep the same one.
        let mut known = HashSet::new();
        let finished = finished.iter().filter(|finished| known.insert(&finished.job.resource.id));
        let finished: Vec<&Finished> = finished.collect();
        let jobs: Vec<&Job> = finished.iter().map(|finished| &finished.job).collect();
        let Entered { new: entered, writes } = self.archive.finish(&jobs, unkept, letters).await?;
        kill::at(Step::Archived);
        // As long as the ledger is not told, a list from a reader without these jobs shows them as
        // unfinished.
        if let Err(error) = self.cache.note_writes(&writes).await {
            tracing::warn!(error = %Chain(&error), "The cache was not told of a write. Until the reader of the database has it, a list may lack these jobs.");
        }
        let (new, old): (Vec<&Finished>, Vec<&Finished>) = finished
            .into_iter()
            .partition(|finished| entered.contains(&finished.job.resource.id.uuid()));
        for finished in &new {
            account(&finished.job.resource, finished.trace.as_deref());
        }
        let ((), kept) = tokio::join!(self.cache(&new, &old), self.keep(&new, &old));
        kept?;
        Ok(entered)
    }

    /// Takes everything out of a finished job but that it was there, and deletes its documents. Of the
    /// stores that hold the job, the archive is the first, so that no other one can take the content from
    /// it again. A second call changes nothing.
    ///
    /// A worker that records the job at this moment may still write what it has read before. So this
    /// has to be called once more when no such worker can be left.
    ///
    /// # Errors
    /// If a store does not answer, or an operator has just opened the job again, so that it has no end that
    /// could be erased. What was erased stays erased.
    pub async fn erase(&self, documents: &Documents, tenant: &TenantId, id: &JobId) -> Result<(), StoreError> {
        let letters = self.archive.letters(tenant, id).await?;
        documents.erase(tenant, id, letters).await?;
        kill::at(Step::DocumentsErased);
        let (is_erased, writes) = self.archive.erase(tenant, id).await?;
        if !is_erased && self.open(tenant, id).await?.is_some() {
            let reason = "the job is unfinished, because its dead letter was replayed";
            return Err(StoreError::new(Store::Archive, "erase a job", reason));
        }
        kill::at(Step::ArchiveErased);
        self.cache.note_writes(&writes).await?;
        let ledger = async {
            self.ledger.erase(tenant, id).await?;
            kill::at(Step::LedgerErased);
            Ok(())
        };
        tokio::try_join!(ledger, self.cache.erase(tenant, id)).map(drop)
    }

    /// A job that neither the ledger nor the archive knows an end of. If only the ledger does not know it,
    /// it is told.
    ///
    /// # Errors
    /// If a store does not answer.
    pub async fn unfinished(&self, tenant: &TenantId, id: &JobId) -> Result<Option<Job>, StoreError> {
        let Some(job) = self.open(tenant, id).await? else { return Ok(None) };
        match self.archive.find(tenant, id).await? {
            Archived::Unknown => return Ok(Some(job)),
            Archived::Finished(known) => self.ledger.finish(&[&*known]).await?,
            Archived::Erased => self.ledger.erase(tenant, id).await?,
        }
        Ok(None)
    }

    /// The job of a dead letter, if it has failed, or if a replay of it has stopped halfway.
    ///
    /// # Errors
    /// If a store does not answer.
    pub async fn replayable(&self, tenant: &TenantId, id: &JobId) -> Result<Result<Job, Unreplayable>, StoreError> {
        let job = match self.archive.find(tenant, id).await? {
            Archived::Erased => None,
            Archived::Finished(job) => Some(*job),
            // The message of this job may be in its lane already. A second one changes nothing.
            Archived::Unknown => self.open(tenant, id).await?,
        };
        Ok(match job {
            None => Err(Unreplayable::Gone),
            Some(job) if job.resource.status() == Status::Succeeded => Err(Unreplayable::Succeeded),
            Some(job) if job.resource.status() == Status::Canceled => Err(Unreplayable::Canceled),
            Some(job) => Ok(job),
        })
    }

    /// Opens a [replayable](Self::replayable) job again, in every store. Its message has to be sent then. If
    /// a call stops halfway, the job is failed as before, or another call goes on. Returns `None` if the job
    /// has changed meanwhile.
    ///
    /// The archive knows the end of the job until the ledger knows that it is unfinished. So there is always
    /// a store that has the job.
    ///
    /// # Errors
    /// If a store does not answer.
    pub async fn reopen(&self, mut job: Job) -> Result<Option<Job>, StoreError> {
        let Some(ended) = Ended::of(&job) else {
            // The call that has opened it may have stopped before it told the cache.
            if self.archive.has_reader() {
                self.renew_newest_write(&job.tenant).await?;
            }
            return Ok(Some(job));
        };
        if job.resource.replay(OffsetDateTime::now_utc()).is_err() {
            return Ok(None);
        }
        if !self.ledger.reopen(&job, ended.finished_at).await? {
            return Ok(None);
        }
        kill::at(Step::Reopened);
        self.cache.forget(&[(&job.tenant, &job.resource.id)]).await?;
        kill::at(Step::Forgotten);
        let Some(writes) = self.archive.reopen(&ended).await? else {
            return Ok(None);
        };
        kill::at(Step::Unarchived);
        self.cache.note_writes(&writes).await?;
        Ok(Some(job))
    }

    /// The newest write of a tenant that a read must see, so that a reader can answer. `None` if it
    /// must be read from the writer.
    ///
    /// # Errors
    /// If the cache does not know the write and the archive does not answer.
    pub async fn newest_write(&self, tenant: &TenantId) -> Result<Option<i64>, StoreError> {
        if !self.archive.has_reader() {
            return Ok(None);
        }
        let newest = match self.cache.newest_write(tenant).await {
            Ok(None) => self.renew_newest_write(tenant).await.map(Some),
            known => known,
        };
        match newest {
            Err(error) if error.store == Store::Cache => {
                tracing::warn!(error = %Chain(&error), "The cache did not answer. The writer of the database is asked.");
                Ok(None)
            }
            newest => newest,
        }
    }

    /// Tells the cache the newest write of a tenant. It may have lost it, and a process may have
    /// stopped before it told it.
    async fn renew_newest_write(&self, tenant: &TenantId) -> Result<i64, StoreError> {
        let number = self.archive.write_number(tenant).await?;
        self.cache.note_writes(&[(tenant.clone(), number)]).await?;
        Ok(number)
    }

    /// A job that the ledger has as unfinished.
    async fn open(&self, tenant: &TenantId, id: &JobId) -> Result<Option<Job>, StoreError> {
        let found = self.ledger.find(id).await?;
        Ok(found.filter(|job| job.tenant == *tenant && !job.resource.status().is_final()))
    }

    /// Whether the client has erased a job.
    ///
    /// # Errors
    /// If the archive does not answer.
    pub async fn is_erased(&self, tenant: &TenantId, id: &JobId) -> Result<bool, StoreError> {
        Ok(self.archive.find(tenant, id).await? == Archived::Erased)
    }

    /// Writes the jobs that the archive has entered to the cache. Jobs that the archive already
    /// knew are removed from the cache, so that the next read takes the first final result from the
    /// archive.
    async fn cache(&self, new: &[&Finished], old: &[&Finished]) {
        let new: Vec<_> = new
            .iter()
            .map(|finished| Kept {
                job: &finished.job,
                fingerprint: finished.fingerprint.as_deref(),
                claim: finished.claim.as_deref(),
            })
            .collect();
        let old: Vec<_> = old
            .iter()
            .map(|finished| (&finished.job.tenant, &finished.job.resource.id))
            .collect();
        let (kept, forgotten) = tokio::join!(self.cache.finished(&new), self.cache.forget(&old));
        for error in [kept, forgotten].into_iter().filter_map(Result::err) {
            tracing::warn!(store = error.store.as_str(), error = %Chain(&error), "The cache was not told of finished jobs. Reads find them in the archive once their cache entries expire.");
        }
        kill::at(Step::CacheTold);
    }

    /// Writes the first final result of each job to the ledger. For a job that the archive already
    /// knew, this is the one in the archive. Such a job comes again if the ledger failed before, or
    /// if its message was delivered twice.
    async fn keep(&self, new: &[&Finished], old: &[&Finished]) -> Result<(), StoreError> {
        let mut first = Vec::new();
        for Finished { job, .. } in old.iter().copied() {
            // A job that the archive knows and does not find has expired or was erased.
            if let Archived::Finished(known) = self.archive.find(&job.tenant, &job.resource.id).await? {
                first.push(*known);
            }
        }
        let jobs: Vec<&Job> = new.iter().map(|finished| &finished.job).chain(&first).collect();
        self.ledger.finish(&jobs).await?;
        kill::at(Step::LedgerTold);
        Ok(())
    }
}

fn account(resource: &SummaryResource, trace_id: Option<&str>) {
    let (lane, status) = (resource.lane.as_str(), resource.status().as_str());
    metrics::counter!(metric::FINISHED, "lane" => lane, "status" => status).increment(1);
    if let Some(finished_at) = resource.finished_at() {
        let milliseconds = (finished_at - resource.created_at).as_seconds_f64() * 1000.0;
        metrics::histogram!(metric::TIME_TO_DONE, "lane" => lane).record(milliseconds);
        tracing::info!(job = %resource.id, lane, status, milliseconds, trace_id, "A job has finished.");
    }
}
