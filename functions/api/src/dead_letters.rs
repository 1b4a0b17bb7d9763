//! `/v1/dead-letters`: an operator looks at the messages for which jobs have failed, sends them to their
//! lanes again, or deletes them.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;
use shared::{
    archive::{Letter, LetterStatus, in_utc},
    directory::Action,
    job::{JobId, Lane, Message, Scope, SummaryResource, TenantId},
    kill::{self, Step},
    problem::{Kind, Problem},
};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::ToSchema;

use crate::{
    answers::{Guarded, Paging, WithQuery},
    auth::{Acting, Caller},
    context::Context,
    object::{found, from_parameters},
    paging::{Listed, Part},
};

/// The parameters of the list that are filters.
const FILTERS: [&str; 8] = ["tenant", "lane", "region", "reason", "job", "status", "parked_from", "parked_to"];

/// Why a letter without its body can be neither replayed nor purged.
const NO_MESSAGE: &str = "The message is not in the documents bucket of this region. Another region has it, if the letter names none, or it was deleted, so that its client has to submit the document again.";
/// How long after it was parked a letter can be replayed or purged. The function that parks it may still write to the
/// ledger and the cache for some seconds.
pub(crate) const SETTLES: Duration = Duration::minutes(2);

/// A message that no worker could finish. If it asked for a summary, its job has failed.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLetter {
    /// The id that SQS gave the message.
    #[schema(examples("5d41402a-bc4b-4a76-b971-9d911017c592"))]
    id: String,
    status: LetterStatus,
    lane: Lane,
    /// The region that keeps the message. Only its API can replay or purge it.
    #[schema(examples("us-east-1"))]
    region: String,
    /// The job that the message names. Absent if the message is not readable.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, examples("sum_use1_01JDCR0W00E05BQ75SEB3D7PSV"))]
    job: Option<JobId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, examples("acme"))]
    tenant: Option<TenantId>,
    /// The failure code of the job, if it asked for a summary.
    #[schema(examples("retries_exhausted"))]
    reason: String,
    /// How often the message was received from its lane, 20 times at most.
    receives: i32,
    /// When the message was taken from its dead-letter queue, RFC 3339.
    #[serde(with = "time::serde::rfc3339")]
    parked_at: OffsetDateTime,
    /// When the message was sent to its lane again, RFC 3339.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    replayed_at: Option<OffsetDateTime>,
}

/// A dead letter with its job.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLetterWithJob {
    #[serde(flatten)]
    letter: DeadLetter,
    /// The key of the message's body in the documents bucket of its region.
    #[schema(examples("dead-letters/standard/5d41402a-bc4b-4a76-b971-9d911017c592"))]
    body_key: String,
    /// The job as it is now, with its attempts, its error, and without its result. Absent if it has expired
    /// or was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<shared::job::Listed>,
}

impl DeadLetter {
    fn of(letter: Letter, here: &str) -> Self {
        let job = letter.job(here);
        Self {
            id: letter.message_id,
            status: if letter.replayed_at.is_some() {
                LetterStatus::Replayed
            } else {
                LetterStatus::Parked
            },
            lane: letter.lane,
            region: letter.region.unwrap_or_else(|| here.to_owned()),
            job,
            tenant: letter.job.map(|(_, tenant)| tenant),
            reason: letter.reason,
            receives: letter.receives,
            parked_at: letter.parked_at,
            replayed_at: letter.replayed_at,
        }
    }
}

