//! The summary resource. Clients read it, and the cache, the ledger and the archive keep it.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    attempt::Attempt,
    failure::JobError,
    id::JobId,
    request::{Method, RequestOptions},
    routing::Lane,
    state::{ForbiddenTransition, Status},
    tenant::{KeyId, TenantId},
};
use summarizer::Summary;

/// A job and the tenant that it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub tenant: TenantId,
    /// The key that submitted the job. Version 0.2.0 did not store it.
    pub key: Option<KeyId>,
    pub resource: SummaryResource,
}

/// One summary job, from acceptance to its final result.
///
/// Only [`start`](Self::start), [`succeed`](Self::succeed), [`fail`](Self::fail) and
/// [`cancel`](Self::cancel) change its status, and only as the diagram of the module `state` allows.
///
/// Times are kept in whole microseconds, as PostgreSQL keeps them. So a job has the same times, and
/// the same `ETag`, from whichever store it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryResource {
    pub id: JobId,
    pub lane: Lane,
    /// The AWS region that accepted the job.
    pub region: String,
    pub created_at: OffsetDateTime,
    /// Whether the job was accepted into the bulk lane because its tenant was over its rate.
    pub deferred: bool,
    pub request: RequestOptions,
    /// The attempts that failed, the oldest first.
    pub attempts: Vec<Attempt>,
    /// How long the job will wait in its lane, in seconds. Only an answer of the API has it. It is
    /// never stored.
    pub estimated_wait: Option<u32>,
    state: State,
}

/// The data of each status. A status cannot have the data of another one.
#[derive(Clone, Debug, PartialEq)]
enum State {
    Queued,
    Running {
        started_at: OffsetDateTime,
    },
    Finished {
        /// Absent if the job failed before a worker could start it.
        started_at: Option<OffsetDateTime>,
        finished_at: OffsetDateTime,
        expires_at: OffsetDateTime,
        outcome: Outcome,
    },
}

#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Succeeded(Box<SummaryResult>),
    Failed(JobError),
    Canceled,
}

impl SummaryResource {
    /// A new job in its lane.
    pub const fn queued(id: JobId, lane: Lane, region: String, created_at: OffsetDateTime, request: RequestOptions) -> Self {
        Self {
            id,
            lane,
            region,
            created_at: created_at.truncate_to_microsecond(),
            deferred: false,
            request,
            attempts: Vec::new(),
            estimated_wait: None,
            state: State::Queued,
        }
    }

    /// Records that a worker has started the job.
    ///
    /// # Errors
    /// If the job is not queued.
    pub fn start(&mut self, at: OffsetDateTime) -> Result<(), ForbiddenTransition> {
        self.status().transition(Status::Running)?;
        self.state = State::Running {
            started_at: at.truncate_to_microsecond(),
        };
        Ok(())
    }

    /// Finishes the job with its result.
    ///
    /// # Errors
    /// If the job is not running.
    pub fn succeed(&mut self, at: OffsetDateTime, result: SummaryResult) -> Result<(), ForbiddenTransition> {
        self.status().transition(Status::Succeeded)?;
        self.finish(at, Outcome::Succeeded(Box::new(result)));
        Ok(())
    }

    /// Finishes the job with an error.
    ///
    /// # Errors
    /// If the job has already finished.
    pub fn fail(&mut self, at: OffsetDateTime, error: JobError) -> Result<(), ForbiddenTransition> {
        self.status().transition(Status::Failed)?;
        self.finish(at, Outcome::Failed(error));
        Ok(())
    }

    /// Finishes the job because its client does not want it any more.
    ///
    /// # Errors
    /// If the job has already finished.
    pub fn cancel(&mut self, at: OffsetDateTime) -> Result<(), ForbiddenTransition> {
        self.status().transition(Status::Canceled)?;
        self.finish(at, Outcome::Canceled);
        Ok(())
    }

    /// Opens a failed job again, because an operator sends it to its lane once more. What happened so far
    /// stays among its attempts.
    ///
    /// # Errors
    /// If the job has not failed.
    pub fn replay(&mut self, at: OffsetDateTime) -> Result<(), ForbiddenTransition> {
        let Some(error) = self.error() else {
            return Err(ForbiddenTransition {
                from: self.status(),
                to: Status::Queued,
            });
        };
        let replay = Attempt::replay(at, error);
        self.status().transition(Status::Queued)?;
        self.attempts.push(replay);
        self.state = State::Queued;
        Ok(())
    }

    fn finish(&mut self, at: OffsetDateTime, outcome: Outcome) {
        let at = at.truncate_to_microsecond();
        self.state = State::Finished {
            started_at: self.started_at(),
            finished_at: at,
            expires_at: at + self.request.kept(),
            outcome,
        };
    }

    /// The status of the job.
    pub const fn status(&self) -> Status {
        match &self.state {
            State::Queued => Status::Queued,
            State::Running { .. } => Status::Running,
            State::Finished { outcome, .. } => match outcome {
                Outcome::Succeeded(_) => Status::Succeeded,
                Outcome::Failed(_) => Status::Failed,
                Outcome::Canceled => Status::Canceled,
            },
        }
    }

