//! Upkeep of the archive. Three callers invoke this function:
//!
//! - Schedules send `{"action":"upkeep"}` every day, `{"action":"usage"}` every hour and
//!   `{"action":"sweep"}` every ten minutes.
//! - An operator sends `{"action":"migrate"}` or `{"action":"reconcile","hours":1}`.
//! - CloudFormation sends an event of the resource `Custom::Migration`, before any function that
//!   needs the new schema takes traffic.

mod context;
mod report;
mod stack;

use lambda_runtime::Error;
use serde::Deserialize;
use serde_json::Value;
use shared::{
    archive::{Archive, Upkeep},
    job::{CheckMessage, Job, Message},
    kill::{self, Step},
    ledger::{FINISHED_KEPT, FinishedJobs, Unfinished},
    store::{Chain, StoreError},
    telemetry::metric,
};
use time::{Duration, OffsetDateTime};
use tokio::time::Instant;

pub use context::Context;
pub use report::Report;

/// How long a job is unfinished before it is checked, and how long it is not checked again after that.
const UNFINISHED_FOR: Duration = Duration::minutes(15);
/// How many jobs a sweep checks at most.
const CHECKED_AT_ONCE: usize = 500;
/// How many tenants `usage` reads at once.
const TENANTS_AT_ONCE: usize = 100;
/// How many jobs `reconcile` enters in one transaction at most, and how many bytes of JSON they have
/// together, except if the last one of them is larger.
const JOBS_AT_ONCE: usize = 200;
const BYTES_AT_ONCE: usize = 8 * 1024 * 1024;
/// How long one `reconcile` reads. The function has five minutes.
const RECONCILED_FOR: std::time::Duration = std::time::Duration::from_mins(3);

/// The event that the function is invoked with.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub enum Task {
    /// An event from CloudFormation. The outcome is reported to the stack.
    Stack(stack::Request),
    /// An event from a schedule or an operator.
    Direct(Direct),
}

impl TryFrom<Value> for Task {
    type Error = serde_json::Error;

    fn try_from(event: Value) -> Result<Self, serde_json::Error> {
        if event.get("RequestType").is_some() {
            return serde_json::from_value(event).map(Self::Stack);
        }
        serde_json::from_value(event).map(Self::Direct)
    }
}

/// A task that is asked for by its name.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Direct {
    /// Bring the schema up to date, then do the upkeep.
    Migrate,
    /// Make the partitions of the next months, and drop those whose jobs have all expired.
    Upkeep,
    /// Copy the tallies of submissions that made no job from the cache to the archive.
    Usage,
    /// Check the jobs that have been unfinished for so many minutes (absent: 15). For each, a message is
    /// sent to its lane that asks a worker whether the job still has its own message. There are as many
    /// minutes between two checks of a job.
    Sweep { minutes: Option<u16> },
    /// Enter jobs into the archive again that finished in the last `hours` and that the archive has
    /// lost. It loses jobs when its region is lost or when it is restored from a backup. If the report has
    /// a `next`, there is more to read: the task goes on with it as `after`.
    Reconcile { hours: i64, after: Option<String> },
}

/// Does one task.
///
/// # Errors
/// If the database does not answer, if `hours` is out of its range, or if the outcome cannot be
/// reported to CloudFormation.
pub async fn handle(context: &Context, task: Task) -> Result<Report, Error> {
    // Each task is a future that holds many others: those of the runtime, the AWS SDK and sqlx. A
    // boxed future lies on the heap, so that the compiler does not have to lay out all tasks as one
    // large value.
    match task {
        Task::Direct(Direct::Upkeep) => Ok(Box::pin(upkeep(context)).await?),
        Task::Direct(Direct::Usage) => Ok(Box::pin(usage(context)).await?),
        Task::Direct(Direct::Sweep { minutes }) => {
            let least = UNFINISHED_FOR.whole_minutes();
            if minutes.is_some_and(|minutes| i64::from(minutes) < least) && !cfg!(debug_assertions) {
                return Err(format!("minutes must be at least {least}, because a job may be at work for that long").into());
            }
            Ok(Box::pin(sweep(context, minutes)).await?)
        }
        Task::Direct(Direct::Migrate) => Ok(Box::pin(migrate(context)).await?),
        Task::Direct(Direct::Reconcile { hours, after }) => Box::pin(reconcile(context, hours, after)).await,
        Task::Stack(request) => {
            let outcome = if request.is_removal() {
                Ok(Report::default())
            } else {
                Box::pin(migrate(context)).await
            };
            request.answer(&context.http, &outcome).await?;
            Ok(outcome.unwrap_or_default())
        }
    }
}