/// List dead letters
///
/// A message becomes a dead letter if no worker could finish it in 20 deliveries, and the service does not
/// send it to its lane again by itself. The letters of all tenants are listed, the newest first. They are
/// kept for 60 days.
#[utoipa::path(
    get,
    path = "/v1/dead-letters",
    operation_id = "listDeadLetters",
    params(
        ("tenant" = Option<String>, Query, description = "Only letters of this tenant.", example = "acme"),
        ("lane" = Option<Lane>, Query, description = "Only letters of this lane.", example = "standard"),
        ("region" = Option<String>, Query, description = "Only letters that this region keeps.", example = "us-east-1"),
        ("reason" = Option<String>, Query, description = "Only letters whose jobs have failed with this code.", example = "retries_exhausted"),
        ("job" = Option<String>, Query, description = "Only letters of this job.", example = "sum_use1_01JDCR0W00E05BQ75SEB3D7PSV"),
        ("status" = Option<LetterStatus>, Query, description = "Only letters with this status.", example = "parked"),
        ("parked_from" = Option<String>, Query, description = "Only letters that were parked at this moment or later (RFC 3339).", example = "2026-11-01T00:00:00Z"),
        ("parked_to" = Option<String>, Query, description = "Only letters that were parked before this moment (RFC 3339).", example = "2026-12-01T00:00:00Z"),
        Paging,
    ),
    responses(
        (status = 200, description = "A page of dead letters.", body = Listed<DeadLetter>),
        Guarded,
        WithQuery,
    )
)]
pub(crate) async fn list(State(context): State<Arc<Context>>, caller: Caller, uri: Uri) -> Result<Json<Listed<DeadLetter>>, Problem> {
    caller.may(Scope::Admin)?;
    let part = Part::read(&uri, &FILTERS)?;
    let after = part.after(|text| read_place(&text))?;
    let filter = from_parameters(part.own)?;
    let page = context.archive.dead_letters(&filter, part.limit, after.as_ref()).await?;
    let listed = page.map(|letter| DeadLetter::of(letter, &context.region));
    Ok(Json(Listed::of(listed, place)))
}

/// Read a dead letter
#[utoipa::path(
    get,
    path = "/v1/dead-letters/{id}",
    operation_id = "readDeadLetter",
    params(("id" = String, Path, description = "The id of the dead letter.", example = "5d41402a-bc4b-4a76-b971-9d911017c592")),
    responses(
        (status = 200, description = "The dead letter, and its job.", body = DeadLetterWithJob),
        (status = 404, description = "There is no such dead letter.", body = Problem, content_type = "application/problem+json"),
        Guarded,
    )
)]
pub(crate) async fn read(
    State(context): State<Arc<Context>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<DeadLetterWithJob>, Problem> {
    caller.may(Scope::Admin)?;
    let letter = kept(&context, &found(id)?).await?;
    let job = letter
        .job(&context.region)
        .zip(letter.job.as_ref().map(|(_, tenant)| tenant.clone()));
    let summary = match job {
        Some((id, tenant)) => crate::read::find(&context, &tenant, &id).await?,
        None => None,
    };
    Ok(Json(DeadLetterWithJob {
        body_key: letter.body_key.clone(),
        letter: DeadLetter::of(letter, &context.region),
        summary: summary.as_ref().map(shared::job::Listed::from),
    }))
}

/// Replay a dead letter
///
/// The message is sent to its lane again, and its job is `queued` again, with the same id. Its attempts so
/// far stay in its history, and one named `replayed` says where the new ones begin. To replay a letter again
/// whose job is still unfinished does no harm. A letter can be replayed two minutes after it was parked.
#[utoipa::path(
    post,
    path = "/v1/dead-letters/{id}/replay",
    operation_id = "replayDeadLetter",
    params(("id" = String, Path, description = "The id of the dead letter.", example = "5d41402a-bc4b-4a76-b971-9d911017c592")),
    responses(
        (status = 202, description = "The job, which is queued again.", body = SummaryResource),
        (status = 404, description = "There is no such dead letter.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The letter cannot be replayed. `detail` says why.", body = Problem, content_type = "application/problem+json"),
        Guarded,
    )
)]
pub(crate) async fn replay(
    State(context): State<Arc<Context>>,
    acting: Acting,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    acting.caller.may(Scope::Admin)?;
    let letter = kept(&context, &found(id)?).await?;
    let resource = send_again(&context, &acting, &letter).await?;
    Ok((StatusCode::ACCEPTED, Json(resource)).into_response())
}

