//! `/v1/dead-letters/selections`: an operator selects dead letters by a filter, sees which ones these are,
//! and then confirms what is to be done with them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::{
    archive::{Letter, LetterAct, LetterFilter, LetterStatus, Selection},
    directory::Action,
    job::{Lane, Scope},
    problem::{Kind, Problem},
};
use time::OffsetDateTime;
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    answers::{Guarded, WithBody},
    auth::Acting,
    context::Context,
    dead_letters::{SETTLES, delete, send_again},
    object::{Body, found, invalid},
};

/// How long one confirmation works. API Gateway waits for 30 seconds.
const TIME: Duration = Duration::from_secs(12);
/// A lane with so many waiting messages gets no dead letters back. `redrive` has the same number.
const FULL: f64 = 500.0;

/// What is to be done with which dead letters.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SelectionRequest {
    action: LetterAct,
    /// Which letters are meant. At least one field must be given. To replay, only parked letters are
    /// selected if `status` is absent, and none that was parked in the last two minutes.
    filter: LetterFilter,
}

/// The dead letters that a filter matched at one moment, the oldest first. Nothing is done with them before
/// the selection is confirmed, and no later letters join them.
#[derive(Serialize, ToSchema)]
pub(crate) struct SelectionResource {
    #[schema(examples("0193a5c0-7c1e-7d3a-9b52-6f1f0f6f2a11"))]
    id: String,
    action: LetterAct,
    /// How many letters are selected, 1,000 at most.
    count: usize,
    /// The ids of the letters.
    letters: Vec<String>,
    /// Whether more letters match than are selected. Select again when these are done.
    more: bool,
    /// Until when the selection can be confirmed, RFC 3339.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// What a confirmation has done.
#[derive(Serialize, ToSchema)]
pub(crate) struct Progress {
    /// How many letters were replayed or purged.
    done: usize,
    /// The letters with which nothing can be done. They leave the selection.
    skipped: Vec<Skipped>,
    /// How many letters are left. Confirm again until none is.
    left: usize,
}

/// A letter with which nothing can be done.
#[derive(Serialize, ToSchema)]
pub(crate) struct Skipped {
    /// The id of the letter.
    #[schema(examples("5d41402a-bc4b-4a76-b971-9d911017c592"))]
    id: String,
    /// Why.
    detail: String,
}

/// Select dead letters
///
/// This changes nothing. It answers with the letters that would be replayed or purged. The selection can be
/// confirmed for an hour.
#[utoipa::path(
    post,
    path = "/v1/dead-letters/selections",
    operation_id = "selectDeadLetters",
    request_body = SelectionRequest,
    responses(
        (status = 201, description = "The selection.", body = SelectionResource),
        Guarded,
        WithBody,
    )
)]
pub(crate) async fn create(
    State(context): State<Arc<Context>>,
    acting: Acting,
    Body(request): Body<SelectionRequest>,
) -> Result<Response, Problem> {
    acting.caller.may(Scope::Admin)?;
    let SelectionRequest { action, mut filter } = request;
    if filter == LetterFilter::default() {
        return Err(invalid(
            "#/filter",
            "The filter is empty, so that it would match every letter of every tenant. Give at least one of `tenant`, `lane`, `reason`, `job`, `status`, `parked_from` and `parked_to`.",
        ));
    }
    if action == LetterAct::Replay {
        filter.status.get_or_insert(LetterStatus::Parked);
        let settled = OffsetDateTime::now_utc() - SETTLES;
        filter.parked_to = Some(filter.parked_to.map_or(settled, |to| to.min(settled)));
    }
    let (selection, more) = context.archive.select_letters(action, &filter).await?;
    let resource = SelectionResource {
        id: selection.id.to_string(),
        action,
        count: selection.letters.len(),
        letters: selection.letters,
        more,
        expires_at: selection.expires_at,
    };
    Ok((StatusCode::CREATED, Json(resource)).into_response())
}