    /// When a worker started the job, if one did.
    pub const fn started_at(&self) -> Option<OffsetDateTime> {
        match self.state {
            State::Queued => None,
            State::Running { started_at } => Some(started_at),
            State::Finished { started_at, .. } => started_at,
        }
    }

    /// When the job finished, if it has.
    pub const fn finished_at(&self) -> Option<OffsetDateTime> {
        match self.state {
            State::Finished { finished_at, .. } => Some(finished_at),
            State::Queued | State::Running { .. } => None,
        }
    }

    /// When the job will be deleted. Known when it has finished.
    pub const fn expires_at(&self) -> Option<OffsetDateTime> {
        match self.state {
            State::Finished { expires_at, .. } => Some(expires_at),
            State::Queued | State::Running { .. } => None,
        }
    }

    /// The result of a job that succeeded.
    pub fn result(&self) -> Option<&SummaryResult> {
        match &self.state {
            State::Finished {
                outcome: Outcome::Succeeded(result),
                ..
            } => Some(result),
            _ => None,
        }
    }

    /// The error of a job that failed.
    pub const fn error(&self) -> Option<&JobError> {
        match &self.state {
            State::Finished {
                outcome: Outcome::Failed(error),
                ..
            } => Some(error),
            _ => None,
        }
    }
}

/// A summary and how it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SummaryResult {
    #[serde(flatten)]
    pub summary: Summary,
    // A comment of its own would become an object in the schema, which no text is.
    #[schema(inline)]
    pub method: Method,
    /// Whether something that was asked for is missing, because the service had too much work.
    pub degraded: bool,
}

/// Links to other resources, relative to the base URL of the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Links {
    /// The address of this job.
    #[serde(rename = "self")]
    pub this: String,
}

impl Links {
    /// The links of a job.
    pub fn of(id: &JobId) -> Self {
        Self {
            this: format!("/v1/summaries/{id}"),
        }
    }
}

/// One summary job, from acceptance to its final result.
//
// This is the flat form of a resource, which the API and all stores use.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Summary)]
struct Wire<'a> {
    #[schema(value_type = String, examples("sum_use1_01JDCR0W00E05BQ75SEB3D7PSV"))]
    id: Cow<'a, JobId>,
    status: Status,
    lane: Lane,
    /// The AWS region that accepted the job.
    region: Cow<'a, str>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When a worker started the job, RFC 3339.
    #[serde(with = "time::serde::rfc3339::option", default)]
    started_at: Option<OffsetDateTime>,
    /// When the job finished, RFC 3339.
    #[serde(with = "time::serde::rfc3339::option", default)]
    finished_at: Option<OffsetDateTime>,
    /// When the job will be deleted, RFC 3339. Known when it has finished.
    #[serde(with = "time::serde::rfc3339::option", default)]
    expires_at: Option<OffsetDateTime>,
    /// Whether the job was accepted into the bulk lane because its tenant was over its rate.
    #[serde(default)]
    deferred: bool,
    /// How long the job will wait until a worker begins it, in seconds. It is calculated from the jobs
    /// before it and from what the workers of its lane have done in the last minutes. Absent if that
    /// is not known, or if the job does not wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    estimated_wait_seconds: Option<u32>,
    #[schema(value_type = RequestOptions)]
    request: Cow<'a, RequestOptions>,
    /// Present when the status is `succeeded`.
    #[schema(value_type = Option<SummaryResult>)]
    result: Option<Cow<'a, SummaryResult>>,
    /// Present when the status is `failed`.
    #[schema(value_type = Option<JobError>)]
    error: Option<Cow<'a, JobError>>,
    /// The attempts that failed, the oldest first.
    #[schema(value_type = Vec<Attempt>)]
    attempts: Cow<'a, [Attempt]>,
    links: Links,
}

impl Serialize for SummaryResource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wire = Wire {
            id: Cow::Borrowed(&self.id),
            status: self.status(),
            lane: self.lane,
            region: Cow::Borrowed(&self.region),
            created_at: self.created_at,
            started_at: self.started_at(),
            finished_at: self.finished_at(),
            expires_at: self.expires_at(),
            deferred: self.deferred,
            estimated_wait_seconds: self.estimated_wait,
            request: Cow::Borrowed(&self.request),
            result: self.result().map(Cow::Borrowed),
            error: self.error().map(Cow::Borrowed),
            attempts: Cow::Borrowed(&self.attempts),
            links: Links::of(&self.id),
        };
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SummaryResource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let wire = Wire::deserialize(deserializer)?;
        let finished = |outcome| {
            let finished_at = wire.finished_at.ok_or_else(|| D::Error::missing_field("finished_at"))?;
            Ok(State::Finished {
                started_at: wire.started_at,
                finished_at,
                expires_at: wire.expires_at.unwrap_or(finished_at + wire.request.kept()),
                outcome,
            })
        };
        let state = match wire.status {
            Status::Queued => State::Queued,
            Status::Running => State::Running {
                started_at: wire.started_at.ok_or_else(|| D::Error::missing_field("started_at"))?,
            },
            Status::Succeeded => {
                let result = wire.result.ok_or_else(|| D::Error::missing_field("result"))?;
                finished(Outcome::Succeeded(Box::new(result.into_owned())))?
            }
            Status::Failed => {
                let error = wire.error.ok_or_else(|| D::Error::missing_field("error"))?;
                finished(Outcome::Failed(error.into_owned()))?
            }
            Status::Canceled => finished(Outcome::Canceled)?,
        };
        Ok(Self {
            id: wire.id.into_owned(),
            lane: wire.lane,
            region: wire.region.into_owned(),
            created_at: wire.created_at,
            deferred: wire.deferred,
            request: wire.request.into_owned(),
            attempts: wire.attempts.into_owned(),
            estimated_wait: None,
            state,
        })
    }
}

