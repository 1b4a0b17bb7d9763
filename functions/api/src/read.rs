//! `GET /v1/summaries/{id}`: reads a job with its summary.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Extension, Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use shared::{
    archive::Archived,
    job::{JobId, Scope, SummaryResource, TenantId},
    problem::{Kind, Problem},
    store::{Chain, Store, StoreError, in_time},
};

use time::{Duration, OffsetDateTime};
use tokio::time::Instant;

use crate::{
    auth::Caller,
    conditional::Validators,
    context::Context,
    estimate::estimate,
    fields::{Chosen, Fields, Shown},
    object::{found, query},
    preference,
    rates::Rates,
};

/// How long after its submission an unfinished job in the cache is believed without asking the
/// ledger.
const BELIEVED: Duration = Duration::seconds(10);
/// How long the ledger is waited for while the cache knows the job.
const TIMEOUT: std::time::Duration = std::time::Duration::from_millis(500);

/// Read a summary
///
/// Repeat this request until `status` is `succeeded`, `failed` or `canceled`. The header `Retry-After`
/// gives the seconds to wait before the next request. With the header `Prefer: wait=N` the request
/// itself waits up to N seconds (10 at most) for the end of the job. Send the last `ETag` as
/// `If-None-Match`, or the last `Last-Modified` as `If-Modified-Since`, and a job that has not changed is
/// answered without a body.
#[utoipa::path(
    get,
    path = "/v1/summaries/{id}",
    operation_id = "readSummary",
    params(
        ("id" = String, Path, description = "The id of the job, from the answer to its submission.", example = "sum_use1_01JDCR0W00E05BQ75SEB3D7PSV"),
        ("fields" = Option<String>, Query, description = "The fields that the answer has, separated by commas, such as `status,finished_at`. Absent: all.", example = "status"),
        ("Prefer" = Option<String>, Header, description = "`wait=N` waits up to N seconds, 10 at most, for the end of the job (RFC 7240).", example = "wait=10"),
    ),
    responses(
        (status = 200, description = "The job in its present state, or those of its fields that `fields` names.", body = Shown, headers(("ETag"), ("Last-Modified"), ("Preference-Applied"), ("Retry-After" = u32, description = "Seconds to wait before the next request. Absent when the job has finished."))),
        (status = 304, description = "The job has not changed since the answer that the client has."),
        (status = 422, description = "`fields` names a field that a job does not have.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The key does not have the scope `summaries:read`, or its tenant is suspended.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The tenant of this API key has no job with this id, or its summary has expired or was erased.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A store does not answer. Try again after `Retry-After` seconds.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Extension(rates): Extension<Rates>,
    id: Result<Path<JobId>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.may(Scope::SummariesRead)?;
    let holder = caller.0;
    // The id of another tenant's job gets the answer of an unknown one too.
    let id = found(id)?;
    let chosen = query::<Fields>(&uri)?.chosen()?;
    let tenant = &holder.tenant.id;
    let level = context.level.current().await;
    let wait = preference::wait(&headers).filter(|_| level.may_wait());
    let until = Instant::now() + preference::duration(wait.unwrap_or_default());
    let cached = match context.cache.find_for(tenant, &id, &holder.key, &holder.limits).await {
        Ok((cached, left)) => {
            rates.note_left(left);
            cached
        }
        Err(error) => without_cache(&error),
    };
    let job = find_beside(&context, tenant, &id, cached).await?;
    let mut resource = job.ok_or_else(|| Problem::of(Kind::NotFound))?;
    if wait.is_some() && !resource.status().is_final() {
        let waited = after_waiting(&context, tenant, &id, until).await?;
        resource = waited.ok_or_else(|| Problem::of(Kind::NotFound))?;
    }
    let poll = (!resource.status().is_final()).then(|| level.poll_seconds());
    estimate(&context, &mut resource).await;
    let mut response = respond(&resource, &chosen, poll, &headers);
    if let Some(seconds) = wait {
        preference::applied(response.headers_mut(), seconds);
    }
    Ok(response)
}

/// The job after it has finished, or as it is at the moment `until`. `None` if it does not exist.
pub(crate) async fn after_waiting(
    context: &Context,
    tenant: &TenantId,
    id: &JobId,
    until: Instant,
) -> Result<Option<SummaryResource>, StoreError> {
    let mut waiting = context.cache.wait_for(tenant, id).await;
    let mut is_over = false;
    let outcome = loop {
        let found = find(context, tenant, id).await;
        let is_open = matches!(&found, Ok(Some(resource)) if !resource.status().is_final());
        if is_over || !is_open {
            break found;
        }
        // It is read once more when the time is over, because nobody may have said that it finished.
        is_over = !waiting.woken(until).await;
    };
    waiting.end().await;
    outcome
}

fn without_cache(error: &StoreError) -> Option<SummaryResource> {
    tracing::warn!(error = %Chain(error), "The cache did not answer. The job is read from the archive or the ledger instead.");
    None
}

/// Looks for a job in all stores.
pub(crate) async fn find(context: &Context, tenant: &TenantId, id: &JobId) -> Result<Option<SummaryResource>, StoreError> {
    let cached = context.cache.find(tenant, id).await.unwrap_or_else(|error| without_cache(&error));
    find_beside(context, tenant, id, cached).await
}

/// Looks for a job in the archive, then in the ledger, if the cache does not know it. The ledger
/// keeps a finished job for three days after it was entered into the archive, so that a job cannot be
/// missed between the two. A job that none of the three has does not exist.
///
/// The cache is not told of a finished job if it does not answer at that moment. So an unfinished
/// job in the cache is believed only for some seconds. After that the ledger is asked too, which also
/// knows the attempts that have failed.
async fn find_beside(
    context: &Context,
    tenant: &TenantId,
    id: &JobId,
    cached: Option<SummaryResource>,
) -> Result<Option<SummaryResource>, StoreError> {
    if let Some(cached) = cached {
        if cached.status().is_final() || OffsetDateTime::now_utc() - cached.created_at < BELIEVED {
            return Ok(Some(cached));
        }
        return Ok(Some(recorded(context, tenant, cached).await));
    }
    let archived = match archived(context, tenant, id).await {
        Ok(Archived::Finished(job)) => return Ok(Some(job.resource)),
        Ok(Archived::Erased) => return Ok(None),
        Ok(Archived::Unknown) => Ok(None),
        Err(error) => Err(error),
    };
    match context.ledger.find(id).await? {
        Some(job) if job.tenant == *tenant => Ok(Some(job.resource)),
        // The job of another tenant has the same answer as a job that does not exist, also while
        // the archive does not answer.
        _ => archived,
    }
}

async fn archived(context: &Context, tenant: &TenantId, id: &JobId) -> Result<Archived, StoreError> {
    let newest = context.completion.newest_write(tenant).await?;
    context.archive.show(tenant, id, newest).await
}

/// An unfinished job of the cache as the ledger knows it. If the ledger does not know it or does not
/// answer, it is the job of the cache.
async fn recorded(context: &Context, tenant: &TenantId, cached: SummaryResource) -> SummaryResource {
    match in_time(Store::Ledger, "find a job", TIMEOUT, context.ledger.find(&cached.id)).await {
        Ok(Some(job)) if job.tenant == *tenant => {
            let mut recorded = job.resource;
            if let Some(started_at) = cached.started_at() {
                // This is refused if the job has finished meanwhile, which changes nothing.
                let _ = recorded.start(started_at);
            }
            recorded
        }
        Ok(_) => cached,
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "The ledger did not answer. The job is shown as the cache knows it.");
            cached
        }
    }
}

/// The answer to a read. `poll` is how many seconds a client should wait before it reads an
/// unfinished job again.
fn respond(resource: &SummaryResource, chosen: &Chosen, poll: Option<u16>, headers: &HeaderMap) -> Response {
    let validators = Validators::of(resource);
    let mut response = if validators.are_known(headers) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(chosen.of(resource)).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    validators.add_to(headers);
    if let Some(seconds) = poll {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