/// Confirm a selection
///
/// Does what was selected, for 12 seconds at most, the oldest letters first. If letters are left, confirm
/// again. To confirm again after an error goes on where the last call has stopped. Letters are not sent to
/// a lane in which 500 messages wait: the answer is then `503`.
#[utoipa::path(
    post,
    path = "/v1/dead-letters/selections/{id}/confirm",
    operation_id = "confirmSelection",
    params(("id" = String, Path, description = "The id of the selection.", example = "0193a5c0-7c1e-7d3a-9b52-6f1f0f6f2a11")),
    responses(
        (status = 200, description = "What was done, and how many letters are left.", body = Progress),
        (status = 404, description = "There is no such selection, or it has expired.", body = Problem, content_type = "application/problem+json"),
        Guarded,
    )
)]
pub(crate) async fn confirm(
    State(context): State<Arc<Context>>,
    acting: Acting,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Progress>, Problem> {
    acting.caller.may(Scope::Admin)?;
    let selection = match Uuid::try_parse(&found(id)?) {
        Ok(id) => context.archive.selection(id).await?,
        Err(_) => None,
    };
    let selection = selection.ok_or_else(|| {
        Problem::new(
            Kind::NotFound,
            "There is no such selection, or it was made more than an hour ago. Make a new one with `POST /v1/dead-letters/selections`.",
        )
    })?;
    let mut handled = Vec::new();
    let (mut progress, outcome) = work(&context, &selection, &mut handled).await;
    // What was done is noted also if the rest could not be done.
    context.archive.handled(selection.id, &handled).await?;
    if progress.done > 0 {
        let changes = json!({"action": selection.act, "done": progress.done, "selection": selection.id.to_string()});
        let action = match selection.act {
            LetterAct::Replay => Action::DeadLetterReplayed,
            LetterAct::Purge => Action::DeadLetterPurged,
        };
        let by = &acting.by;
        context.directory.note(by, &by.tenant, action, &selection.id, changes).await?;
    }
    outcome?;
    progress.left = selection.letters.len() - handled.len();
    Ok(Json(progress))
}

/// Replays or purges letters until the time is over. A letter that is refused does not stop the others.
async fn work(context: &Context, selection: &Selection, handled: &mut Vec<String>) -> (Progress, Result<(), Problem>) {
    let until = Instant::now() + TIME;
    let mut progress = Progress {
        done: 0,
        skipped: Vec::new(),
        left: 0,
    };
    let mut room = HashMap::new();
    for id in &selection.letters {
        if Instant::now() > until {
            break;
        }
        let outcome = match context.archive.dead_letter(id).await {
            Ok(Some(letter)) => one(context, selection.act, &letter, &mut room).await,
            Ok(None) => Err(Problem::new(Kind::NotFound, "The letter was purged, or has expired.")),
            Err(error) => return (progress, Err(error.into())),
        };
        match outcome {
            Ok(()) => progress.done += 1,
            Err(problem) if matches!(problem.status, 404 | 409) => progress.skipped.push(Skipped {
                id: id.clone(),
                detail: problem.detail,
            }),
            Err(problem) => return (progress, Err(problem)),
        }
        handled.push(id.clone());
    }
    (progress, Ok(()))
}

async fn one(context: &Context, act: LetterAct, letter: &Letter, room: &mut HashMap<Lane, f64>) -> Result<(), Problem> {
    if act == LetterAct::Purge {
        return delete(context, letter).await;
    }
    let left = match room.get(&letter.lane) {
        Some(left) => *left,
        None => FULL - context.lanes[letter.lane].depth().await?,
    };
    if left < 1.0 {
        return Err(Problem::new(
            Kind::Unavailable,
            format!(
                "The lane {} has so many waiting messages that no letters are sent to it now. Confirm the selection again when it is shorter.",
                letter.lane
            ),
        ));
    }
    send_again(context, letter).await?;
    room.insert(letter.lane, left - 1.0);
    Ok(())
}
