//! Lists of jobs: what is shown of a job, which jobs are wanted, and where a page ends.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use ulid::Ulid;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    attempt::Attempt,
    failure::JobError,
    id::JobId,
    request::RequestOptions,
    resource::{Links, SummaryResource},
    routing::Lane,
    state::Status,
};

/// A job in a list. It has everything of the job except its result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ListedSummary)]
pub struct Listed {
    #[schema(value_type = String, examples("sum_use1_01JDCR0W00E05BQ75SEB3D7PSV"))]
    pub id: JobId,
    pub status: Status,
    pub lane: Lane,
    /// The AWS region that accepted the job.
    pub region: String,
    /// When the job was accepted, RFC 3339.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When a worker started the job, RFC 3339.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub started_at: Option<OffsetDateTime>,
    /// When the job finished, RFC 3339.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub finished_at: Option<OffsetDateTime>,
    /// When the job will be deleted, RFC 3339. Known when it has finished.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub expires_at: Option<OffsetDateTime>,
    /// Whether the job was accepted into the bulk lane because its tenant was over its rate.
    pub deferred: bool,
    pub request: RequestOptions,
    /// Present when the status is `failed`.
    #[serde(default)]
    pub error: Option<JobError>,
    /// The attempts that failed, the oldest first.
    pub attempts: Vec<Attempt>,
    pub links: Links,
}

impl From<&SummaryResource> for Listed {
    fn from(resource: &SummaryResource) -> Self {
        Self {
            id: resource.id.clone(),
            status: resource.status(),
            lane: resource.lane,
            region: resource.region.clone(),
            created_at: resource.created_at,
            started_at: resource.started_at(),
            finished_at: resource.finished_at(),
            expires_at: resource.expires_at(),
            deferred: resource.deferred,
            request: resource.request.clone(),
            error: resource.error().cloned(),
            attempts: resource.attempts.clone(),
            links: Links::of(&resource.id),
        }
    }
}

/// Which jobs are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    pub status: Option<Status>,
    pub lane: Option<Lane>,
    /// A key of the metadata, and its value.
    pub metadata: Option<(String, String)>,
}

impl Filter {
    /// Whether a job is wanted.
    pub fn has(&self, job: &Listed) -> bool {
        let metadata = |(key, value): &(String, String)| job.request.metadata.get(key) == Some(value.as_str());
        self.status.is_none_or(|status| status == job.status)
            && self.lane.is_none_or(|lane| lane == job.lane)
            && self.metadata.as_ref().is_none_or(metadata)
    }
}

/// The jobs between two ids. Both ends are included. Ids are ordered by the time of submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: Uuid,
    pub to: Uuid,
}

impl Span {
    /// All jobs.
    pub const ALL: Self = Self {
        from: Uuid::nil(),
        to: Uuid::max(),
    };

    /// Jobs that were submitted at this moment or later.
    #[must_use]
    pub fn since(self, moment: OffsetDateTime) -> Self {
        Self {
            from: self.from.max(first_of(moment)),
            ..self
        }
    }

    /// Jobs that were submitted before this moment.
    #[must_use]
    pub fn until(self, moment: OffsetDateTime) -> Self {
        self.before(first_of(moment))
    }

    /// Jobs that were submitted before this one.
    #[must_use]
    pub fn before(self, job: Uuid) -> Self {
        Self {
            to: self.to.min(Uuid::from_u128(job.as_u128().saturating_sub(1))),
            ..self
        }
    }

    /// Jobs from this one on.
    #[must_use]
    pub fn from(self, job: Uuid) -> Self {
        Self {
            from: self.from.max(job),
            ..self
        }
    }

    /// Whether no job can lie in the span.
    pub fn is_empty(self) -> bool {
        self.from > self.to
    }

    /// Whether a job lies in the span.
    pub fn has(self, job: Uuid) -> bool {
        (self.from..=self.to).contains(&job)
    }

    /// The ends as the 26 characters of an id that are ordered by time.
    pub fn submissions(self) -> (String, String) {
        (Ulid(self.from.as_u128()).to_string(), Ulid(self.to.as_u128()).to_string())
    }
}

/// The lowest UUIDv7 of a millisecond (RFC 9562 §5.7).
fn first_of(moment: OffsetDateTime) -> Uuid {
    let milliseconds = u128::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    Uuid::from_u128((milliseconds & ((1 << 48) - 1)) << 80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RegionTag;

    #[test]
    fn a_span_has_the_jobs_of_its_time() {
        let at = time::macros::datetime!(2026-11-26 10:00:00.500 UTC);
        let id = JobId::new(
            RegionTag::from_region("us-east-1"),
            uuid::Builder::from_unix_timestamp_millis(u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap(), &[7; 10]).into_uuid(),
        );
        let millisecond = time::Duration::MILLISECOND;
        let job = id.uuid();
        assert!(Span::ALL.has(job) && Span::ALL.since(at).has(job) && !Span::ALL.since(at + millisecond).has(job));
        assert!(!Span::ALL.until(at).has(job) && Span::ALL.until(at + millisecond).has(job));
        assert!(!Span::ALL.before(job).has(job) && Span::ALL.from(job).has(job));
        let (from, to) = Span { from: job, to: job }.submissions();
        assert_eq!((from, to), (id.submission(), id.submission()));
    }
}
