//! `DELETE /v1/summaries/{id}`: cancels a job that has not finished, and erases one that has.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use shared::{
    archive::Archived,
    completion::Finished,
    job::{Ended, EraseMessage, Job, JobId, Lane, Message, RegionTag, Scope, SummaryResource, TenantId},
    kill::{self, Step},
    problem::{Kind, Problem},
    store::{Store, StoreError},
};
use time::OffsetDateTime;

use crate::{auth::Caller, context::Context, object::found};

/// After how many seconds a job is erased once more. A worker takes a minute for a batch at most.
const ERASED_AGAIN: i32 = 120;

/// Cancel or erase a summary
///
/// A job that has not finished is canceled: no result of it will be shown, also if a worker has begun
/// it. The answer is the job with the status `canceled`. If it finishes at the same moment, the answer
/// is `409`, and the job keeps its result.
///
/// A job that has finished, or was canceled before, is erased from every store. It cannot be read any
/// more when the answer has come. Of its text and its result nothing is left after a day, except in
/// backups of the database, which are deleted after `BackupRetentionDays`, and in the message of a job
/// that was canceled while it waited: it stays in its lane until a worker takes it, for ten days at most.
/// To erase a job again has the same answer.
///
/// Only the region that accepted a job can cancel or erase it. Its id names the region.
#[utoipa::path(
    delete,
    path = "/v1/summaries/{id}",
    operation_id = "deleteSummary",
    params(("id" = String, Path, description = "The id of the job, from the answer to its submission.", example = "sum_use1_01JDCR0W00E05BQ75SEB3D7PSV")),
    responses(
        (status = 200, description = "The job was canceled.", body = SummaryResource),
        (status = 204, description = "The job was erased."),
        (status = 404, description = "The tenant of this API key has no job with this id, or its summary has expired.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The job finished before it could be canceled, or another region has accepted it.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The key does not have the scope `summaries:write`, or its tenant is suspended.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A store does not answer. Try again after `Retry-After` seconds.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn remove(
    State(context): State<Arc<Context>>,
    caller: Caller,
    id: Result<Path<JobId>, PathRejection>,
) -> Result<Response, Problem> {
    caller.may(Scope::SummariesWrite)?;
    let holder = caller.0;
    let id = found(id)?;
    let tenant = &holder.tenant.id;
    match context.archive.find(tenant, &id).await? {
        Archived::Finished(_) | Archived::Erased => {
            in_its_region(&context, &id)?;
            erase(&context, tenant, &id, Lane::Standard).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Archived::Unknown => {
            let job = context.ledger.find(&id).await?.filter(|job| job.tenant == *tenant);
            let job = job.ok_or_else(|| Problem::of(Kind::NotFound))?;
            in_its_region(&context, &id)?;
            end(&context, job).await
        }
    }
}

/// The cache of a region is reached only from there.
fn in_its_region(context: &Context, id: &JobId) -> Result<(), Problem> {
    if *id.region() == RegionTag::from_region(&context.region) {
        return Ok(());
    }
    Err(Problem::new(
        Kind::Conflict,
        format!(
            "Another region has accepted this job, the one with the tag `{}` in the id. Send the request to its address.",
            id.region()
        ),
    ))
}

/// Cancels a job that the archive does not know, or erases it if it has finished nevertheless.
async fn end(context: &Context, mut job: Job) -> Result<Response, Problem> {
    if let Some(ended) = Ended::of(&job) {
        // The job was finished inside its request, and no worker has recorded it yet. The archive
        // learns that it is erased, so that nobody will record it.
        context.completion.record(&[], std::slice::from_ref(&ended), &[]).await?;
        erase(context, &ended.tenant, &ended.id, ended.lane).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let canceled = job.resource.cancel(OffsetDateTime::now_utc());
    canceled.map_err(|error| StoreError::new(Store::Ledger, "cancel a job", error))?;
    let resource = job.resource.clone();
    let entered = context.completion.record(&[Finished::alone(job, None)], &[], &[]).await?;
    if entered.contains(&resource.id.uuid()) {
        return Ok(Json(resource).into_response());
    }
    Err(Problem::new(
        Kind::Conflict,
        "The job finished before it could be canceled. Read its result, or send the request again to erase it.",
    ))
}

/// Erases a job from every store.
///
/// A worker that records the job at this moment may still write what it has read before. So a worker is
/// asked to erase the job once more later. It is asked first: if this process stops, the worker finishes
/// what was begun.
async fn erase(context: &Context, tenant: &TenantId, id: &JobId, lane: Lane) -> Result<(), StoreError> {
    let message = Message::Erase(EraseMessage {
        job: id.clone(),
        tenant: tenant.clone(),
        lane,
    });
    context.lanes[lane].send_later(tenant, message.to_body(), ERASED_AGAIN).await?;
    kill::at(Step::EraseSent);
    context.completion.erase(&context.documents, tenant, id).await?;
    tracing::info!(job = %id, %tenant, "A job was erased.");
    Ok(())
}