async fn migrate(context: &Context) -> Result<Report, StoreError> {
    context.archive.migrate().await?;
    let schema = Archive::newest_migration();
    tracing::info!(schema, "The schema is up to date.");
    // A step of the upkeep that has to wait for a lock must not fail a deployment. The schedule
    // repeats the upkeep, and its failure raises an alarm.
    let done = upkeep(context).await.unwrap_or_else(|error| {
        tracing::error!(error = %Chain(&error), "The schema is up to date, but the upkeep failed. The schedule repeats it.");
        Report::default()
    });
    Ok(Report {
        schema: Some(schema),
        ..done
    })
}

async fn upkeep(context: &Context) -> Result<Report, StoreError> {
    let Upkeep {
        made,
        dropped,
        indexed,
        deleted,
    } = context.archive.keep_partitions(OffsetDateTime::now_utc()).await?;
    metrics::counter!(metric::PARTITIONS_MADE).increment(made.len() as u64);
    tracing::info!(?made, ?dropped, ?indexed, deleted, "The partitions are up to date.");
    Ok(Report {
        made,
        dropped,
        deleted,
        ..Report::default()
    })
}

/// Copies the tallies of yesterday and today. The cache keeps a tally for three days, so that a run may
/// fail. Copying a tally again changes nothing.
async fn usage(context: &Context) -> Result<Report, StoreError> {
    let today = OffsetDateTime::now_utc().date();
    let days = [today - Duration::DAY, today];
    let (mut after, mut noted) = (None, 0);
    loop {
        let page = context.directory.tenants(TENANTS_AT_ONCE, after.as_ref()).await?;
        for tenant in &page.items {
            let tallies = context.cache.tallies(&tenant.id, &context.region, &days).await?;
            for tally in &tallies {
                context.archive.note_tally(&tenant.id, tally).await?;
            }
            noted += usize::from(!tallies.is_empty());
        }
        after = page.items.last().map(|tenant| tenant.id.clone());
        if !page.more {
            break;
        }
    }
    tracing::info!(noted, "The tallies of submissions that made no job were copied.");
    Ok(Report {
        noted,
        ..Report::default()
    })
}

async fn sweep(context: &Context, minutes: Option<u16>) -> Result<Report, StoreError> {
    let between = minutes.map_or(UNFINISHED_FOR, |minutes| Duration::minutes(minutes.into()));
    let moment = OffsetDateTime::now_utc() - between;
    let random = uuid::Uuid::new_v4().as_u128();
    let mut found = context
        .ledger
        .unfinished_before(moment, u32::try_from(random & 0xffff).unwrap_or_default())
        .await?;
    // If there are too many, some of them are taken by chance, so that each of them gets its turn.
    let first = usize::try_from(random >> 64).unwrap_or_default() % found.len().max(1);
    found.rotate_left(first);
    let mut checked = 0;
    for Unfinished { id, tenant, lane } in found {
        if checked == CHECKED_AT_ONCE {
            break;
        }
        if !context.ledger.may_send_check(&id, between).await? {
            continue;
        }
        kill::at(Step::CheckNoted);
        let message = Message::Check(CheckMessage {
            job: id,
            tenant: tenant.clone(),
            lane,
            between: u32::try_from(between.whole_seconds()).unwrap_or(u32::MAX),
        });
        context.lanes[lane].send(&tenant, message.to_body()).await?;
        kill::at(Step::CheckSent);
        checked += 1;
    }
    tracing::info!(checked, "Jobs that have been unfinished for long are being checked.");
    Ok(Report {
        checked,
        ..Report::default()
    })
}

