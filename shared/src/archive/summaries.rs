//! Enters finished jobs into the archive, each of them once, and finds them again.

use std::{borrow::Borrow, collections::HashSet};

use serde_json::{Value, json};
use sqlx::{Row, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Archive, failed};
use crate::{
    job::{Job, JobId, Lane, RegionTag, SummaryResource, TenantId},
    store::{BoxError, Store, StoreError, parse_value},
};

/// A message that was taken from a dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub message_id: String,
    pub lane: Lane,
    pub job: Option<(JobId, TenantId)>,
    pub reason: String,
    pub receives: i32,
    /// The key of the body in the documents bucket.
    pub body_key: String,
    /// When the message was taken from its queue.
    pub parked_at: OffsetDateTime,
}

/// Enters new jobs and adds them to the usage. Jobs that the archive already has are neither
/// changed nor counted, so that a second delivery of a message changes nothing.
const INSERT_FINISHED: &str = "
WITH arrived AS (
    SELECT * FROM jsonb_to_recordset($1) AS row(
        id uuid, tenant text, region text, status text, lane text, created_at timestamptz, started_at timestamptz,
        finished_at timestamptz, expires_at timestamptz, request jsonb, result jsonb, error jsonb, attempts jsonb)
), entered AS (
    INSERT INTO summaries
    SELECT id, tenant, region, status, lane, created_at, started_at, finished_at, expires_at,
           request, nullif(result, 'null'), nullif(error, 'null'), attempts
    FROM arrived ORDER BY id
    ON CONFLICT (id) DO NOTHING
    RETURNING id, tenant, status, finished_at, result
), counted AS (
    INSERT INTO usage_daily AS usage
    SELECT tenant, (finished_at AT TIME ZONE 'UTC')::date, count(*) FILTER (WHERE status = 'succeeded'),
           count(*) FILTER (WHERE status = 'failed'), coalesce(sum((result #>> '{input,characters}')::bigint), 0)
    FROM entered GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (tenant, day) DO UPDATE SET
        succeeded = usage.succeeded + excluded.succeeded,
        failed = usage.failed + excluded.failed,
        input_characters = usage.input_characters + excluded.input_characters
)
SELECT id FROM entered";

const INSERT_DEAD_LETTER: &str = "
INSERT INTO dead_letters (message_id, lane, job_id, tenant, reason, receives, body_key, parked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (message_id) DO NOTHING";

impl Archive {
    /// Enters finished jobs, and the dead letters that made them fail, in one transaction. Returns
    /// the ids of the jobs that the archive did not have before.
    ///
    /// # Errors
    /// If the database does not answer. In that case nothing is entered.
    pub async fn finish(&self, jobs: &[impl Borrow<Job>], letters: &[DeadLetter]) -> Result<HashSet<Uuid>, StoreError> {
        const OPERATION: &str = "enter finished jobs";
        let rows = jobs
            .iter()
            .map(|job| row(job.borrow()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(StoreError::because(Store::Archive, OPERATION))?;
        let mut transaction = self.begin(OPERATION).await?;
        let entered = sqlx::query(INSERT_FINISHED)
            .bind(Json(rows))
            .persistent(false)
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed(OPERATION))?;
        for letter in letters {
            let (job, tenant) = letter.job.as_ref().map(|(job, tenant)| (job.uuid(), tenant.as_str())).unzip();
            sqlx::query(INSERT_DEAD_LETTER)
                .bind(&letter.message_id)
                .bind(letter.lane.as_str())
                .bind(job)
                .bind(tenant)
                .bind(&letter.reason)
                .bind(letter.receives)
                .bind(&letter.body_key)
                .bind(letter.parked_at)
                .persistent(false)
                .execute(&mut *transaction)
                .await
                .map_err(failed(OPERATION))?;
        }
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(entered.iter().map(|row| row.get("id")).collect())
    }

    /// Finds a finished job of this tenant that has not expired.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn find(&self, tenant: &TenantId, id: &JobId) -> Result<Option<SummaryResource>, StoreError> {
        const OPERATION: &str = "find a finished job";
        let mut transaction = self.begin(OPERATION).await?;
        let row = sqlx::query("SELECT to_jsonb(s) AS resource FROM summaries s WHERE id = $1 AND tenant = $2 AND expires_at > now()")
            .bind(id.uuid())
            .bind(tenant.as_str())
            .persistent(false)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed(OPERATION))?;
        transaction.commit().await.map_err(failed(OPERATION))?;
        let Some(row) = row else { return Ok(None) };
        let resource = resource(row.get("resource"), id).map_err(StoreError::because(Store::Archive, OPERATION))?;
        Ok(Some(resource).filter(|resource| RegionTag::from_region(&resource.region) == *id.region()))
    }
}

/// The row of a job. It is the resource with the id as UUID, and with the tenant.
fn row(job: &Job) -> Result<Value, BoxError> {
    let mut row = serde_json::to_value(&job.resource)?;
    row["id"] = json!(job.resource.id.uuid().to_string());
    row["tenant"] = json!(job.tenant.as_str());
    Ok(row)
}

/// The resource of a job from its row. Postgres writes the timestamps in `jsonb` as RFC 3339.
fn resource(mut row: Value, id: &JobId) -> Result<SummaryResource, BoxError> {
    row["id"] = json!(id.to_string());
    row["links"] = json!(crate::job::Links::of(id));
    parse_value(row)
}
