//! `POST /v1/summaries`: accepts a text as a new job.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use shared::{
    cache::{Admission, Candidate, Left, Wanted},
    capacity::Level,
    directory::Holder,
    job::{ExpiresIn, Job, JobId, Lane, Links, RegionTag, RequestOptions, Scope, Submission, SummaryResource, fingerprint, route},
    ledger::{Earlier, Repeatable},
    problem::{Kind, Problem},
    quota::Verdict,
    store::Chain,
    summarizer::ENGINE,
    telemetry::metric,
};
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    acceptance::{Acceptance, Accepted},
    auth::Caller,
    body,
    context::Context,
    estimate::estimate,
    idempotency, inline,
    object::invalid,
    preference,
    rates::{Rates, seconds},
    read,
    trace::TraceId,
};

/// The header that says whether the result came from the cache. Its value is `hit` or `miss`.
const CACHE_HEADER: HeaderName = HeaderName::from_static("summarease-cache");
/// The header that says that a job was accepted over the rate of its tenant. Its value is `deferred`.
const ADMISSION_HEADER: HeaderName = HeaderName::from_static("summarease-admission");

/// Submit a text
///
/// The answer is a new job (`202`). Read it until its `status` is `succeeded`, `failed` or `canceled`.
/// If the same text was summarised with the same options during the last day, the answer is the
/// finished job of then (`200`), unless it has more than 512 KiB of JSON, or `expires_in` is given.
///
/// With the header `Prefer: wait=N` the request waits up to N seconds (10 at most) for the end of the
/// job. A text of up to 32 KiB is usually summarised inside the request. If the job has finished, the
/// answer is `200` with its result, otherwise `202`.
///
/// With the header `Idempotency-Key` a submission can be repeated for 24 hours: the same key with the
/// same body is answered with the same job.
///
/// A submission over the rate of its key or tenant is accepted into the bulk lane, and the answer has
/// the header `Summarease-Admission: deferred`. Only if the allowance for such jobs is used up, it is
/// refused (`429`).
#[utoipa::path(
    post,
    path = "/v1/summaries",
    operation_id = "submitSummary",
    request_body = Submission,
    params(
        ("Prefer" = Option<String>, Header, description = "`wait=N` waits up to N seconds, 10 at most, for the end of the job (RFC 7240).", example = "wait=10"),
        ("Idempotency-Key" = Option<String>, Header, description = "A value that is new for each submission, of 1 to 255 printable ASCII characters. A repetition with the same value makes no second job.", example = "8e03978e-40d5-43e8-bc93-6894a57f9324"),
    ),
    responses(
        (status = 200, description = "The finished job: of an earlier submission with the same text and options, or of this one if it asked to wait.", body = SummaryResource, headers(("Location"), ("Summarease-Cache"), ("Preference-Applied"))),
        (status = 202, description = "The job was accepted and is stored. Read it at the address in `Location`.", body = SummaryResource, headers(("Location"), ("Retry-After" = u32), ("Summarease-Cache"), ("Summarease-Admission"), ("Preference-Applied"))),
        (status = 400, description = "The body is not JSON, or not UTF-8.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The key does not have the scope `summaries:write`, or its tenant is suspended.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The job of this idempotency key has expired or was erased. Send a new key.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large. Split the document.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Some fields are invalid, and `errors` names each of them with what is allowed. Or the idempotency key was used for another body.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "The rate and the allowance are used up, and no job was accepted. Try again after `Retry-After` seconds.", body = Problem, content_type = "application/problem+json", headers(("Retry-After" = u32))),
        (status = 503, description = "A store does not answer, and no job was accepted. Try again after `Retry-After` seconds.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn submit(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Extension(rates): Extension<Rates>,
    TraceId(trace): TraceId,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.may(Scope::SummariesWrite)?;
    let holder = caller.0;
    let asked = preference::wait(&headers);
    let until = Instant::now() + preference::duration(asked.unwrap_or_default());
    let (text, options) = Submission::parse(&body::json(&headers, body).await?)?;
    let level = context.level.current().await;
    let wait = asked.filter(|_| level.may_wait());
    let repeatable = idempotency::key(&headers)?.map(|key| Repeatable::new(&holder.tenant.id, &key, &idempotency::body(&options, &text)));
    let in_time = options.check_deadline(OffsetDateTime::now_utc());
    let is_unkept = options.expires_in.is_some_and(ExpiresIn::is_zero);
    if is_unkept {
        check_unkept(&text, asked, level, repeatable.as_ref())?;
    }
    let wanted = match (wait, options.expires_in) {
        (_, Some(_)) if is_unkept => Wanted::Nothing,
        (_, Some(_)) => Wanted::Queue,
        (Some(_), None) if level.runs_inline() && text.len() <= inline::BYTES => Wanted::Inline,
        _ => Wanted::Reuse,
    };
    let (admitted, deferred) = jobs(&context, &holder, &text, &options);
    if let Err(too_late) = in_time {
        // The deadline may have passed since the submission that this one repeats.
        let earlier = match &repeatable {
            Some(repeatable) => context.ledger.earlier(repeatable).await?,
            None => None,
        };
        let earlier = earlier.ok_or(too_late)?;
        return repeated(&context, &holder, earlier, None, wait, until).await;
    }
    let fingerprint = fingerprint(ENGINE, &options, &text);
    let candidate = Candidate {
        tenant: &holder.tenant.id,
        key: &holder.key,
        limits: &holder.limits,
        fingerprint: &fingerprint,
        admitted: &admitted,
        deferred: &deferred,
        wanted,
    };
    let Admission {
        decision,
        known,
        is_claimed,
    } = context.admission.admit(&candidate).await;
    rates.note_left(Left {
        key: decision.key,
        tenant: decision.tenant,
    });
    let resource = match decision.verdict {
        Verdict::Admitted => admitted,
        Verdict::Deferred => deferred,
        Verdict::Refused { wait } => return Err(refused(wait)),
    };
    let acceptance = Acceptance {
        job: Job {
            tenant: holder.tenant.id.clone(),
            key: Some(holder.key.clone()),
            resource,
        },
        text,
        options,
        fingerprint,
        repeatable,
        trace,
    };
    if let Some(known) = known {
        metrics::counter!(metric::CACHE_HITS).increment(1);
        let earlier = match &acceptance.repeatable {
            Some(repeatable) => context.ledger.answered(repeatable, &known.id, &holder.key).await?,
            None => None,
        };
        return match earlier {
            Some(earlier) => repeated(&context, &holder, earlier, Some(Box::new(acceptance)), wait, until).await,
            None => Ok(respond(StatusCode::OK, "hit", known, None, wait)),
        };
    }
    let accepted = if is_unkept {
        acceptance.finish_unkept(&context).await?
    } else if is_claimed {
        acceptance.finish_at_once(&context).await?
    } else {
        acceptance.queue(&context).await?
    };
    match accepted {
        Accepted::New(resource) => answer(&context, &holder, *resource, wait, until).await,
        Accepted::Earlier(earlier, unsent) => repeated(&context, &holder, earlier, Some(unsent), wait, until).await,
    }
}

/// Checks that a job of which nothing may be kept can be finished inside the request.
fn check_unkept(text: &str, asked: Option<u64>, level: Level, repeatable: Option<&Repeatable>) -> Result<(), Problem> {
    let wrong = |detail: String| invalid("#/expires_in", detail);
    if asked.is_none() {
        return Err(wrong(
            "The value 0 keeps nothing after the answer. Send the header `Prefer: wait=10`, so that the answer has the result.".to_owned(),
        ));
    }
    if repeatable.is_some() {
        return Err(wrong(
            "The value 0 keeps nothing, so that the submission cannot be repeated. Leave out the header `Idempotency-Key`.".to_owned(),
        ));
    }
    if text.len() > inline::BYTES {
        return Err(wrong(format!(
            "The value 0 is allowed for texts of at most {} bytes. This one has {}. Send 3600 or more.",
            inline::BYTES,
            text.len()
        )));
    }
    if !level.runs_inline() {
        return Err(Problem::new(
            Kind::Unavailable,
            "The service has too much work to summarise a text inside a request. Try again later, or send another `expires_in`.",
        ));
    }
    Ok(())
}

/// The job of a submission: within the rates, and over one of them.
fn jobs(context: &Context, holder: &Holder, text: &str, options: &RequestOptions) -> (SummaryResource, SummaryResource) {
    let id = JobId::new(RegionTag::from_region(&context.region), Uuid::now_v7());
    let lane = route(holder.tenant.plan, options.priority, text.len());
    let admitted = SummaryResource::queued(id, lane, context.region.clone(), OffsetDateTime::now_utc(), options.clone());
    let mut deferred = admitted.clone();
    (deferred.lane, deferred.deferred) = (Lane::Bulk, true);
    (admitted, deferred)
}

fn refused(wait: i64) -> Problem {
    metrics::counter!(metric::REFUSED).increment(1);
    Problem {
        retry_after: Some(seconds(wait).max(1)),
        ..Problem::of(Kind::TooManyRequests)
    }
}

/// The answer to a submission that repeats an earlier one.
async fn repeated(
    context: &Context,
    holder: &Holder,
    earlier: Earlier,
    unsent: Option<Box<Acceptance>>,
    wait: Option<u64>,
    until: Instant,
) -> Result<Response, Problem> {
    if !earlier.is_same {
        return Err(Problem::new(
            Kind::IdempotencyKeyReused,
            "The idempotency key was used for another submission in the last 24 hours. Send a new key for a new submission.",
        ));
    }
    let Some(resource) = read::find(context, &holder.tenant.id, &earlier.job).await? else {
        return Err(Problem::new(
            Kind::Conflict,
            "The job of this idempotency key has expired or was erased. Send a new key to submit the text again.",
        ));
    };
    if let Some(unsent) = unsent.filter(|_| !resource.status().is_final()) {
        unsent.send_again(context, &earlier, &resource).await?;
    }
    answer(context, holder, resource, wait, until).await
}

/// The answer with a job, after the wait that the client has asked for.
async fn answer(
    context: &Context,
    holder: &Holder,
    mut resource: SummaryResource,
    wait: Option<u64>,
    until: Instant,
) -> Result<Response, Problem> {
    if wait.is_some() && !resource.status().is_final() {
        // The job was accepted, so that an error of a store must not look like a refusal.
        match read::after_waiting(context, &holder.tenant.id, &resource.id, until).await {
            Ok(Some(read)) => resource = read,
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "An accepted job could not be read while its client waits. The answer shows it as queued.");
            }
        }
    }
    if resource.status().is_final() {
        return Ok(respond(StatusCode::OK, "miss", resource, None, wait));
    }
    estimate(context, &mut resource).await;
    let poll = context.level.current().await.poll_seconds();
    Ok(respond(StatusCode::ACCEPTED, "miss", resource, Some(poll), wait))
}

fn respond(status: StatusCode, cache: &'static str, resource: SummaryResource, poll: Option<u16>, waited: Option<u64>) -> Response {
    let location = HeaderValue::from_str(&Links::of(&resource.id).this);
    let is_deferred = resource.deferred;
    let mut response = (status, Json(resource)).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_HEADER, HeaderValue::from_static(cache));
    if is_deferred {
        headers.insert(ADMISSION_HEADER, HeaderValue::from_static("deferred"));
    }
    if let Ok(location) = location {
        headers.insert(header::LOCATION, location);
    }
    if let Some(seconds) = poll {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if let Some(seconds) = waited {
        preference::applied(headers, seconds);
    }
    response
}
