//! Lists the finished jobs of a tenant, the newest first.

use serde_json::{Value, json};
use sqlx::{Row, types::Json};

use super::Archive;
use crate::{
    job::{Filter, JobId, Lane, Links, Listed, RegionTag, Span, Status, TenantId},
    store::{BoxError, Store, StoreError, parse_value},
};

/// What a list shows of a job: everything except its result.
macro_rules! shown {
    () => {
        "
SELECT id, region,
       jsonb_build_object('status', status, 'lane', lane, 'region', region, 'created_at', created_at, 'started_at', started_at,
           'finished_at', finished_at, 'expires_at', expires_at, 'deferred', deferred, 'request', request, 'error', error,
           'attempts', attempts) AS job
FROM summaries"
    };
}

/// The inner query reads only an index. Its rows are then read by their ids, without their results.
/// The bounds of the ids stand there once more, because they keep the other partitions out of the
/// plan.
pub const LIST: &str = concat!(
    shown!(),
    "
WHERE id BETWEEN $2 AND $3 AND id = ANY (ARRAY(
    SELECT id FROM summaries
    WHERE tenant = $1 AND id BETWEEN $2 AND $3 AND status <> 'erased' AND expires_at > now()
      AND ($4::text IS NULL OR status = $4) AND ($5::text IS NULL OR lane = $5)
    ORDER BY id DESC LIMIT $6))
ORDER BY id DESC"
);

/// The same for jobs with an entry of metadata.
pub const LIST_BY_METADATA: &str = concat!(
    shown!(),
    "
WHERE tenant = $1 AND id BETWEEN $2 AND $3 AND status <> 'erased' AND expires_at > now()
  AND ($4::text IS NULL OR status = $4) AND ($5::text IS NULL OR lane = $5)
  AND request -> 'metadata' @> $7
ORDER BY id DESC LIMIT $6"
);

impl Archive {
    /// Up to `most` finished jobs of a tenant, the newest first. The reader may answer if it has
    /// the write `newest`.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn list(
        &self,
        tenant: &TenantId,
        span: Span,
        filter: &Filter,
        most: usize,
        newest: Option<i64>,
    ) -> Result<Vec<Listed>, StoreError> {
        const OPERATION: &str = "list finished jobs";
        let statement = if filter.metadata.is_some() { LIST_BY_METADATA } else { LIST };
        let query = || {
            let mut query = sqlx::query(statement)
                .bind(tenant.as_str())
                .bind(span.from)
                .bind(span.to)
                .bind(filter.status.map(Status::as_str))
                .bind(filter.lane.map(Lane::as_str))
                .bind(i64::try_from(most).unwrap_or(i64::MAX));
            if let Some((key, value)) = &filter.metadata {
                query = query.bind(Json(json!({ key: value })));
            }
            vec![query]
        };
        let rows = self.shown(tenant, newest, query, OPERATION).await?;
        let jobs: Result<_, BoxError> = rows
            .iter()
            .flatten()
            .map(|row| listed(row.get("id"), row.get("region"), row.get("job")))
            .collect();
        jobs.map_err(StoreError::because(Store::Archive, OPERATION))
    }
}

fn listed(uuid: uuid::Uuid, region: &str, mut job: Value) -> Result<Listed, BoxError> {
    let id = JobId::new(RegionTag::from_region(region), uuid);
    job["links"] = json!(Links::of(&id));
    job["id"] = json!(id);
    parse_value(job)
}