/// Purge a dead letter
///
/// The message is deleted, and cannot be replayed any more. Its job stays as it is.
#[utoipa::path(
    delete,
    path = "/v1/dead-letters/{id}",
    operation_id = "purgeDeadLetter",
    params(("id" = String, Path, description = "The id of the dead letter.", example = "5d41402a-bc4b-4a76-b971-9d911017c592")),
    responses(
        (status = 204, description = "The dead letter is deleted."),
        (status = 404, description = "There is no such dead letter.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Another region keeps the letter.", body = Problem, content_type = "application/problem+json"),
        Guarded,
    )
)]
pub(crate) async fn purge(
    State(context): State<Arc<Context>>,
    acting: Acting,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    acting.caller.may(Scope::Admin)?;
    let letter = kept(&context, &found(id)?).await?;
    delete(&context, &acting, &letter).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The letter with this id.
async fn kept(context: &Context, id: &str) -> Result<Letter, Problem> {
    // PostgreSQL does not take this character.
    let letter = if id.contains('\0') {
        None
    } else {
        context.archive.dead_letter(id).await?
    };
    letter.ok_or_else(|| Problem::new(Kind::NotFound, "There is no such dead letter. `GET /v1/dead-letters` lists them."))
}

/// Opens the job of a letter again, and sends its message to its lane. A refusal is a conflict, and has no
/// entry in the audit log if it is certain before the act begins.
pub(crate) async fn send_again(context: &Context, acting: &Acting, letter: &Letter) -> Result<SummaryResource, Problem> {
    is_ready(context, letter)?;
    let (Some(id), Some((_, tenant))) = (letter.job(&context.region), &letter.job) else {
        return Err(conflict(
            "The message names no job, so that no worker can do anything with it. Read it in the documents bucket, under the `body_key` of `GET /v1/dead-letters/{id}`, and purge the letter.",
        ));
    };
    let replayable = context.completion.replayable(tenant, &id).await?;
    let job = replayable.map_err(|why| conflict(&format!("The letter cannot be replayed, because {why}. Purge the letter.")))?;
    let Some(body) = context.documents.fetch(&letter.body_key).await? else {
        return Err(conflict(NO_MESSAGE));
    };
    note(context, acting, letter, Action::DeadLetterReplayed).await?;
    let Some(job) = context.completion.reopen(job).await? else {
        return Err(conflict(
            "The job of this letter was changed by others at the same moment. Read the letter again, and then decide what to do.",
        ));
    };
    context.lanes[letter.lane].send(tenant, Message::again(&body)).await?;
    kill::at(Step::Resent);
    context.archive.replayed(&letter.message_id).await?;
    tracing::warn!(job = %id, %tenant, lane = %letter.lane, "An operator has sent a dead letter to its lane again.");
    Ok(job.resource)
}

/// Deletes a letter and its body.
pub(crate) async fn delete(context: &Context, acting: &Acting, letter: &Letter) -> Result<(), Problem> {
    is_ready(context, letter)?;
    if letter.region.is_none() && context.documents.fetch(&letter.body_key).await?.is_none() {
        return Err(conflict(NO_MESSAGE));
    }
    note(context, acting, letter, Action::DeadLetterPurged).await?;
    context.documents.discard(&letter.body_key).await?;
    kill::at(Step::Discarded);
    context.archive.purge(&letter.message_id).await?;
    tracing::warn!(message = letter.message_id, lane = %letter.lane, "An operator has deleted a dead letter.");
    Ok(())
}

/// Whether something can be done with a letter: its region is this one, because the bucket and the lanes of
/// a region are reached only from there, and nobody is parking it any more.
fn is_ready(context: &Context, letter: &Letter) -> Result<(), Problem> {
    if let Some(region) = letter.region.as_ref().filter(|region| **region != context.region) {
        let detail = format!("The region {region} keeps this letter. Send the request to its address.");
        return Err(Problem::new(Kind::Conflict, detail));
    }
    if letter.parked_at + SETTLES > OffsetDateTime::now_utc() {
        return Err(conflict(
            "The letter was parked less than two minutes ago, and its job may still be recorded. Send the request again in two minutes.",
        ));
    }
    Ok(())
}

fn conflict(why: &str) -> Problem {
    Problem::new(Kind::Conflict, why)
}

/// Writes into the audit log what is about to be done.
async fn note(context: &Context, acting: &Acting, letter: &Letter, action: Action) -> Result<(), Problem> {
    let tenant = letter.job.as_ref().map_or(&acting.by.tenant, |(_, tenant)| tenant);
    let changes = json!({"job": letter.job(&context.region), "reason": letter.reason});
    let noted = context
        .directory
        .note(&acting.by, tenant, action, &letter.message_id, changes)
        .await;
    noted.map_err(Problem::from)
}

/// Where a page ends.
fn place(letter: &DeadLetter) -> String {
    format!("{}/{}", letter.parked_at.format(&Rfc3339).unwrap_or_default(), letter.id)
}

fn read_place(text: &str) -> Option<(OffsetDateTime, String)> {
    let (at, id) = text.split_once('/')?;
    Some((in_utc(at)?, id.to_owned())).filter(|_| !id.contains('\0'))
}
