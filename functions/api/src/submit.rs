//! `POST /v1/summaries`.

use std::sync::Arc;

use axum::{
    Json,
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use shared::{
    directory::Tenant,
    job::{
        Document, INLINE_DOCUMENT_BYTES, Job, JobId, Limits, Links, Message, RegionTag, RequestOptions, Submission, SummarizeMessage,
        SummaryResource, fingerprint, route,
    },
    problem::{Kind, Problem},
    store::{Chain, StoreError},
    summarizer::ENGINE,
    telemetry::metric,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{auth::Caller, context::Context};

/// Says whether the result came from the cache: `hit` or `miss`.
const CACHE_HEADER: HeaderName = HeaderName::from_static("summarease-cache");

/// Submit a text
///
/// The answer is the finished summary if the same text was summarised with the same options
/// before (`200`), else a job that will become `succeeded` or `failed` (`202`).
#[utoipa::path(
    post,
    path = "/v1/summaries",
    operation_id = "submitSummary",
    request_body = Submission,
    responses(
        (status = 200, description = "Known already; finished", body = SummaryResource, headers(("Location"), ("Summarease-Cache"))),
        (status = 202, description = "Accepted; it will not be lost", body = SummaryResource, headers(("Location"), ("Retry-After" = u32), ("Summarease-Cache"))),
        (status = 400, description = "No JSON, or no UTF-8", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid API key", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Split the document", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Send `application/json`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`errors` names every field that cannot stand", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing was accepted; try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn submit(
    State(context): State<Arc<Context>>,
    Caller(tenant): Caller,
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
            tracing::warn!(error = %Chain(&error), "The cache did not answer; the job is submitted without a look for a known result.")
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
            format!("The body may have {} bytes. Split the document.", Limits::BODY_BYTES),
        )
    };
    let body = to_bytes(body, Limits::BODY_BYTES).await.map_err(|_| too_large())?;
    Ok(Submission::parse(&body)?)
}

/// Writes the job down, then queues it. Once this returns, the job cannot be lost.
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
    let document = if text.len() > INLINE_DOCUMENT_BYTES {
        Document::Stored(context.documents.store(&tenant.id, &id, text).await?)
    } else {
        Document::Inline(text)
    };
    let job = Job {
        tenant: tenant.id.clone(),
        resource,
    };
    context.ledger.accept(&job).await?;
    let resource = job.resource;
    let message = Message::Summarize(SummarizeMessage {
        job: id.clone(),
        tenant: tenant.id.clone(),
        lane,
        created_at,
        options,
        document,
        fingerprint,
    });
    if let Err(error) = context.lanes[lane].send(&tenant.id, message.to_body()).await {
        // Nothing was promised yet: leave no trace of a job that will never run.
        if let Err(error) = context.ledger.withdraw(&id).await {
            tracing::warn!(error = %Chain(&error), "A job that was not queued could not be removed from the ledger.");
        }
        return Err(error);
    }
    if let Err(error) = context.cache.queued(&tenant.id, &resource).await {
        tracing::warn!(error = %Chain(&error), "The cache did not learn of a queued job.");
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
