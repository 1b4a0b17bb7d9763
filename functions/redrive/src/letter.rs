//! Reads one dead letter: which job it belongs to, and why that job failed.

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use serde::Deserialize;
use shared::{
    archive::DeadLetter,
    job::{self, FailureCode, Job, JobError, JobId, Lane, TenantId},
    store::{Store, StoreError},
};
use time::OffsetDateTime;

use crate::context::Context;

/// A dead letter that was read. `failed` is its job with the status `failed`. It is `None` if the
/// job is unknown or had already finished.
pub(crate) struct ReadLetter {
    pub(crate) letter: DeadLetter,
    pub(crate) failed: Option<Job>,
}

/// The fields that a message has in every version.
#[derive(Deserialize)]
struct Address {
    job: JobId,
    tenant: TenantId,
}

pub(crate) async fn read(context: &Context, lane: Lane, message: Message) -> Result<ReadLetter, StoreError> {
    let receives = message
        .attributes
        .as_ref()
        .and_then(|attributes| attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    let receives = receives.and_then(|count| count.parse().ok()).unwrap_or_default();
    let (message_id, body) = (message.message_id.unwrap_or_default(), message.body.unwrap_or_default());
    let address: Option<Address> = serde_json::from_str(&body).ok();
    let unreadable = job::Message::from_body(&body).err().map(|error| error.to_string());
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
    Ok(ReadLetter { letter, failed })
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
