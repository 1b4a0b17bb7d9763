//! `GET /v1/summaries`: lists the jobs of a tenant.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State, http::Uri};
use serde::Serialize;
use shared::{
    cache::Cache,
    job::{Filter, JobId, Listed, Scope, Span, Status, TenantId},
    problem::Problem,
    store::{Chain, StoreError},
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    auth::Caller,
    context::Context,
    page::{Cursor, Wanted},
};

/// How many unfinished jobs are looked at for one page at most. A page of unfinished jobs that few
/// filters match may therefore have fewer jobs than asked for, and still a next page.
const LOOKED_AT: usize = 1_000;

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page {
    /// The jobs, the newest first.
    items: Vec<Listed>,
    /// The value of the parameter `cursor` for the next page. Absent on the last page. A page may have
    /// fewer jobs than asked for, also none, and still a next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// List summaries
///
/// Lists the jobs of the tenant, unfinished and finished ones, the newest first and without their
/// results. A job is listed as soon as its submission was answered, if the cache answers. Jobs that come
/// or finish while a client reads page after page change nothing in the order: each job is on one page
/// at most, and none is left out that existed from the first page to the last.
#[utoipa::path(
    get,
    path = "/v1/summaries",
    operation_id = "listSummaries",
    params(
        ("status" = Option<Status>, Query, description = "Only jobs with this status.", example = "succeeded"),
        ("lane" = Option<shared::job::Lane>, Query, description = "Only jobs of this lane.", example = "standard"),
        ("created_from" = Option<String>, Query, description = "Only jobs that were submitted at this moment or later (RFC 3339).", example = "2026-11-01T00:00:00Z"),
        ("created_to" = Option<String>, Query, description = "Only jobs that were submitted before this moment (RFC 3339).", example = "2026-12-01T00:00:00Z"),
        ("metadata_key" = Option<String>, Query, description = "Only jobs with this key in their metadata. Needs `metadata_value`.", example = "article"),
        ("metadata_value" = Option<String>, Query, description = "The value of that key. Needs `metadata_key`.", example = "4711"),
        ("limit" = Option<u32>, Query, description = "The most jobs on the page, from 1 to 100. Absent: 20.", minimum = 1, maximum = 100, example = 20),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before. The filters must be the same as there.", example = "eyJ2IjoxLCJiZWZvcmUiOjIxMTYyNzA4Njc3LCJmaWx0ZXIiOiI3NGUzIn0"),
    ),
    responses(
        (status = 200, description = "A page of the list.", body = Page),
        (status = 422, description = "A parameter is invalid. `errors` names it, with what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The key does not have the scope `summaries:read`, or its tenant is suspended.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A store does not answer. Try again after `Retry-After` seconds.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(context): State<Arc<Context>>, caller: Caller, uri: Uri) -> Result<Json<Page>, Problem> {
    caller.may(Scope::SummariesRead)?;
    let holder = caller.0;
    let wanted = Wanted::parse(&uri)?;
    let tenant = &holder.tenant.id;
    let (unfinished, finished, recent) = tokio::join!(
        unfinished(&context, tenant, &wanted),
        finished(&context, tenant, &wanted),
        recent(&context.cache, tenant, wanted.span),
    );
    let (unfinished, finished) = (unfinished?, finished?);
    let [recent, unrecorded] = recent;
    let mut jobs = Jobs::default();
    jobs.extend(unfinished.jobs);
    let open: Vec<JobId> = jobs.0.values().map(|job| job.id.clone()).chain(recent).collect();
    let (cached, unrecorded) = tokio::join!(cached(&context.cache, tenant, &open), recorded(&context, tenant, &unrecorded));
    jobs.extend(cached);
    jobs.extend(finished.jobs);
    jobs.extend(unrecorded?);
    // Below this id, one of the two lists may lack jobs.
    let complete = wanted.span.from(unfinished.complete_from.max(finished.complete_from));
    Ok(Json(page(jobs, complete, &wanted)))
}

/// A part of the list, which is complete from an id on.
#[derive(Default)]
struct Part {
    jobs: Vec<Listed>,
    complete_from: Uuid,
}

impl Part {
    fn of(jobs: Vec<Listed>, has_more: bool) -> Self {
        let last = jobs.last().map(|job| job.id.uuid());
        Self {
            complete_from: last.filter(|_| has_more).unwrap_or_default(),
            jobs,
        }
    }
}

async fn unfinished(context: &Context, tenant: &TenantId, wanted: &Wanted) -> Result<Part, StoreError> {
    if wanted.filter.status.is_some_and(Status::is_final) {
        return Ok(Part::default());
    }
    let most = if wanted.filter == Filter::default() {
        wanted.limit + 1
    } else {
        LOOKED_AT
    };
    let (jobs, has_more) = context.ledger.unfinished(tenant, wanted.span, most).await?;
    Ok(Part::of(jobs.iter().map(Listed::from).collect(), has_more))
}

async fn finished(context: &Context, tenant: &TenantId, wanted: &Wanted) -> Result<Part, StoreError> {
    if wanted.filter.status.is_some_and(|status| !status.is_final()) {
        return Ok(Part::default());
    }
    let most = wanted.limit + 1;
    let newest = context.completion.newest_write(tenant).await?;
    let jobs = context.archive.list(tenant, wanted.span, &wanted.filter, most, newest).await?;
    let has_more = jobs.len() == most;
    Ok(Part::of(jobs, has_more))
}

/// The ids of jobs that the index of the ledger may not know yet, and of those that were finished
/// inside their requests and that the archive does not know yet.
async fn recent(cache: &Cache, tenant: &TenantId, span: Span) -> [Vec<JobId>; 2] {
    let recent = cache.recent(tenant).await.unwrap_or_else(|error| {
        tracing::warn!(error = %Chain(&error), "The cache did not answer. A list may lack the jobs of the last seconds.");
        Default::default()
    });
    recent.map(|ids| ids.into_iter().filter(|id| span.has(id.uuid())).collect())
}

/// Jobs that were finished inside their requests, as the ledger has them. There are few, because a
/// worker records such a job at once if its lane is not full.
async fn recorded(context: &Context, tenant: &TenantId, ids: &[JobId]) -> Result<Vec<Listed>, StoreError> {
    let found = context.ledger.find_all(ids).await?;
    let own = found.iter().filter(|job| job.tenant == *tenant);
    Ok(own.map(|job| Listed::from(&job.resource)).collect())
}

/// The jobs as the cache knows them: it knows which of them are running, and which have finished a
/// moment ago.
async fn cached(cache: &Cache, tenant: &TenantId, ids: &[JobId]) -> Vec<Listed> {
    let found = cache.find_all(tenant, ids).await.unwrap_or_else(|error| {
        tracing::warn!(error = %Chain(&error), "The cache did not answer. A list shows running jobs as queued.");
        Vec::new()
    });
    found.iter().map(Listed::from).collect()
}

/// Jobs by their ids.
#[derive(Default)]
struct Jobs(BTreeMap<Uuid, Listed>);

impl Jobs {
    /// Adds jobs, or replaces what is known of them. A final status is not replaced.
    fn extend(&mut self, jobs: Vec<Listed>) {
        for mut job in jobs {
            let Some(known) = self.0.get_mut(&job.id.uuid()) else {
                self.0.insert(job.id.uuid(), job);
                continue;
            };
            if known.status.is_final() {
                continue;
            }
            if !job.status.is_final() {
                // The ledger knows the attempts, and the cache does not.
                job.attempts = std::mem::take(&mut known.attempts);
            }
            *known = job;
        }
    }
}

fn page(jobs: Jobs, complete: Span, wanted: &Wanted) -> Page {
    let in_order = jobs.0.into_values().rev();
    let mut fitting = in_order.filter(|job| complete.has(job.id.uuid()) && wanted.filter.has(job));
    let items: Vec<Listed> = fitting.by_ref().take(wanted.limit).collect();
    let next = if fitting.next().is_some() {
        items.last().map(|last| last.id.uuid())
    } else {
        Some(complete.from).filter(|from| *from > wanted.span.from)
    };
    Page {
        items,
        next_cursor: next.map(|before| Cursor::new(before, &wanted.filter).encode()),
    }
}
