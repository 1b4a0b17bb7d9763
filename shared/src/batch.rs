//! Processes the SQS batches of a worker.
//!
//! The records of a batch are read and worked on in parallel and independently, those with the
//! shortest texts first. A panic affects only the record that caused it. The records that succeeded
//! or failed permanently are committed together: usually once per batch, and in several parts if
//! their results are large. A record that failed for a temporary reason is returned to its lane: it
//! is named in `batchItemFailures` and becomes visible again after a backoff with full jitter. The
//! rest of the batch is not delivered again.

use std::{
    collections::{BTreeSet, HashMap},
    future::Future,
    sync::Arc,
    time::Duration,
};

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use tokio::{
    task::{self, JoinSet},
    time::Instant,
};
use tracing::Instrument;

use crate::{
    job::{FailureCode, JobError, Message, MessageError},
    lanes::Queue,
    store::{Chain, Store, StoreError, in_time},
};

/// The last seconds of an invocation are reserved for the commit. The last two tenths of this time
/// are reserved for recording failed attempts, for the delays of messages, and for the answer.
const COMMIT_TIME: Duration = Duration::from_secs(5);
/// The longest backoff before the second attempt, in seconds. It doubles with every receive.
const FIRST_BACKOFF: u32 = 2;
/// The longest backoff before any attempt, in seconds.
const LONGEST_BACKOFF: u32 = 300;
/// After how many seconds a message that a newer version has written becomes visible again. A
/// gradual deployment takes ten minutes, and a message is received five times.
const NEWER_VERSION_DELAY: i32 = 180;
/// Results are committed as soon as they have this many bytes together. This bounds the memory and
/// the size of a statement, whatever the size of the batch.
const COMMIT_BYTES: usize = 8 * 1024 * 1024;

/// A record that could be read.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub message: Message,
    /// The receive count of the message. This delivery is included.
    pub receives: u32,
    message_id: String,
    receipt: String,
}

/// The outcome of the work on one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<D> {
    /// The work succeeded. Its result is committed.
    Done(D),
    /// The work failed permanently. The error is committed, and the message is not delivered again.
    Reject(JobError),
    /// The work failed for a temporary reason. The message is delivered again.
    Retry(JobError),
}

/// The worker of a lane.
pub trait Worker: Send + Sync + 'static {
    /// The result of the work on one record.
    type Done: Send + 'static;

    /// Works on one record until a moment at most. May panic. If it has not ended at that moment, it
    /// is dropped, and the record counts as out of time.
    fn work(self: Arc<Self>, delivery: Delivery, until: Instant) -> impl Future<Output = Outcome<Self::Done>> + Send;

    /// About how many bytes a result takes when it is committed.
    fn bytes(done: &Self::Done) -> usize;

    /// Records final results. If this fails, all their messages are delivered again.
    fn commit(&self, outcomes: Vec<(Delivery, Result<Self::Done, JobError>)>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Records attempts that failed for a temporary reason. Errors are logged and ignored.
    fn retrying(&self, retries: &[(Delivery, JobError)]) -> impl Future<Output = ()> + Send;
}

/// Processes one batch from `queue`. `deadline` is when Lambda stops the invocation.
pub async fn process<W: Worker>(worker: &Arc<W>, queue: &Queue, event: SqsEvent, deadline: Instant) -> SqsBatchResponse {
    let returned = work_and_commit(worker, event, deadline).await;
    // The answer must come before the deadline, or the messages that were committed come again too.
    let left = (deadline - COMMIT_TIME / 20).saturating_duration_since(Instant::now());
    let delayed = in_time(
        Store::Lanes,
        "change the visibility timeout of messages",
        left,
        queue.delay(&returned.delays),
    );
    if let Err(error) = delayed.await {
        tracing::warn!(error = %Chain(&error), "The visibility timeout of messages was not changed. They are delivered again when it is over.");
    }
    returned.into_response()
}

async fn work_and_commit<W: Worker>(worker: &Arc<W>, event: SqsEvent, deadline: Instant) -> Returned {
    let mut returned = Returned::default();
    let mut deliveries = Vec::new();
    for record in event.records {
        match read(&record) {
            Ok(delivery) => deliveries.push(delivery),
            Err(reason) => returned.return_unreadable(&record, &reason),
        }
    }
    deliveries.sort_by_key(|delivery| delivery.message.bytes());
    let mut running = Running::start(worker, deliveries, deadline.checked_sub(COMMIT_TIME).unwrap_or(deadline));
    let (mut committing, mut bytes, mut retries) = (Vec::new(), 0, Vec::new());
    while let Some((delivery, outcome)) = running.next().await {
        match outcome {
            Outcome::Done(done) => {
                bytes += W::bytes(&done);
                committing.push((delivery, Ok(done)));
            }
            Outcome::Reject(error) => committing.push((delivery, Err(error))),
            Outcome::Retry(error) => retries.push((delivery, error)),
        }
        if bytes >= COMMIT_BYTES {
            bytes = 0;
            retries.extend(commit(worker, std::mem::take(&mut committing), deadline - COMMIT_TIME / 5).await);
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
            returned.return_with_backoff(delivery);
        }
    }
    returned
}