async fn reconcile(context: &Context, hours: i64, after: Option<String>) -> Result<Report, Error> {
    let most = FINISHED_KEPT.whole_hours();
    if !(1..=most).contains(&hours) {
        return Err(format!("hours must be between 1 and {most}, because the ledger keeps finished jobs no longer than that").into());
    }
    let since = OffsetDateTime::now_utc() - Duration::hours(hours);
    let until = Instant::now() + RECONCILED_FOR;
    let mut report = Report {
        next: after,
        ..Report::default()
    };
    loop {
        let FinishedJobs { jobs, damaged, next } = context.ledger.finished_since(since, report.next.as_deref()).await?;
        for jobs in in_parts(jobs) {
            report.entered += context.archive.finish(&jobs, &[], &[]).await?.new.len();
            kill::at(Step::Entered);
        }
        report.damaged += damaged.len();
        report.next = next;
        if report.next.is_none() || Instant::now() > until {
            break;
        }
    }
    tracing::warn!(
        entered = report.entered,
        damaged = report.damaged,
        next = report.next,
        hours,
        "Jobs that the archive had lost were entered again."
    );
    Ok(report)
}

/// Splits jobs into parts that fit into one transaction.
fn in_parts(jobs: Vec<Job>) -> Vec<Vec<Job>> {
    let (mut parts, mut room) = (Vec::new(), 0);
    for job in jobs {
        // This cannot fail, because a job was read from JSON.
        let bytes = serde_json::to_vec(&job.resource).map_or(0, |json| json.len());
        match parts.last_mut() {
            Some(part) if Vec::len(part) < JOBS_AT_ONCE && room >= bytes => {
                room -= bytes;
                part.push(job);
            }
            _ => {
                room = BYTES_AT_ONCE.saturating_sub(bytes);
                parts.push(vec![job]);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A job whose JSON has about this many bytes.
    fn job(bytes: usize) -> Job {
        let resource = serde_json::json!({
            "id": "sum_use1_01JDCR0W00E05BQ75SEB3D7PSV", "status": "failed", "lane": "bulk", "region": "us-east-1",
            "created_at": "2026-11-24T10:00:00Z", "finished_at": "2026-11-24T10:00:00Z",
            "request": {"format": "text", "length": {"sentences": 3}, "method": "extractive", "sort": "position",
                "include": [], "priority": "bulk", "language": "auto", "metadata": {}},
            "error": {"code": "no_sentence", "message": "x".repeat(bytes)},
            "attempts": [], "links": {"self": "/v1/summaries/sum_use1_01JDCR0W00E05BQ75SEB3D7PSV"},
        });
        Job {
            tenant: "demo".to_owned().try_into().unwrap(),
            key: None,
            resource: serde_json::from_value(resource).unwrap(),
        }
    }

    #[test]
    fn parts_have_few_bytes_and_few_jobs() {
        let sizes = |bytes: Vec<usize>| {
            in_parts(bytes.into_iter().map(job).collect())
                .iter()
                .map(Vec::len)
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(vec![5_000_000; 5]), [1, 1, 1, 1, 1]);
        assert_eq!(sizes(vec![3_000_000, 3_000_000, 3_000_000, 20_000_000, 10, 10]), [2, 1, 1, 2]);
        assert_eq!(sizes(vec![10; 450]), [200, 200, 50]);
        assert_eq!(sizes(Vec::new()), Vec::<usize>::new());
    }
}
