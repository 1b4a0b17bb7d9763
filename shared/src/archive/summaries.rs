//! Enters finished jobs into the archive, each of them once, and finds them again.

use std::{borrow::Borrow, collections::HashSet};

use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{Row, types::Json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{Archive, READ_TIMEOUT, dead_letters::DeadLetter, failed, usage::Additions, writes::Writes};
use crate::{
    job::{Ended, Job, JobId, KeyId, Lane, RETENTION, RegionTag, SummaryResource, TenantId},
    store::{BoxError, Store, StoreError, in_time, parse_value},
};

/// Enters new jobs. Jobs that the archive already has are not changed and not returned, so that a
/// second delivery of a message changes nothing.
///
/// This and the next statement are plain `INSERT` statements, because a secondary of an Aurora
/// Global Database forwards only the documented forms of writes to its primary:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-write-forwarding-apg.html>
const INSERT_FINISHED: &str = "
INSERT INTO summaries
    (id, tenant, key, region, status, lane, deferred, created_at, started_at, finished_at, expires_at, request, result, error, attempts)
SELECT uuid, tenant, key, region, status, lane, deferred, created_at, started_at, finished_at, expires_at,
       request, nullif(result, 'null'), nullif(error, 'null'), attempts
FROM jsonb_to_recordset($1) AS row(
    uuid uuid, tenant text, key text, region text, status text, lane text, deferred boolean, created_at timestamptz,
    started_at timestamptz, finished_at timestamptz, expires_at timestamptz, request jsonb, result jsonb, error jsonb,
    attempts jsonb)
ORDER BY uuid
ON CONFLICT (id) DO NOTHING
RETURNING id";

/// Takes everything out of jobs but that they were there. This is kept for longer than a message can
/// wait, so that a late delivery cannot enter such a job again.
macro_rules! emptying {
    ($which:literal) => {
        concat!(
            "UPDATE summaries SET status = 'erased', request = '{}', result = NULL, error = NULL, attempts = '[]', \
             expires_at = greatest(expires_at, finished_at + interval '30 days') WHERE ",
            $which
        )
    };
}

/// Empties the job that its client erases.
pub const ERASE: &str = emptying!("id = $1 AND tenant = $2");

/// Deletes the dead letters of the job that its client erases.
const ERASE_LETTERS: &str = "DELETE FROM dead_letters WHERE job_id = $1 AND tenant = $2";

/// Empties the jobs that have expired before the usual time. Their rows stay, because their messages may
/// still wait.
pub const EMPTY_EXPIRED: &str = emptying!("expires_at < now() AND expires_at - finished_at < interval '30 days'");

/// Takes a failed job out, because it is sent to its lane again.
const REOPEN: &str = "DELETE FROM summaries WHERE id = $1 AND tenant = $2 AND status = 'failed' AND finished_at = $3";

/// A job that has not expired.
pub const FIND: &str = "SELECT to_jsonb(s) AS resource FROM summaries s WHERE id = $1 AND tenant = $2 AND expires_at > now()";

/// What the archive knows of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Archived {
    /// The job has not finished, or has expired, or does not exist.
    Unknown,
    /// The job has finished.
    Finished(Box<Job>),
    /// The client has erased the job.
    Erased,
}

/// Jobs that were entered.
#[derive(Debug)]
pub struct Entered {
    /// The ids of the jobs that the archive did not have before.
    pub new: HashSet<Uuid>,
    pub writes: Writes,
}

