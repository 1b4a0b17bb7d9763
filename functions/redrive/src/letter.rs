//! Reads one dead letter: which job it belongs to, and why that job failed.

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use serde::Deserialize;
use shared::{
    archive::DeadLetter,
    documents::letter_key,
    job::{self, Consequence, Ended, FailureCode, Job, JobError, JobId, Lane, TenantId},
    store::{Store, StoreError},
};
use time::OffsetDateTime;

use crate::context::Context;

/// A dead letter.
pub(crate) struct Letter {
    lane: Lane,
    message_id: String,
    body: String,
    receives: u32,
    address: Option<Address>,
    /// Why the message cannot be read.
    unreadable: Option<String>,
    /// The finished job that the message holds.
    sent: Option<End>,
    /// The job, if it is known and has not finished.
    unfinished: Option<Job>,
}

/// What is to be recorded of a dead letter that is not tried again.
#[derive(Clone)]
pub(crate) struct Parked {
    pub(crate) letter: DeadLetter,
    /// The end of its job. `None` if the job is unknown or had already finished.
    pub(crate) ended: Option<End>,
    /// The id of the trace that the submission belongs to.
    pub(crate) trace: Option<String>,
}

/// The end of the job of a dead letter.
#[derive(Clone)]
pub(crate) enum End {
    /// The job has failed, or the API had finished it.
    Finished(Box<Job>),
    /// The API had finished the job, and nothing of it may be kept.
    Unkept(Ended),
}

/// The fields that a message has in every version. The trace may be absent.
#[derive(Deserialize)]
struct Address {
    #[serde(default, rename = "type")]
    kind: String,
    job: JobId,
    tenant: TenantId,
    trace: Option<String>,
}

/// Reads a dead letter. Returns `None` if nothing is left to be done: if the message was to erase a job,
/// that was done, and of a job that its client has erased nothing may be kept.
pub(crate) async fn read(context: &Context, lane: Lane, message: Message) -> Result<Option<Letter>, StoreError> {
    let receives = message
        .attributes
        .as_ref()
        .and_then(|attributes| attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    // SQS also counts how often this function has received it.
    let receives = receives
        .and_then(|count| count.parse::<u32>().ok())
        .unwrap_or_default()
        .min(job::MOST_RECEIVES);
    let (message_id, body) = (message.message_id.unwrap_or_default(), message.body.unwrap_or_default());
    let (address, unreadable, sent) = match job::Message::from_body(&body) {
        // The next run of `maintain` checks the job again.
        Ok(job::Message::Check(_)) => return Ok(None),
        Ok(job::Message::Erase(message)) => {
            context.completion.erase(&context.documents, &message.tenant, &message.job).await?;
            return Ok(None);
        }
        Ok(message) => {
            let address = Address {
                kind: String::new(),
                job: message.job().clone(),
                tenant: message.tenant().clone(),
                trace: message.trace().map(str::to_owned),
            };
            (Some(address), None, sent(message))
        }
        Err(error) => {
            let address: Option<Address> = serde_json::from_str(&body).ok();
            // Another message than that of the job, such as a check of it by a newer version, says nothing
            // about the job.
            let address = address.filter(|address| ["summarize", "record", "count"].contains(&address.kind.as_str()));
            (address, Some(error.to_string()), None)
        }
    };
    let mut unfinished = None;
    if let Some(Address { job, tenant, .. }) = &address {
        if context.completion.is_erased(tenant, job).await? {
            // An earlier run may have kept the body, and stopped before the archive knew of it.
            let body_key = letter_key(lane, &message_id);
            context.documents.erase(tenant, job, vec![body_key]).await?;
            return Ok(None);
        }
        let found = context.ledger.find(job).await?;
        unfinished = found.filter(|job| job.tenant == *tenant && !job.resource.status().is_final());
    }
    Ok(Some(Letter {
        lane,
        message_id,
        body,
        receives,
        address,
        unreadable,
        sent,
        unfinished,
    }))
}

impl Letter {
    /// The job, if its last attempt failed for a reason outside of the job, so that another one may
    /// succeed.
    pub(crate) fn waiting(&self) -> Option<&Job> {
        let passing = |job: &&Job| {
            let last = job::since_replay(&job.resource.attempts).last();
            last.is_none_or(|attempt| attempt.error.code.consequence() == Consequence::Passing)
        };
        self.unfinished.as_ref().filter(|_| self.unreadable.is_none()).filter(passing)
    }

    pub(crate) fn lane(&self) -> Lane {
        self.lane
    }

    /// The message as it is sent again.
    pub(crate) fn body(&self) -> String {
        job::Message::again(&self.body)
    }

    /// Keeps the body of the message, and ends the job.
    pub(crate) async fn park(self, context: &Context) -> Result<Parked, StoreError> {
        let last = self.unfinished.as_ref().and_then(|job| job::last_failure(&job.resource.attempts));
        let error = cause(self.unreadable, last);
        let now = OffsetDateTime::now_utc();
        let body_key = context.documents.keep(self.lane, &self.message_id, self.body).await?;
        let trace = self.address.as_ref().and_then(|address| address.trace.clone());
        let letter = DeadLetter {
            message_id: self.message_id,
            lane: self.lane,
            region: context.region.clone(),
            job: self.address.map(|address| (address.job, address.tenant)),
            reason: error.code.to_string(),
            receives: self.receives.cast_signed(),
            body_key,
            parked_at: now,
        };
        let mut failed = self.unfinished;
        if let Some(job) = &mut failed {
            job.resource
                .fail(now, error)
                .map_err(StoreError::because(Store::Ledger, "finish a job"))?;
        }
        let ended = self.sent.or(failed.map(|job| End::Finished(Box::new(job))));
        Ok(Parked { letter, ended, trace })
    }
}

/// The finished job that a message holds.
fn sent(message: job::Message) -> Option<End> {
    match message {
        // An erasure was done when it was read.
        job::Message::Summarize(_) | job::Message::Check(_) | job::Message::Erase(_) => None,
        job::Message::Record(message) => Some(End::Finished(Box::new(Job {
            tenant: message.tenant,
            key: message.key,
            resource: message.resource,
        }))),
        job::Message::Count(ended) => Some(End::Unkept(ended)),
    }
}

fn cause(unreadable: Option<String>, last: Option<&JobError>) -> JobError {
    match unreadable {
        Some(reason) => JobError::new(
            FailureCode::UnreadableMessage,
            format!("The worker could not read the job ({reason}). Submit the document again."),
        ),
        None => job::exhausted(last),
    }
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
