//! The summary resource: what clients read, the cache holds and the archive keeps.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{JobId, Lane, Method, RequestOptions, Status, TenantId};
use crate::summarizer::Summary;

/// A job, and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub tenant: TenantId,
    pub resource: SummaryResource,
}

/// One summary job, from acceptance to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Summary)]
pub struct SummaryResource {
    #[schema(value_type = String, examples("sum_use1_01JDCR0W00E05BQ75SEB3D7PSV"))]
    pub id: JobId,
    pub status: Status,
    pub lane: Lane,
    /// The AWS region that accepted the job.
    pub region: String,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When a worker took it, RFC 3339.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub started_at: Option<OffsetDateTime>,
    /// When it reached its final status, RFC 3339.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub finished_at: Option<OffsetDateTime>,
    /// When it will be deleted, RFC 3339. Known once it is finished.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub expires_at: Option<OffsetDateTime>,
    pub request: RequestOptions,
    /// Present when the status is `succeeded`.
    pub result: Option<SummaryResult>,
    /// Present when the status is `failed`.
    pub error: Option<JobError>,
    /// Tries that did not work, oldest first.
    pub attempts: Vec<Attempt>,
    pub links: Links,
}

impl SummaryResource {
    /// A job that was just accepted.
    pub fn queued(id: JobId, lane: Lane, region: String, created_at: OffsetDateTime, request: RequestOptions) -> Self {
        Self {
            links: Links::of(&id),
            id,
            status: Status::Queued,
            lane,
            region,
            created_at,
            started_at: None,
            finished_at: None,
            expires_at: None,
            request,
            result: None,
            error: None,
            attempts: Vec::new(),
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
    /// Stable and machine-readable.
    #[schema(examples("document_missing"))]
    pub code: String,
    /// What happened and what to do next.
    pub message: String,
}

/// One try that did not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// Number of the delivery, from 1.
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
