//! `POST /v1/summaries`: accepts a text as a new job.

use std::sync::Arc;

use axum::{
    Json,
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use shared::{
    directory::{Holder, Tenant},
    job::{
        Document, Job, JobId, Limits, Links, Message, RegionTag, RequestOptions, Submission, SummarizeMessage, SummaryResource,
        fingerprint, route,
    },
    problem::{Kind, Problem},
    store::{Chain, StoreError},
    summarizer::ENGINE,
    telemetry::metric,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{auth::Caller, context::Context};

/// The header that says whether the result came from the cache. Its value is `hit` or `miss`.
const CACHE_HEADER: HeaderName = HeaderName::from_static("summarease-cache");

/// Submit a text
///
/// If the same text was summarised with the same options during the last day, the answer is the
/// finished summary (`200`), unless it has more than 512 KiB of JSON. Otherwise the answer is a new
/// job (`202`). Read the job until its `status` is `succeeded` or `failed`.
#[utoipa::path(
    post,
    path = "/v1/summaries",
    operation_id = "submitSummary",
    request_body = Submission,
    responses(
        (status = 200, description = "The summary of an earlier submission with the same text and options.", body = SummaryResource, headers(("Location"), ("Summarease-Cache"))),
        (status = 202, description = "The job was accepted and is stored. Read it at the address in `Location`.", body = SummaryResource, headers(("Location"), ("Retry-After" = u32), ("Summarease-Cache"))),
        (status = 400, description = "The body is not JSON, or not UTF-8.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The request has no valid API key.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large. Split the document.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not declared as JSON. Send `Content-Type: application/json`.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Some fields are invalid. `errors` names each of them, with what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A store does not answer, and no job was accepted. Try again after `Retry-After` seconds.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn submit(
    State(context): State<Arc<Context>>,
    Caller(Holder { tenant, .. }): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (text, options) = parse(&headers, body).await?;
    let fingerprint = fingerprint(ENGINE, &options, &text);
    match context.cache.reuse(&tenant.id, &fingerprint).await {
        Ok(Some(known)) => {
            metrics::counter!(metric::CACHE_HITS).increment(1);
            return Ok(respond(StatusCode::OK, "hit", known, None));
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "The cache did not answer. The text is summarised again, even if its result is known.");
        }
    }
    let accepted = accept(&context, &tenant, text, options, fingerprint).await?;
    let poll = context.level.current().await.poll_seconds();
    Ok(respond(StatusCode::ACCEPTED, "miss", accepted, Some(poll)))
}

async fn parse(headers: &HeaderMap, body: Body) -> Result<(String, RequestOptions), Problem> {
    let mime = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mime = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if mime != "application/json" && !(mime.starts_with("application/") && mime.ends_with("+json")) {
        return Err(Problem::of(Kind::UnsupportedMediaType));
    }
    let too_large = || {
        Problem::new(
            Kind::PayloadTooLarge,
            format!(
                "The body is longer than the limit of {} bytes. Split the document.",
                Limits::BODY_BYTES
            ),
        )
    };
    let body = to_bytes(body, Limits::BODY_BYTES).await.map_err(|_| too_large())?;
    Ok(Submission::parse(&body)?)
}

/// Records the job in the ledger, then sends it to its lane. When this function has returned `Ok`,
/// the job is stored and will be worked on, even if this function stops at once.
async fn accept(
    context: &Context,
    tenant: &Tenant,
    text: String,
    options: RequestOptions,
    fingerprint: String,
) -> Result<SummaryResource, StoreError> {
    let id = JobId::new(RegionTag::from_region(&context.region), Uuid::now_v7());
    let lane = route(tenant.plan, options.priority, text.len());
    let created_at = OffsetDateTime::now_utc();
    let resource = SummaryResource::queued(id.clone(), lane, context.region.clone(), created_at, options.clone());
    let bytes = text.len();
    let document = if Document::fits_message(&text) {
        Document::Inline(text)
    } else {
        Document::Stored(context.documents.store(&tenant.id, &id, text).await?)
    };
    let job = Job {
        tenant: tenant.id.clone(),
        resource,
    };
    context.ledger.accept(&job).await?;
    let resource = job.resource;
    let document_bytes = matches!(document, Document::Stored(_)).then_some(bytes);
    let message = Message::Summarize(SummarizeMessage {
        job: id.clone(),
        tenant: tenant.id.clone(),
        lane,
        created_at,
        options,
        document,
        document_bytes,
        fingerprint,
    });
    if let Err(error) = context.lanes[lane].send(&tenant.id, message.to_body()).await {
        // The client was not told of the job yet, and no worker will receive it. So it is removed.
        if let Err(error) = context.ledger.withdraw(&id).await {
            tracing::warn!(error = %Chain(&error), "A job could not be sent to its lane, and could not be removed from the ledger either. It expires there.");
        }
        return Err(error);
    }
    if let Err(error) = context.cache.queued(&tenant.id, &resource).await {
        tracing::warn!(error = %Chain(&error), "A queued job was not written to the cache. Reads find it in the ledger.");
    }
    metrics::counter!(metric::ACCEPTED, "lane" => lane.as_str()).increment(1);
    tracing::info!(job = %resource.id, tenant = %tenant.id, %lane, "A job was accepted.");
    Ok(resource)
}

fn respond(status: StatusCode, cache: &'static str, resource: SummaryResource, poll: Option<u16>) -> Response {
    let location = HeaderValue::from_str(&Links::of(&resource.id).this);
    let mut response = (status, Json(resource)).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_HEADER, HeaderValue::from_static(cache));
    if let Ok(location) = location {
        headers.insert(header::LOCATION, location);
    }
    if let Some(seconds) = poll {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
