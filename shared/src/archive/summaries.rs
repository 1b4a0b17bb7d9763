//! Enters finished jobs into the archive, each of them once, and finds them again.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, HashSet},
};

use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{
    Postgres, Row,
    postgres::{PgArguments, PgRow},
    query::Query,
    types::Json,
};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::{Archive, READ_TIMEOUT, failed};
use crate::{
    job::{Job, JobId, Lane, RegionTag, SummaryResource, TenantId},
    store::{BoxError, Store, StoreError, in_time, parse_value},
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

/// Enters new jobs. Jobs that the archive already has are not changed and not returned, so that a
/// second delivery of a message changes nothing.
///
/// This and the next statement are plain `INSERT` statements, because a secondary of an Aurora
/// Global Database forwards only the documented forms of writes to its primary:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-write-forwarding-apg.html>
const INSERT_FINISHED: &str = "
INSERT INTO summaries
SELECT uuid, tenant, region, status, lane, created_at, started_at, finished_at, expires_at,
       request, nullif(result, 'null'), nullif(error, 'null'), attempts
FROM jsonb_to_recordset($1) AS row(
    uuid uuid, tenant text, region text, status text, lane text, created_at timestamptz, started_at timestamptz,
    finished_at timestamptz, expires_at timestamptz, request jsonb, result jsonb, error jsonb, attempts jsonb)
ORDER BY uuid
ON CONFLICT (id) DO NOTHING
RETURNING id, tenant, status, (finished_at AT TIME ZONE 'UTC')::date AS day,
          coalesce((result #>> '{input,characters}')::bigint, 0) AS characters";

/// Adds jobs that were entered to the usage of their tenants.
const COUNT_USAGE: &str = "
INSERT INTO usage_daily AS usage
SELECT * FROM unnest($1::text[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[])
ON CONFLICT (tenant, day) DO UPDATE SET
    succeeded = usage.succeeded + excluded.succeeded,
    failed = usage.failed + excluded.failed,
    input_characters = usage.input_characters + excluded.input_characters";

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
        let rows: Vec<NewRow<'_>> = jobs.iter().map(|job| NewRow::of(job.borrow())).collect();
        let mut transaction = self.begin(OPERATION).await?;
        let entered = sqlx::query(INSERT_FINISHED)
            .bind(Json(rows))
            .persistent(false)
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed(OPERATION))?;
        let usage = Usage::of(&entered);
        if !entered.is_empty() {
            usage.insert().execute(&mut *transaction).await.map_err(failed(OPERATION))?;
        }
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
        let row = in_time(Store::Archive, OPERATION, READ_TIMEOUT, self.row(tenant, id, OPERATION)).await?;
        let Some(row) = row else { return Ok(None) };
        let resource = resource(row, id).map_err(StoreError::because(Store::Archive, OPERATION))?;
        Ok(Some(resource).filter(|resource| RegionTag::from_region(&resource.region) == *id.region()))
    }

    async fn row(&self, tenant: &TenantId, id: &JobId, operation: &'static str) -> Result<Option<Value>, StoreError> {
        let mut transaction = self.begin(operation).await?;
        let row = sqlx::query("SELECT to_jsonb(s) AS resource FROM summaries s WHERE id = $1 AND tenant = $2 AND expires_at > now()")
            .bind(id.uuid())
            .bind(tenant.as_str())
            .persistent(false)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed(operation))?;
        transaction.commit().await.map_err(failed(operation))?;
        Ok(row.map(|row| row.get("resource")))
    }
}

/// The row of a job that is to be entered. It is the resource with the id as UUID, and with the
/// tenant.
#[derive(Serialize)]
struct NewRow<'a> {
    uuid: String,
    tenant: &'a str,
    #[serde(flatten)]
    resource: &'a SummaryResource,
}

impl<'a> NewRow<'a> {
    fn of(job: &'a Job) -> Self {
        Self {
            uuid: job.resource.id.uuid().to_string(),
            tenant: job.tenant.as_str(),
            resource: &job.resource,
        }
    }
}

/// What jobs add to the usage: one row for each tenant and day, in this order, so that two
/// transactions lock the rows in the same order.
#[derive(Default)]
struct Usage {
    tenants: Vec<String>,
    days: Vec<Date>,
    succeeded: Vec<i64>,
    failed: Vec<i64>,
    characters: Vec<i64>,
}

impl Usage {
    fn of(entered: &[PgRow]) -> Self {
        let mut sums: BTreeMap<(String, Date), (i64, i64, i64)> = BTreeMap::new();
        for row in entered {
            let sum = sums.entry((row.get("tenant"), row.get("day"))).or_default();
            let has_succeeded = row.get::<&str, _>("status") == "succeeded";
            sum.0 += i64::from(has_succeeded);
            sum.1 += i64::from(!has_succeeded);
            sum.2 += row.get::<i64, _>("characters");
        }
        let mut usage = Self::default();
        for ((tenant, day), (succeeded, failed, characters)) in sums {
            usage.tenants.push(tenant);
            usage.days.push(day);
            usage.succeeded.push(succeeded);
            usage.failed.push(failed);
            usage.characters.push(characters);
        }
        usage
    }

    fn insert(&self) -> Query<'_, Postgres, PgArguments> {
        sqlx::query(COUNT_USAGE)
            .bind(&self.tenants)
            .bind(&self.days)
            .bind(&self.succeeded)
            .bind(&self.failed)
            .bind(&self.characters)
            .persistent(false)
    }
}

/// The resource of a job from its row. Postgres writes the timestamps in `jsonb` as RFC 3339.
fn resource(mut row: Value, id: &JobId) -> Result<SummaryResource, BoxError> {
    row["id"] = json!(id.to_string());
    row["links"] = json!(crate::job::Links::of(id));
    parse_value(row)
}