impl Archive {
    /// Enters finished jobs, jobs of which nothing may be kept, and the dead letters that made jobs
    /// fail, in one transaction, and counts the usage.
    ///
    /// # Errors
    /// If the database does not answer. In that case nothing is entered.
    pub async fn finish(&self, jobs: &[impl Borrow<Job>], unkept: &[Ended], letters: &[DeadLetter]) -> Result<Entered, StoreError> {
        const OPERATION: &str = "enter finished jobs";
        let finished = jobs.iter().map(|job| NewRow::Finished(FinishedRow::of(job.borrow())));
        let rows: Vec<NewRow<'_>> = finished
            .chain(unkept.iter().map(|job| NewRow::Erased(ErasedRow::of(job))))
            .collect();
        let mut transaction = self.begin(OPERATION).await?;
        let entered = sqlx::query(INSERT_FINISHED)
            .bind(Json(rows))
            .persistent(false)
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed(OPERATION))?;
        let new: HashSet<Uuid> = entered.iter().map(|row| row.get("id")).collect();
        // A batch may hold a job twice. It was entered once, and is counted once.
        let mut counted = HashSet::new();
        let ended: Vec<Ended> = jobs
            .iter()
            .filter_map(|job| Ended::of(job.borrow()))
            .chain(unkept.iter().cloned())
            .collect();
        let usage = Additions::of(
            ended
                .iter()
                .filter(|job| new.contains(&job.id.uuid()) && counted.insert(job.id.uuid())),
        );
        if !new.is_empty() {
            usage.insert().execute(&mut *transaction).await.map_err(failed(OPERATION))?;
        }
        for letter in letters {
            letter.insert().execute(&mut *transaction).await.map_err(failed(OPERATION))?;
        }
        let tenants = ended.iter().map(|job| &job.tenant).collect();
        let writes = self.raise(&mut transaction, tenants, OPERATION).await?;
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(Entered { new, writes })
    }

    /// Finds a finished job of this tenant that has not expired, as it is now. Whatever is decided
    /// by the answer is decided rightly.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn find(&self, tenant: &TenantId, id: &JobId) -> Result<Archived, StoreError> {
        self.show(tenant, id, None).await
    }

    /// Finds a finished job for its client. The reader may answer if it has the write `newest`.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn show(&self, tenant: &TenantId, id: &JobId, newest: Option<i64>) -> Result<Archived, StoreError> {
        const OPERATION: &str = "find a finished job";
        let query = || vec![sqlx::query(FIND).bind(id.uuid()).bind(tenant.as_str())];
        let rows = self.shown(tenant, newest, query, OPERATION).await?;
        let Some(row) = rows.iter().flatten().next().map(|row| row.get::<Value, _>("resource")) else {
            return Ok(Archived::Unknown);
        };
        let read = || -> Result<Archived, BoxError> {
            if row["region"].as_str().map(RegionTag::from_region).as_ref() != Some(id.region()) {
                return Ok(Archived::Unknown);
            }
            if row["status"] == "erased" {
                return Ok(Archived::Erased);
            }
            let key: Option<KeyId> = parse_value(row["key"].clone())?;
            Ok(Archived::Finished(Box::new(Job {
                tenant: tenant.clone(),
                key,
                resource: resource(row, id)?,
            })))
        };
        read().map_err(StoreError::because(Store::Archive, OPERATION))
    }

    /// Takes a failed job out of the archive and out of the usage, because it is sent to its lane again.
    /// Returns `None` if it is not there any more.
    ///
    /// # Errors
    /// If the database does not answer. In that case nothing is changed.
    pub async fn reopen(&self, failed_job: &Ended) -> Result<Option<Writes>, StoreError> {
        const OPERATION: &str = "open a failed job again";
        let reopen = async {
            let mut transaction = self.begin(OPERATION).await?;
            let delete = sqlx::query(REOPEN)
                .bind(failed_job.id.uuid())
                .bind(failed_job.tenant.as_str())
                .bind(failed_job.finished_at);
            let deleted = delete
                .persistent(false)
                .execute(&mut *transaction)
                .await
                .map_err(failed(OPERATION))?;
            if deleted.rows_affected() == 0 {
                transaction.rollback().await.map_err(failed(OPERATION))?;
                return Ok(None);
            }
            let usage = Additions::of(std::iter::once(failed_job)).reversed();
            usage.insert().execute(&mut *transaction).await.map_err(failed(OPERATION))?;
            let writes = self.raise(&mut transaction, [&failed_job.tenant].into(), OPERATION).await?;
            transaction.commit().await.map_err(failed(OPERATION))?;
            Ok(Some(writes))
        };
        in_time(Store::Archive, OPERATION, READ_TIMEOUT, reopen).await
    }

    /// Takes everything out of a finished job but that it was there, and deletes its dead letters.
    /// The keys of their bodies are read before, with [`letters`](Self::letters). Returns whether the job
    /// was there.
    ///
    /// # Errors
    /// If the database does not answer. In that case nothing is changed.
    pub async fn erase(&self, tenant: &TenantId, id: &JobId) -> Result<(bool, Writes), StoreError> {
        const OPERATION: &str = "erase a job";
        let erase = async {
            let mut transaction = self.begin(OPERATION).await?;
            let mut changed = [0; 2];
            for (changed, statement) in changed.iter_mut().zip([ERASE, ERASE_LETTERS]) {
                let run = sqlx::query(statement).bind(id.uuid()).bind(tenant.as_str()).persistent(false);
                *changed = run.execute(&mut *transaction).await.map_err(failed(OPERATION))?.rows_affected();
            }
            let writes = self.raise(&mut transaction, [tenant].into(), OPERATION).await?;
            transaction.commit().await.map_err(failed(OPERATION))?;
            Ok((changed[0] > 0, writes))
        };
        in_time(Store::Archive, OPERATION, READ_TIMEOUT, erase).await
    }
}

/// A row that is to be entered.
#[derive(Serialize)]
#[serde(untagged)]
enum NewRow<'a> {
    Finished(FinishedRow<'a>),
    Erased(ErasedRow<'a>),
}

/// The row of a finished job. It is the resource with the id as UUID, the tenant and the key.
#[derive(Serialize)]
struct FinishedRow<'a> {
    uuid: String,
    tenant: &'a str,
    key: Option<&'a KeyId>,
    #[serde(flatten)]
    resource: &'a SummaryResource,
}

impl<'a> FinishedRow<'a> {
    fn of(job: &'a Job) -> Self {
        Self {
            uuid: job.resource.id.uuid().to_string(),
            tenant: job.tenant.as_str(),
            key: job.key.as_ref(),
            resource: &job.resource,
        }
    }
}

/// The row of a job of which nothing may be kept. It is what an erased job leaves.
#[derive(Serialize)]
struct ErasedRow<'a> {
    uuid: String,
    tenant: &'a str,
    key: Option<&'a KeyId>,
    region: &'a str,
    status: &'static str,
    lane: Lane,
    deferred: bool,
    created_at: String,
    finished_at: String,
    expires_at: String,
    request: Value,
    attempts: Value,
}

impl<'a> ErasedRow<'a> {
    fn of(job: &'a Ended) -> Self {
        // This cannot fail, because the year has four digits.
        let text = |moment: OffsetDateTime| moment.format(&Rfc3339).unwrap_or_default();
        Self {
            uuid: job.id.uuid().to_string(),
            tenant: job.tenant.as_str(),
            key: job.key.as_ref(),
            region: &job.region,
            status: "erased",
            lane: job.lane,
            deferred: job.deferred,
            created_at: text(job.created_at),
            finished_at: text(job.finished_at),
            expires_at: text(job.finished_at + RETENTION),
            request: json!({}),
            attempts: json!([]),
        }
    }
}

/// The resource of a job from its row. Postgres writes the timestamps in `jsonb` as RFC 3339.
fn resource(mut row: Value, id: &JobId) -> Result<SummaryResource, BoxError> {
    row["id"] = json!(id.to_string());
    row["links"] = json!(crate::job::Links::of(id));
    parse_value(row)
}
