//! What is counted of a finished job. It holds nothing of the text.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    id::JobId,
    resource::Job,
    routing::Lane,
    state::Status,
    tenant::{KeyId, TenantId},
};

/// A finished job without its request and its result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    pub id: JobId,
    pub tenant: TenantId,
    /// The key that submitted the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    pub lane: Lane,
    pub region: String,
    /// The final status.
    pub status: Status,
    pub deferred: bool,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub finished_at: OffsetDateTime,
    /// How many characters the text had. 0 if the job did not succeed.
    pub input_characters: usize,
    /// How many characters the summary has.
    pub output_characters: usize,
}

impl Ended {
    /// What is counted of a job. `None` if it has not finished.
    pub fn of(job: &Job) -> Option<Self> {
        let resource = &job.resource;
        let sizes = resource.result().map(|result| (&result.summary.input, &result.summary.output));
        let (input_characters, output_characters) = sizes.map_or((0, 0), |(input, output)| (input.characters, output.characters));
        Some(Self {
            id: resource.id.clone(),
            tenant: job.tenant.clone(),
            key: job.key.clone(),
            lane: resource.lane,
            region: resource.region.clone(),
            status: resource.status(),
            deferred: resource.deferred,
            created_at: resource.created_at,
            finished_at: resource.finished_at()?,
            input_characters,
            output_characters,
        })
    }
}