impl PartialSchema for SummaryResource {
    fn schema() -> RefOr<Schema> {
        Wire::schema()
    }
}

impl ToSchema for SummaryResource {
    fn name() -> Cow<'static, str> {
        Wire::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Wire::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use summarizer::{Options, summarize};

    use super::*;
    use crate::{
        failure::FailureCode,
        request::{RETENTION, Submission},
    };

    const AT: OffsetDateTime = time::macros::datetime!(2026-11-24 10:00 UTC);

    fn queued() -> SummaryResource {
        let (_, request) = Submission::parse(br#"{"text":"One."}"#).unwrap();
        let id = "sum_use1_01JDCR0W00E05BQ75SEB3D7PSV".parse().unwrap();
        SummaryResource::queued(id, Lane::Standard, "us-east-1".to_owned(), AT, request)
    }

    fn result() -> SummaryResult {
        SummaryResult {
            summary: summarize("One.", &Options::default()).unwrap(),
            method: Method::Extractive,
            degraded: false,
        }
    }

    /// A job in each status.
    fn jobs() -> [SummaryResource; 5] {
        let (queued, mut running) = (queued(), queued());
        running.start(AT).unwrap();
        let (mut succeeded, mut failed) = (running.clone(), running.clone());
        succeeded.succeed(AT, result()).unwrap();
        failed.fail(AT, JobError::new(FailureCode::DocumentMissing, "Gone.")).unwrap();
        let mut canceled = queued.clone();
        canceled.cancel(AT).unwrap();
        [queued, running, succeeded, failed, canceled]
    }

    #[test]
    fn a_job_changes_its_status_as_the_table_allows_and_a_refused_change_leaves_it_as_it_was() {
        for (job, from) in jobs().into_iter().zip(Status::ALL) {
            assert_eq!(job.status(), from);
            let mut changed = [job.clone(), job.clone(), job.clone(), job.clone(), job.clone()];
            let outcomes = [
                changed[0].start(AT),
                changed[1].succeed(AT, result()),
                changed[2].fail(AT, JobError::new(FailureCode::NoSentence, "Blank.")),
                changed[3].cancel(AT),
                changed[4].replay(AT),
            ];
            let next = [Status::Running, Status::Succeeded, Status::Failed, Status::Canceled, Status::Queued];
            for ((changed, outcome), to) in changed.iter().zip(outcomes).zip(next) {
                // A running job becomes queued when it waits for another attempt, and not by a replay.
                let is_retry = (from, to) == (Status::Running, Status::Queued);
                assert_eq!(outcome.is_ok(), from.may_become(to) && !is_retry, "{from:?} to {to:?}");
                assert_eq!(changed.status(), if outcome.is_ok() { to } else { from });
                assert!(outcome.is_ok() || *changed == job);
            }
        }
    }

    #[test]
    fn times_are_kept_in_whole_microseconds() {
        let at = time::macros::datetime!(2026-11-24 10:00:00.123456789 UTC);
        let kept = time::macros::datetime!(2026-11-24 10:00:00.123456 UTC);
        let request = queued().request;
        let mut job = SummaryResource::queued(queued().id, Lane::Bulk, "us-east-1".to_owned(), at, request);
        job.start(at).unwrap();
        job.succeed(at, result()).unwrap();
        assert_eq!(job.created_at, kept);
        assert_eq!(job.started_at(), Some(kept));
        assert_eq!(job.finished_at(), Some(kept));
        assert_eq!(job.expires_at(), Some(kept + RETENTION));
    }

    #[test]
    fn a_job_is_read_as_it_was_written_and_a_wrong_mix_is_refused() {
        for job in jobs() {
            let written = serde_json::to_value(&job).unwrap();
            assert_eq!(serde_json::from_value::<SummaryResource>(written.clone()).unwrap(), job);
            for (status, lacks) in [
                ("running", "started_at"),
                ("succeeded", "result"),
                ("failed", "error"),
                ("failed", "finished_at"),
                ("canceled", "finished_at"),
            ] {
                let mut mixed = written.clone();
                (mixed["status"], mixed[lacks]) = (status.into(), serde_json::Value::Null);
                assert!(
                    serde_json::from_value::<SummaryResource>(mixed).is_err(),
                    "{status} without {lacks}"
                );
            }
        }
    }
}
