//! The one SQS batch processor every worker goes through.
//!
//! Each record is read, worked on and judged alone, in parallel; a panic is one record's fate.
//! What is done or rejected is committed together, once per batch. What failed for a passing
//! reason goes back to its lane, delayed by backoff with full jitter, and is named in
//! `batchItemFailures`; the rest of the batch is not delivered again.

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures::future::join_all;
use tokio::time::Instant;
use tracing::Instrument;

use crate::{
    job::{FailureCode, JobError, Message},
    lanes::Queue,
    store::{Chain, StoreError},
};

/// Kept free at the end of an invocation: for the commit, of it a tenth each for noting attempts and for the answer.
const COMMIT_TIME: Duration = Duration::from_secs(5);
/// Backoff before the second try; doubles with every receive.
const FIRST_BACKOFF: u32 = 2;
/// Longest backoff, seconds.
const LONGEST_BACKOFF: u32 = 300;

/// A record that could be read.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub message: Message,
    /// How often this message was received, this time included.
    pub receives: u32,
    message_id: String,
    receipt: String,
}

/// How one record ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<D> {
    /// Worked; to be committed.
    Done(D),
    /// Failed for good; to be committed as such, not delivered again.
    Reject(JobError),
    /// Failed for a passing reason; to be delivered again.
    Retry(JobError),
}

/// A worker behind a lane.
pub trait Worker: Send + Sync + 'static {
    /// What the work on one record yields.
    type Done: Send + 'static;

    /// Works on one record. May panic.
    fn work(self: Arc<Self>, delivery: Delivery) -> impl Future<Output = Outcome<Self::Done>> + Send;

    /// Makes the final outcomes of a batch last. After an error every one of them is delivered again.
    fn commit(&self, outcomes: Vec<(Delivery, Result<Self::Done, JobError>)>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Notes what failed for a passing reason. Best effort.
    fn retrying(&self, retries: &[(Delivery, JobError)]) -> impl Future<Output = ()> + Send;
}

/// Works through one batch that came from `queue`; `deadline` is when the invocation ends.
pub async fn process<W: Worker>(worker: &Arc<W>, queue: &Queue, event: SqsEvent, deadline: Instant) -> SqsBatchResponse {
    let back = work_and_commit(worker, event, deadline).await;
    if let Err(error) = queue.delay(&back.delays).await {
        // The messages come back all the same, when their visibility ends.
        tracing::warn!(error = %Chain(&error), "The visibility of messages was not changed; they return when their visibility timeout is over.");
    }
    back.into_response()
}

async fn work_and_commit<W: Worker>(worker: &Arc<W>, event: SqsEvent, deadline: Instant) -> HandedBack {
    let mut back = HandedBack::default();
    let mut deliveries = Vec::new();
    for record in event.records {
        match read(&record) {
            Ok(delivery) => deliveries.push(delivery),
            Err(reason) => back.quarantine(&record, &reason),
        }
    }
    let (mut committing, mut retries) = (Vec::new(), Vec::new());
    for (delivery, outcome) in work_all(worker, deliveries, deadline.checked_sub(COMMIT_TIME).unwrap_or(deadline)).await {
        match outcome {
            Outcome::Done(done) => committing.push((delivery, Ok(done))),
            Outcome::Reject(error) => committing.push((delivery, Err(error))),
            Outcome::Retry(error) => retries.push((delivery, error)),
        }
    }
    if !committing.is_empty() {
        retries.extend(commit(worker, committing, deadline - COMMIT_TIME / 5).await);
    }
    if !retries.is_empty() {
        if tokio::time::timeout_at(deadline - COMMIT_TIME / 10, worker.retrying(&retries))
            .await
            .is_err()
        {
            tracing::warn!("There was no time left to record failed attempts.");
        }
        for (delivery, _) in &retries {
            back.give_back(delivery);
        }
    }
    back
}

