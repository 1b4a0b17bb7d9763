//! Reads one dead letter: which job it belongs to, and why that job failed.

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use serde::Deserialize;
use shared::{
    archive::DeadLetter,
    job::{self, Ended, FailureCode, Job, JobError, JobId, Lane, TenantId},
    store::{Store, StoreError},
};
use time::OffsetDateTime;

use crate::context::Context;

/// A dead letter that was read.
pub(crate) struct ReadLetter {
    /// `None` if the client has erased the job, so that nothing of it may be kept.
    pub(crate) letter: Option<DeadLetter>,
    /// What is to be recorded of its job. `None` if the job is unknown or had already finished.
    pub(crate) ended: Option<End>,
    /// The id of the trace that the submission belongs to.
    pub(crate) trace: Option<String>,
}

impl ReadLetter {
    /// There is nothing to be recorded.
    fn nothing() -> Self {
        Self {
            letter: None,
            ended: None,
            trace: None,
        }
    }
}

/// The end of the job of a dead letter.
pub(crate) enum End {
    /// The job has failed, or the API had finished it.
    Finished(Box<Job>),
    /// The API had finished the job, and nothing of it may be kept.
    Unkept(Ended),
}

/// The fields that a message has in every version. The trace may be absent.
#[derive(Deserialize)]
struct Address {
    job: JobId,
    tenant: TenantId,
    trace: Option<String>,
}

pub(crate) async fn read(context: &Context, lane: Lane, message: Message) -> Result<ReadLetter, StoreError> {
    let receives = message
        .attributes
        .as_ref()
        .and_then(|attributes| attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    let receives = receives.and_then(|count| count.parse().ok()).unwrap_or_default();
    let (message_id, body) = (message.message_id.unwrap_or_default(), message.body.unwrap_or_default());
    let (address, unreadable, sent) = match job::Message::from_body(&body) {
        Ok(job::Message::Erase(message)) => {
            context.completion.erase(&context.documents, &message.tenant, &message.job).await?;
            return Ok(ReadLetter::nothing());
        }
        Ok(message) => {
            let address = Address {
                job: message.job().clone(),
                tenant: message.tenant().clone(),
                trace: message.trace().map(str::to_owned),
            };
            (Some(address), None, sent(message))
        }
        Err(error) => (serde_json::from_str(&body).ok(), Some(error.to_string()), None),
    };
    if let Some(address) = &address
        && context.completion.is_erased(&address.tenant, &address.job).await?
    {
        return Ok(ReadLetter::nothing());
    }
    let unfinished = match &address {
        Some(address) => context
            .ledger
            .find(&address.job)
            .await?
            .filter(|job| job.tenant == address.tenant && !job.resource.status().is_final()),
        None => None,
    };
    let last = unfinished
        .as_ref()
        .and_then(|job| job.resource.attempts.last())
        .map(|attempt| &attempt.error);
    let error = cause(unreadable, last);
    let now = OffsetDateTime::now_utc();
    let body_key = context.documents.keep(lane, &message_id, body).await?;
    let trace = address.as_ref().and_then(|address| address.trace.clone());
    let letter = DeadLetter {
        message_id,
        lane,
        job: address.map(|address| (address.job, address.tenant)),
        reason: error.code.to_string(),
        receives,
        body_key,
        parked_at: now,
    };
    let mut failed = unfinished;
    if let Some(job) = &mut failed {
        job.resource
            .fail(now, error)
            .map_err(StoreError::because(Store::Ledger, "finish a job"))?;
    }
    let ended = sent.or(failed.map(|job| End::Finished(Box::new(job))));
    Ok(ReadLetter {
        letter: Some(letter),
        ended,
        trace,
    })
}

/// The finished job that a message holds.
fn sent(message: job::Message) -> Option<End> {
    match message {
        // An erasure was done when it was read.
        job::Message::Summarize(_) | job::Message::Erase(_) => None,
        job::Message::Record(message) => Some(End::Finished(Box::new(Job {
            tenant: message.tenant,
            key: message.key,
            resource: message.resource,
        }))),
        job::Message::Count(ended) => Some(End::Unkept(ended)),
    }
}

fn cause(unreadable: Option<String>, last: Option<&JobError>) -> JobError {
    if let Some(reason) = unreadable {
        return JobError::new(
            FailureCode::UnreadableMessage,
            format!("The worker could not read the job ({reason}). Submit the document again."),
        );
    }
    let message = last.map_or(
        "The worker stopped in every attempt without reporting a reason. Submit the document again.".to_owned(),
        |error| {
            format!(
                "Every attempt failed, the last one with `{}`: {} Submit the document again.",
                error.code, error.message
            )
        },
    );
    JobError::new(FailureCode::RetriesExhausted, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_names_what_went_wrong_last() {
        let last = JobError::new(FailureCode::WorkerPanicked, "The worker failed.");
        assert_eq!(cause(Some("version 9".into()), Some(&last)).code, FailureCode::UnreadableMessage);
        assert!(cause(None, Some(&last)).message.contains("worker_panicked"));
        assert_eq!(cause(None, None).code, FailureCode::RetriesExhausted);
    }
}
