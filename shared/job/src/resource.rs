//! The summary resource: what clients read, the cache holds and the archive keeps.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{Duration, OffsetDateTime};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    failure::FailureCode,
    id::JobId,
    request::{Method, RequestOptions},
    routing::Lane,
    state::{ForbiddenTransition, Status},
    tenant::TenantId,
};
use summarizer::Summary;

/// How long a finished summary can be read.
pub const RETENTION: Duration = Duration::days(30);

/// A job, and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub tenant: TenantId,
    pub resource: SummaryResource,
}

/// One summary job, from acceptance to its final result.
///
/// Its state changes by [`start`](Self::start), [`wait`](Self::wait), [`succeed`](Self::succeed) and
/// [`fail`](Self::fail) alone, and only along the arrows of [`Status`].
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryResource {
    pub id: JobId,
    pub lane: Lane,
    /// The AWS region that accepted the job.
    pub region: String,
    pub created_at: OffsetDateTime,
    pub request: RequestOptions,
    /// Attempts that failed, oldest first.
    pub attempts: Vec<Attempt>,
    state: State,
}

/// What is known in each status, and nothing else.
#[derive(Clone, Debug, PartialEq)]
enum State {
    Queued,
    Running {
        started_at: OffsetDateTime,
    },
    Finished {
        /// Unknown if the job failed before a worker could start it.
        started_at: Option<OffsetDateTime>,
        finished_at: OffsetDateTime,
        expires_at: OffsetDateTime,
        outcome: Result<Box<SummaryResult>, JobError>,
    },
}

impl SummaryResource {
    /// A job that was just accepted.
    pub const fn queued(id: JobId, lane: Lane, region: String, created_at: OffsetDateTime, request: RequestOptions) -> Self {
        Self {
            id,
            lane,
            region,
            created_at,
            request,
            attempts: Vec::new(),
            state: State::Queued,
        }
    }

    /// A worker has taken the job.
    ///
    /// # Errors
    /// Unless the job is queued.
    pub fn start(&mut self, at: OffsetDateTime) -> Result<(), ForbiddenTransition> {
        self.status().transition(Status::Running)?;
        self.state = State::Running { started_at: at };
        Ok(())
    }

    /// The attempt failed for a passing reason; the job waits for the next one.
    ///
    /// # Errors
    /// Unless the job is running.
    pub fn wait(&mut self) -> Result<(), ForbiddenTransition> {
        self.status().transition(Status::Queued)?;
        self.state = State::Queued;
        Ok(())
    }

    /// The job has its summary.
    ///
    /// # Errors
    /// Unless the job is running.
    pub fn succeed(&mut self, at: OffsetDateTime, result: SummaryResult) -> Result<(), ForbiddenTransition> {
        self.status().transition(Status::Succeeded)?;
        self.finish(at, Ok(Box::new(result)));
        Ok(())
    }

    /// The job has failed for good.
    ///
    /// # Errors
    /// If the job is finished already.
    pub fn fail(&mut self, at: OffsetDateTime, error: JobError) -> Result<(), ForbiddenTransition> {
        self.status().transition(Status::Failed)?;
        self.finish(at, Err(error));
        Ok(())
    }

    fn finish(&mut self, at: OffsetDateTime, outcome: Result<Box<SummaryResult>, JobError>) {
        self.state = State::Finished {
            started_at: self.started_at(),
            finished_at: at,
            expires_at: at + RETENTION,
            outcome,
        };
    }

    /// Where the job stands.
    pub const fn status(&self) -> Status {
        match &self.state {
            State::Queued => Status::Queued,
            State::Running { .. } => Status::Running,
            State::Finished { outcome: Ok(_), .. } => Status::Succeeded,
            State::Finished { outcome: Err(_), .. } => Status::Failed,
        }
    }

    /// When a worker took it, if one did.
    pub const fn started_at(&self) -> Option<OffsetDateTime> {
        match self.state {
            State::Queued => None,
            State::Running { started_at } => Some(started_at),
            State::Finished { started_at, .. } => started_at,
        }
    }

    /// When it reached its final status.
    pub const fn finished_at(&self) -> Option<OffsetDateTime> {
        match self.state {
            State::Finished { finished_at, .. } => Some(finished_at),
            State::Queued | State::Running { .. } => None,
        }
    }

    /// When it will be deleted; known once it is finished.
    pub const fn expires_at(&self) -> Option<OffsetDateTime> {
        match self.state {
            State::Finished { expires_at, .. } => Some(expires_at),
            State::Queued | State::Running { .. } => None,
        }
    }

    /// The summary of a job that succeeded.
    pub fn result(&self) -> Option<&SummaryResult> {
        match &self.state {
            State::Finished { outcome: Ok(result), .. } => Some(result),
            _ => None,
        }
    }

    /// Why the job failed for good.
    pub const fn error(&self) -> Option<&JobError> {
        match &self.state {
            State::Finished { outcome: Err(error), .. } => Some(error),
            _ => None,
        }
    }
}

/// A finished summary and how it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SummaryResult {
    #[serde(flatten)]
    pub summary: Summary,
    /// How it was made.
    #[schema(inline)]
    pub method: Method,
    /// Whether load made the service leave something out.
    pub degraded: bool,
}

/// Why a job failed for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobError {
    #[schema(inline)]
    pub code: FailureCode,
    /// What happened and what to do next.
    pub message: String,
}

impl JobError {
    /// A failure with its explanation.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// One attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// How often the job had been received, this time included.
    pub number: u32,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    #[serde(flatten)]
    pub error: JobError,
}

/// Where to go from here, relative to the API's base URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Links {
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
// This is the flat form of a resource, in the API and in every store.
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
    /// When a worker took it, RFC 3339.
    #[serde(with = "time::serde::rfc3339::option", default)]
    started_at: Option<OffsetDateTime>,
    /// When it reached its final status, RFC 3339.
    #[serde(with = "time::serde::rfc3339::option", default)]
    finished_at: Option<OffsetDateTime>,
    /// When it will be deleted, RFC 3339. Known once it is finished.
    #[serde(with = "time::serde::rfc3339::option", default)]
    expires_at: Option<OffsetDateTime>,
    #[schema(value_type = RequestOptions)]
    request: Cow<'a, RequestOptions>,
    /// Present when the status is `succeeded`.
    #[schema(value_type = Option<SummaryResult>)]
    result: Option<Cow<'a, SummaryResult>>,
    /// Present when the status is `failed`.
    #[schema(value_type = Option<JobError>)]
    error: Option<Cow<'a, JobError>>,
    /// Attempts that failed, oldest first.
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
                expires_at: wire.expires_at.unwrap_or(finished_at + RETENTION),
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
                finished(Ok(Box::new(result.into_owned())))?
            }
            Status::Failed => {
                let error = wire.error.ok_or_else(|| D::Error::missing_field("error"))?;
                finished(Err(error.into_owned()))?
            }
        };
        Ok(Self {
            id: wire.id.into_owned(),
            lane: wire.lane,
            region: wire.region.into_owned(),
            created_at: wire.created_at,
            request: wire.request.into_owned(),
            attempts: wire.attempts.into_owned(),
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