/// Commits outcomes before the deadline. Returns what has to be delivered again: either nothing or
/// everything.
async fn commit<W: Worker>(
    worker: &Arc<W>,
    outcomes: Vec<(Delivery, Result<W::Done, JobError>)>,
    deadline: Instant,
) -> Vec<(Delivery, JobError)> {
    let deliveries: Vec<Delivery> = outcomes.iter().map(|(delivery, _)| delivery.clone()).collect();
    let message = match tokio::time::timeout_at(deadline, worker.commit(outcomes)).await {
        Ok(Ok(())) => return Vec::new(),
        Ok(Err(error)) => {
            tracing::error!(store = error.store.as_str(), error = %Chain(&error), "The final results of a batch were not recorded. Its messages will be delivered again.");
            "The result could not be stored in this attempt."
        }
        Err(_) => {
            tracing::error!("Recording the final results of a batch took too long. Its messages will be delivered again.");
            "Storing the result took too long in this attempt."
        }
    };
    let error = JobError::new(FailureCode::CommitFailed, message);
    deliveries.into_iter().map(|delivery| (delivery, error.clone())).collect()
}

fn read(record: &SqsMessage) -> Result<Delivery, MessageError> {
    let message = Message::from_body(record.body.as_deref().unwrap_or_default())?;
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

/// The work on the records of a batch. When this is dropped, the work ends.
struct Running<D> {
    tasks: JoinSet<Outcome<D>>,
    /// The records whose work has not ended.
    open: HashMap<task::Id, Delivery>,
    until: Instant,
}

impl<D: Send + 'static> Running<D> {
    fn start(worker: &Arc<impl Worker<Done = D>>, deliveries: Vec<Delivery>, until: Instant) -> Self {
        let mut tasks = JoinSet::new();
        let start = |delivery: Delivery| {
            let message = &delivery.message;
            let span = tracing::info_span!("delivery", job = %message.job(), tenant = %message.tenant(), receives = delivery.receives, trace_id = message.trace());
            let work = Arc::clone(worker).work(delivery.clone(), until).instrument(span);
            (tasks.spawn(work).id(), delivery)
        };
        let open = deliveries.into_iter().map(start).collect();
        Self { tasks, open, until }
    }

    /// The next record whose work has ended, or `None` if there is none left.
    async fn next(&mut self) -> Option<(Delivery, Outcome<D>)> {
        while let Ok(Some(ended)) = tokio::time::timeout_at(self.until, self.tasks.join_next_with_id()).await {
            let (id, outcome) = ended.unwrap_or_else(|error| {
                let outcome = Outcome::Retry(JobError::new(
                    FailureCode::WorkerPanicked,
                    "The worker stopped with an internal error in this attempt.",
                ));
                (error.id(), outcome)
            });
            if let Some(delivery) = self.open.remove(&id) {
                return Some((delivery, outcome));
            }
        }
        let id = *self.open.keys().next()?;
        let outcome = Outcome::Retry(JobError::new(
            FailureCode::OutOfTime,
            "The work took longer than the time limit of an attempt.",
        ));
        Some((self.open.remove(&id)?, outcome))
    }
}

/// The records that are returned to their lane, and the seconds until they become visible again.
#[derive(Default)]
struct Returned {
    failures: BTreeSet<String>,
    delays: Vec<(String, i32)>,
}

impl Returned {
    /// Returns a record whose body this worker cannot read. If a newer version has written it, it
    /// becomes visible again when the deployment has gone on. Otherwise it becomes visible at once,
    /// so that it reaches the dead-letter queue soon.
    fn return_unreadable(&mut self, record: &SqsMessage, reason: &MessageError) {
        let id = record.message_id.clone().unwrap_or_default();
        let delay = match reason {
            MessageError::Newer(_) => NEWER_VERSION_DELAY,
            MessageError::Shape => 0,
        };
        tracing::error!(
            message_id = id,
            %reason,
            "A message could not be read. After its last delivery it is moved to the dead-letter queue."
        );
        self.delays.push((record.receipt_handle.clone().unwrap_or_default(), delay));
        self.failures.insert(id);
    }

    fn return_with_backoff(&mut self, delivery: &Delivery) {
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

/// Seconds until the next attempt: a random number between 0 and `2 × 2^(receives-1)`, but at most
/// five minutes ("full jitter", AWS Architecture Blog 2015).
fn backoff(receives: u32) -> i32 {
    let ceiling = FIRST_BACKOFF
        .saturating_mul(1u32.checked_shl(receives.saturating_sub(1)).unwrap_or(u32::MAX))
        .min(LONGEST_BACKOFF);
    let random = u32::from_le_bytes(uuid::Uuid::new_v4().into_bytes()[..4].try_into().unwrap_or_default());
    i32::try_from(random % (ceiling + 1)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
