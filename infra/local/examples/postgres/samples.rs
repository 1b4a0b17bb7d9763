//! Finished jobs that the measurements enter.

use anyhow::{Result, bail};
use shared::{
    archive::DeadLetter,
    job::{self, FailureCode, Job, JobError, JobId, Lane, Method, RegionTag, Submission, SummaryResource, SummaryResult, TenantId},
};
use time::OffsetDateTime;
use uuid::Uuid;

pub(crate) const REGION: &str = "us-east-1";
const TEXT: &str = include_str!("../../demo/article_en.txt");

pub(crate) fn tenant(name: &str) -> Result<TenantId> {
    Ok(name.to_owned().try_into()?)
}

/// A job that has just succeeded, with the summary of a news article.
pub(crate) fn succeeded(tenant: &TenantId) -> Result<Job> {
    let (text, options) = Submission::parse(serde_json::json!({"text": TEXT}).to_string().as_bytes())?;
    let summary = job::summarize(&text, &options, &|| true);
    let Ok(summary) = summary else {
        bail!("the article has no summary")
    };
    let now = OffsetDateTime::now_utc();
    let mut resource = SummaryResource::queued(new_id(), Lane::Standard, REGION.to_owned(), now, options);
    resource.start(now)?;
    let result = SummaryResult {
        summary,
        method: Method::Extractive,
        degraded: false,
    };
    resource.succeed(now, result)?;
    Ok(of(tenant, resource))
}

/// The same job with another id.
pub(crate) fn again(job: &Job) -> Job {
    let mut job = job.clone();
    job.resource.id = new_id();
    job
}

/// A job that has just failed, and its dead letter.
pub(crate) fn failed(tenant: &TenantId) -> Result<(Job, DeadLetter)> {
    let (_, options) = Submission::parse(br#"{"text": "One."}"#)?;
    let now = OffsetDateTime::now_utc();
    let mut resource = SummaryResource::queued(new_id(), Lane::Bulk, REGION.to_owned(), now, options);
    resource.fail(now, JobError::new(FailureCode::RetriesExhausted, "No worker could finish it."))?;
    let letter = DeadLetter {
        message_id: Uuid::now_v7().to_string(),
        lane: Lane::Bulk,
        region: REGION.to_owned(),
        job: Some((resource.id.clone(), tenant.clone())),
        reason: "retries_exhausted".to_owned(),
        receives: 20,
        body_key: format!("dead-letters/{}", resource.id),
        parked_at: now,
    };
    Ok((of(tenant, resource), letter))
}

fn of(tenant: &TenantId, resource: SummaryResource) -> Job {
    Job {
        tenant: tenant.clone(),
        key: None,
        resource,
    }
}

fn new_id() -> JobId {
    JobId::new(RegionTag::from_region(REGION), Uuid::now_v7())
}