/// Commits until the deadline; returns what has to be delivered again, which is all or nothing.
async fn commit<W: Worker>(
    worker: &Arc<W>,
    outcomes: Vec<(Delivery, Result<W::Done, JobError>)>,
    deadline: Instant,
) -> Vec<(Delivery, JobError)> {
    let deliveries: Vec<Delivery> = outcomes.iter().map(|(delivery, _)| delivery.clone()).collect();
    let message = match tokio::time::timeout_at(deadline, worker.commit(outcomes)).await {
        Ok(Ok(())) => return Vec::new(),
        Ok(Err(error)) => {
            tracing::error!(store = error.store.as_str(), error = %Chain(&error), "The results of a batch were not recorded; its messages will be received again.");
            "The result could not be stored; it will be tried again."
        }
        Err(_) => {
            tracing::error!("Recording the results of a batch took too long; its messages will be received again.");
            "Storing the result took too long; it will be tried again."
        }
    };
    let error = JobError::new(FailureCode::CommitFailed, message);
    deliveries.into_iter().map(|delivery| (delivery, error.clone())).collect()
}

fn read(record: &SqsMessage) -> Result<Delivery, String> {
    let body = record.body.as_deref().unwrap_or_default();
    let message = Message::from_body(body).map_err(|error| error.to_string())?;
    let receives = record
        .attributes
        .get("ApproximateReceiveCount")
        .and_then(|count| count.parse().ok())
        .unwrap_or(1);
    Ok(Delivery {
        message,
        receives,
        message_id: record.message_id.clone().unwrap_or_default(),
        receipt: record.receipt_handle.clone().unwrap_or_default(),
    })
}

async fn work_all<W: Worker>(worker: &Arc<W>, deliveries: Vec<Delivery>, until: Instant) -> Vec<(Delivery, Outcome<W::Done>)> {
    let running = deliveries.into_iter().map(|delivery| {
        let Message::Summarize(job) = &delivery.message;
        let span = tracing::info_span!("delivery", job = %job.job, tenant = %job.tenant, receives = delivery.receives);
        let task = tokio::spawn(Arc::clone(worker).work(delivery.clone()).instrument(span));
        async move {
            let outcome = match tokio::time::timeout_at(until, task).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Outcome::Retry(JobError::new(
                    FailureCode::WorkerPanicked,
                    "The worker failed on this document; it will be tried again.",
                )),
                Err(_) => Outcome::Retry(JobError::new(
                    FailureCode::OutOfTime,
                    "The work took longer than an invocation may; it will be tried again.",
                )),
            };
            (delivery, outcome)
        }
    });
    join_all(running).await
}

/// Records that stay in the queue, and when they will be seen again.
#[derive(Default)]
struct HandedBack {
    failures: BTreeSet<String>,
    delays: Vec<(String, i32)>,
}

impl HandedBack {
    /// A body that no version of this worker can read: back at once, so that it reaches the dead-letter queue soon.
    fn quarantine(&mut self, record: &SqsMessage, reason: &str) {
        let id = record.message_id.clone().unwrap_or_default();
        tracing::error!(
            message_id = id,
            reason,
            "A message could not be read; it will reach the dead-letter queue."
        );
        self.delays.push((record.receipt_handle.clone().unwrap_or_default(), 0));
        self.failures.insert(id);
    }

    fn give_back(&mut self, delivery: &Delivery) {
        self.delays.push((delivery.receipt.clone(), backoff(delivery.receives)));
        self.failures.insert(delivery.message_id.clone());
    }

    fn into_response(self) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        response.batch_item_failures = self.failures.into_iter().map(failure).collect();
        response
    }
}

fn failure(id: String) -> BatchItemFailure {
    let mut failure = BatchItemFailure::default();
    failure.item_identifier = id;
    failure
}

/// Seconds until the next try: uniform between 0 and `2 × 2^(receives-1)`, at most five minutes
/// ("full jitter", AWS Architecture Blog 2015).
fn backoff(receives: u32) -> i32 {
    let ceiling = FIRST_BACKOFF
        .saturating_mul(1u32.checked_shl(receives.saturating_sub(1)).unwrap_or(u32::MAX))
        .min(LONGEST_BACKOFF);
    let random = u32::from_le_bytes(uuid::Uuid::new_v4().into_bytes()[..4].try_into().unwrap_or_default());
    i32::try_from(random % (ceiling + 1)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
