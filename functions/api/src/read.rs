//! `GET /v1/summaries/{id}`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use shared::{
    job::{JobId, SummaryResource, TenantId},
    problem::{Kind, Problem},
    store::{Chain, StoreError},
};

use crate::{auth::Caller, context::Context};

/// Read a summary
///
/// Poll this until `status` is `succeeded` or `failed`; `Retry-After` says when to come again,
/// and with `If-None-Match` an unchanged job costs no body.
#[utoipa::path(
    get,
    path = "/v1/summaries/{id}",
    operation_id = "readSummary",
    params(("id" = String, Path, description = "The id that the submission returned")),
    responses(
        (status = 200, description = "The job as it stands", body = SummaryResource, headers(("ETag"), ("Retry-After" = u32, description = "Seconds; only while unfinished"))),
        (status = 304, description = "Unchanged since the `ETag` in `If-None-Match`"),
        (status = 401, description = "No valid API key", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such summary of yours", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(
    State(context): State<Arc<Context>>,
    Caller(tenant): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // A malformed id and someone else's id get the same answer: neither teaches anything.
    let id: JobId = id.parse().map_err(|_| Problem::of(Kind::NotFound))?;
    let found = find(&context, &tenant.id, &id).await?;
    let resource = found.ok_or_else(|| Problem::of(Kind::NotFound))?;
    let poll = if resource.status().is_final() {
        None
    } else {
        Some(context.level.current().await.poll_seconds())
    };
    Ok(respond(resource, poll, &headers))
}

/// Cache, then archive, then ledger. The ledger still knows for days what entered the archive, so a
/// job that none of them has does not exist.
async fn find(context: &Context, tenant: &TenantId, id: &JobId) -> Result<Option<SummaryResource>, StoreError> {
    match context.cache.find(tenant, id).await {
        Ok(Some(resource)) => return Ok(Some(resource)),
        Ok(None) => {}
        Err(error) => tracing::warn!(error = %Chain(&error), "The cache did not answer; reading from the archive."),
    }
    let archived = context.archive.find(tenant, id).await;
    if let Ok(Some(resource)) = archived {
        return Ok(Some(resource));
    }
    match context.ledger.find(id).await? {
        Some(job) if job.tenant == *tenant => Ok(Some(job.resource)),
        Some(_) => Ok(None),
        None => archived,
    }
}

/// `poll`: seconds after which an unfinished job is worth another look.
fn respond(resource: SummaryResource, poll: Option<u16>, headers: &HeaderMap) -> Response {
    let tag = entity_tag(&resource);
    let unchanged = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|tags| {
            tags.split(',')
                .any(|candidate| candidate.trim().trim_start_matches("W/") == tag || candidate.trim() == "*")
        });
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(resource).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    if let Some(seconds) = poll {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// A tag that changes with everything that can change: the status, the time of finishing and the attempts.
fn entity_tag(resource: &SummaryResource) -> String {
    let state = format!(
        "{} {} {:?} {}",
        resource.id,
        resource.status().as_str(),
        resource.finished_at(),
        resource.attempts.len()
    );
    let hash = Sha256::digest(state);
    format!("\"{}\"", shared::job::hex(&hash[..12]))
}
