//! `/v1/dead-letters/selections`: an operator selects dead letters by a filter, sees which ones these are,
//! and then confirms what is to be done with them.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use shared::{
    archive::{Letter, LetterAct, LetterFilter, LetterStatus, Selection},
    job::{Lane, Scope},
    lanes,
    problem::{Kind, Problem},
};
use time::OffsetDateTime;
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    answers::{Guarded, WithBody},
    auth::{Acting, Caller},
    context::Context,
    dead_letters::{SETTLES, delete, send_again},
    object::{Body, found, invalid},
};

/// How long one confirmation begins with letters. The function has 15 seconds for a request.
const TIME: Duration = Duration::from_secs(5);

/// What is to be done with which dead letters.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SelectionRequest {
    action: LetterAct,
    /// Which letters are meant. At least one field besides `region` must be given, because a selection has
    /// only letters of the region that is asked: `region` alone would match every letter of every tenant.
    /// To replay, only parked letters are selected if `status` is absent, and those that are known not to
    /// be replayable are left out: letters that name no job, and letters of jobs that have succeeded, were
    /// canceled or have expired. To purge, `replayed` letters are selected too. Letters that were parked in
    /// the last two minutes are never selected.
    filter: LetterFilter,
}

/// The dead letters that a filter matched at one moment, the oldest first. Nothing is done with them before
/// the selection is confirmed, and no later letters join them. Every key with the scope `admin` may read
/// and confirm it, because all of them belong to operators of the service.
#[derive(Serialize, ToSchema)]
pub(crate) struct SelectionResource {
    #[schema(examples("0193a5c0-7c1e-7d3a-9b52-6f1f0f6f2a11"))]
    id: String,
    action: LetterAct,
    /// How many letters are selected, 1,000 at most. Letters that were replayed, purged or skipped have left
    /// the selection.
    count: usize,
    /// The ids of the letters.
    letters: Vec<String>,
    /// Whether more letters match than are selected. Select again when these are done. Only the answer that
    /// makes the selection has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<bool>,
    /// Until when the selection can be confirmed, RFC 3339.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

impl SelectionResource {
    fn of(selection: Selection, more: Option<bool>) -> Self {
        Self {
            id: selection.id.to_string(),
            action: selection.act,
            count: selection.letters.len(),
            letters: selection.letters,
            more,
            expires_at: selection.expires_at,
        }
    }
}

/// What a confirmation has done.
#[derive(Serialize, ToSchema)]
pub(crate) struct Progress {
    action: LetterAct,
    /// How many letters were replayed or purged.
    done: usize,
    /// The letters with which nothing can be done. They leave the selection.
    skipped: Vec<Skipped>,
    /// How many letters are left. Confirm again until none is.
    left: usize,
    /// Why the work stopped before the time was over. Absent if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_by: Option<String>,
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
    // All selected letters are of this region, so that to name it selects nothing.
    let named = LetterFilter {
        region: None,
        ..filter.clone()
    };
    if named == LetterFilter::default() {
        let what = match filter.region {
            None => "The filter is empty",
            Some(_) => "A selection has only letters of the region that is asked, and the filter names nothing but the region",
        };
        return Err(invalid(
            "#/filter",
            format!(
                "{what}, so that it would match every letter of every tenant. Give at least one of `tenant`, `lane`, `reason`, `job`, `status`, `parked_from` and `parked_to`."
            ),
        ));
    }
    if action == LetterAct::Replay {
        filter.status.get_or_insert(LetterStatus::Parked);
    }
    if filter.region.get_or_insert_with(|| context.region.clone()) != &context.region {
        return Err(invalid(
            "#/filter/region",
            "Each region keeps its own letters. Send the request to the address of that region.",
        ));
    }
    let settled = OffsetDateTime::now_utc() - SETTLES;
    filter.parked_to = Some(filter.parked_to.map_or(settled, |to| to.min(settled)));
    let (selection, more) = context.archive.select_letters(action, &filter).await?;
    Ok((StatusCode::CREATED, Json(SelectionResource::of(selection, Some(more)))).into_response())
}

/// Read a selection
///
/// It has the letters with which nothing was done yet.
#[utoipa::path(
    get,
    path = "/v1/dead-letters/selections/{id}",
    operation_id = "readSelection",
    params(("id" = String, Path, description = "The id of the selection.", example = "0193a5c0-7c1e-7d3a-9b52-6f1f0f6f2a11")),
    responses(
        (status = 200, description = "The selection.", body = SelectionResource),
        (status = 404, description = "There is no such selection, or it has expired.", body = Problem, content_type = "application/problem+json"),
        Guarded,
    )
)]
pub(crate) async fn read(
    State(context): State<Arc<Context>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<SelectionResource>, Problem> {
    caller.may(Scope::Admin)?;
    let selection = kept(&context, &found(id)?).await?;
    Ok(Json(SelectionResource::of(selection, None)))
}

/// Confirm a selection
///
/// Does what was selected, for five seconds, the oldest letters first. If letters are left, confirm again.
/// To confirm again after an error goes on where the last call has stopped. Letters are not sent to a lane
/// in which 500 messages wait. If nothing can be done for this reason, the answer is `409`. To confirm a
/// selection of which nothing is left does nothing.
#[utoipa::path(
    post,
    path = "/v1/dead-letters/selections/{id}/confirm",
    operation_id = "confirmSelection",
    params(("id" = String, Path, description = "The id of the selection.", example = "0193a5c0-7c1e-7d3a-9b52-6f1f0f6f2a11")),
    responses(
        (status = 200, description = "What was done, and how many letters are left.", body = Progress),
        (status = 404, description = "There is no such selection, or it has expired.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Every lane of the letters is full. `detail` says how many messages wait in one of them.", body = Problem, content_type = "application/problem+json"),
        Guarded,
    )
)]
pub(crate) async fn confirm(
    State(context): State<Arc<Context>>,
    acting: Acting,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Progress>, Problem> {
    acting.caller.may(Scope::Admin)?;
    let selection = kept(&context, &found(id)?).await?;
    let progress = work(&context, &acting, &selection).await?;
    Ok(Json(progress))
}

/// The selection with this id.
async fn kept(context: &Context, id: &str) -> Result<Selection, Problem> {
    let selection = match Uuid::try_parse(id) {
        Ok(id) => context.archive.selection(id).await?,
        Err(_) => None,
    };
    selection.ok_or_else(|| {
        Problem::new(
            Kind::NotFound,
            "There is no such selection, or it was made more than an hour ago. Make a new one with `POST /v1/dead-letters/selections`.",
        )
    })
}

/// Replays or purges letters until the time is over. A letter that is refused does not stop the others, and
/// neither does a full lane. What is done with a letter is noted at once, so that a call that is stopped
/// repeats nothing.
async fn work(context: &Context, acting: &Acting, selection: &Selection) -> Result<Progress, Problem> {
    let until = Instant::now() + TIME;
    let mut progress = Progress {
        action: selection.act,
        done: 0,
        skipped: Vec::new(),
        left: selection.letters.len(),
        stopped_by: None,
    };
    let mut waiting = HashMap::new();
    for id in &selection.letters {
        if Instant::now() > until {
            break;
        }
        let outcome = match context.archive.dead_letter(id).await {
            Ok(Some(letter)) => one(context, acting, selection.act, &letter, &mut waiting).await,
            Ok(None) => Err(Problem::new(Kind::NotFound, "The letter was purged, or has expired.")),
            Err(error) => Err(error.into()),
        };
        match outcome {
            Ok(None) => progress.done += 1,
            Ok(Some(full)) => {
                progress.stopped_by = Some(full);
                continue;
            }
            Err(problem) if matches!(problem.status, 404 | 409) => progress.skipped.push(Skipped {
                id: id.clone(),
                detail: problem.detail,
            }),
            Err(problem) if progress.done == 0 && progress.skipped.is_empty() => return Err(problem),
            Err(problem) => {
                progress.stopped_by = Some(problem.detail);
                break;
            }
        }
        context.archive.handled(selection.id, std::slice::from_ref(id)).await?;
        progress.left -= 1;
    }
    match &progress.stopped_by {
        Some(full) if progress.done == 0 && progress.skipped.is_empty() => Err(Problem::new(Kind::Conflict, full)),
        _ => Ok(progress),
    }
}

/// Does it with one letter, unless its lane is full. Then it returns what to say about that. `waiting` is how
/// many messages wait in the lanes.
async fn one(
    context: &Context,
    acting: &Acting,
    act: LetterAct,
    letter: &Letter,
    waiting: &mut HashMap<Lane, f64>,
) -> Result<Option<String>, Problem> {
    if act == LetterAct::Purge {
        return delete(context, acting, letter).await.map(|()| None);
    }
    let lane = letter.lane;
    let depth = match waiting.entry(lane) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unknown) => unknown.insert(context.lanes[lane].depth().await?),
    };
    if *depth > lanes::FULL - 1.0 {
        return Ok(Some(full(lane, *depth)));
    }
    send_again(context, acting, letter).await?;
    *depth += 1.0;
    Ok(None)
}

fn full(lane: Lane, waiting: f64) -> String {
    format!(
        "{waiting} messages wait in the lane `{lane}`, and letters are sent to it only while fewer than {} do. Confirm the selection again when the lane is shorter. The dashboard of the region shows how many wait.",
        lanes::FULL
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_lane_is_named_with_its_length_and_the_limit() {
        let said = full(Lane::Bulk, 512.0);
        assert!(
            said.starts_with("512 messages wait in the lane `bulk`") && said.contains("fewer than 500"),
            "{said}"
        );
    }
}
