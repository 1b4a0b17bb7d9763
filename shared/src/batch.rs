//! Processes the SQS batches of a worker.
//!
//! The records of a batch are read and worked on in parallel and independently, those with the
//! shortest texts first. A panic affects only the record that caused it. The records that succeeded
//! or failed permanently are committed together: usually once per batch, and in several parts if
//! their results are large.
//!
//! A record that is to be tried again is returned to its lane: it is named in `batchItemFailures`,
//! and becomes visible again after the wait that [`job::next`] says. The rest of the batch is not
//! delivered again.
//!
//! A record that was delivered before, and of whose last delivery no outcome was reported, may have
//! stopped a worker. It is worked on when the others of its batch are done and committed, alone, and
//! noted before. So the others cannot be lost with it, and a record that stops a worker again is
//! known. Such records are sorted by how often that happened.

use std::{
    collections::{BTreeSet, HashMap},
    future::Future,
    sync::Arc,
    time::Duration,
};

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures::future::join_all;
use time::OffsetDateTime;
use tokio::{
    task::{self, JoinSet},
    time::Instant,
};
use tracing::Instrument;

use crate::{
    job::{self, Attempt, FailureCode, JobError, Message, MessageError, Next},
    kill::{self, Step},
    lanes::Queue,
    store::{Chain, Store, StoreError, in_time},
};

/// The last seconds of an invocation are reserved for the commit. The last two tenths of this time
/// are reserved for recording failed attempts, for the delays of messages, and for the answer.
const COMMIT_TIME: Duration = Duration::from_secs(5);
/// After how many seconds a message that a newer version has written becomes visible again. A
/// gradual deployment takes ten minutes, and a message is received twenty times.
const NEWER_VERSION_DELAY: i32 = 180;
/// After how many seconds a message becomes visible again that no version can read.
const UNREADABLE_DELAY: i32 = 5;
/// Results are committed as soon as they have this many bytes together. This bounds the memory and
/// the size of a statement, whatever the size of the batch.
const COMMIT_BYTES: usize = 8 * 1024 * 1024;
/// How long the ledger is waited for when earlier attempts are read, or noted before a record is
/// worked on alone.
const EARLIER_TIMEOUT: Duration = Duration::from_secs(1);

/// A record that could be read.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub message: Message,
    /// The receive count of the message. This delivery is included.
    pub receives: u32,
    /// The attempts that failed before, the oldest first. `None` if they could not be read.
    pub earlier: Option<Vec<Attempt>>,
    message_id: String,
    receipt: String,
}

impl Delivery {
    /// Whether no worker reported the outcome of the last delivery of this record. Only a text can stop
    /// a worker.
    fn is_suspect(&self) -> bool {
        let is_reported = |last: &Attempt| last.number + 1 == self.receives && last.error.code != FailureCode::WorkerCrashed;
        let has_text = matches!(self.message, Message::Summarize(_));
        has_text && self.receives > 1 && !self.earlier().last().is_some_and(is_reported)
    }

    /// Whether there may be attempts that failed before: at this message, or at one that was sent before
    /// it.
    pub fn is_repeated(&self) -> bool {
        match &self.message {
            Message::Summarize(job) => self.receives > 1 || job.again,
            Message::Record(_) | Message::Count(_) | Message::Check(_) | Message::Erase(_) => false,
        }
    }

    fn earlier(&self) -> &[Attempt] {
        self.earlier.as_deref().unwrap_or_default()
    }

    fn crashes(&self) -> usize {
        let crashed = |attempt: &&Attempt| attempt.error.code == FailureCode::WorkerCrashed;
        job::since_replay(self.earlier()).iter().filter(crashed).count()
    }
}

/// The outcome of the work on one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<D> {
    /// The work succeeded. Its result is committed.
    Done(D),
    /// The work failed. [`job::next`] says whether the record is delivered again. If it is not, the
    /// error is committed.
    Failed(JobError),
}

/// The worker of a lane.
pub trait Worker: Send + Sync + 'static {
    /// The result of the work on one record.
    type Done: Send + 'static;

    /// The attempts at a record that failed before this delivery. It is called only if there may be
    /// some.
    ///
    /// # Errors
    /// If the attempts cannot be read.
    fn earlier(&self, delivery: &Delivery) -> impl Future<Output = Result<Vec<Attempt>, StoreError>> + Send;

    /// Works on one record until a moment at most. May panic. If it has not ended at that moment, it
    /// is dropped, and the record counts as out of time.
    fn work(self: Arc<Self>, delivery: Delivery, until: Instant) -> impl Future<Output = Outcome<Self::Done>> + Send;

    /// About how many bytes a result takes when it is committed.
    fn bytes(done: &Self::Done) -> usize;

    /// Records final results. If this fails, all their messages are delivered again.
    fn commit(&self, outcomes: Vec<(Delivery, Result<Self::Done, JobError>)>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Notes attempts behind the earlier ones of a record, before the record is worked on alone. Returns
    /// whether they are noted. Errors are logged.
    fn begin_alone(&self, delivery: &Delivery, attempts: &[Attempt]) -> impl Future<Output = bool> + Send;

    /// Notes attempts that failed, each behind the earlier ones of its record. Errors are logged and
    /// ignored.
    fn note(&self, attempts: &[(Delivery, Attempt)]) -> impl Future<Output = ()> + Send;
}

/// One invocation of a worker.
pub struct Invocation {
    pub request_id: String,
    /// When Lambda stops the invocation.
    pub deadline: Instant,
}

/// Processes one batch from `queue`.
pub async fn process<W: Worker>(worker: &Arc<W>, queue: &Queue, event: SqsEvent, invocation: &Invocation) -> SqsBatchResponse {
    let returned = work_and_commit(worker, event, invocation).await;
    // The answer must come before the deadline, or the messages that were committed come again too.
    let left = (invocation.deadline - COMMIT_TIME / 20).saturating_duration_since(Instant::now());
    let delayed = in_time(
        Store::Lanes,
        "change the visibility timeout of messages",
        left,
        queue.delay(&returned.delays),
    );
    if let Err(error) = delayed.await {
        tracing::warn!(error = %Chain(&error), "The visibility timeout of messages was not changed. They are delivered again when it is over.");
    }
    kill::at(Step::Answering);
    returned.into_response()
}

async fn work_and_commit<W: Worker>(worker: &Arc<W>, event: SqsEvent, invocation: &Invocation) -> Returned {
    let mut returned = Returned::default();
    let mut deliveries = Vec::new();
    for record in event.records {
        match read(&record) {
            Ok(delivery) => deliveries.push(delivery),
            Err(reason) => returned.return_unreadable(&record, &reason),
        }
    }
    let (mut suspects, mut others): (Vec<Delivery>, Vec<Delivery>) =
        with_earlier(worker, deliveries).await.into_iter().partition(Delivery::is_suspect);
    others.sort_by_key(|delivery| delivery.message.bytes());
    suspects.sort_by_key(Delivery::crashes);
    let mut batch = Batch {
        worker,
        invocation,
        until: invocation.deadline.checked_sub(COMMIT_TIME).unwrap_or(invocation.deadline),
        returned,
    };
    batch.together(others).await;
    for suspect in suspects {
        batch.alone(suspect).await;
    }
    batch.returned
}

/// Reads the earlier attempts of records that were delivered before.
async fn with_earlier<W: Worker>(worker: &Arc<W>, deliveries: Vec<Delivery>) -> Vec<Delivery> {
    let read = deliveries.into_iter().map(async |mut delivery| {
        if delivery.is_repeated() {
            let earlier = in_time(Store::Ledger, "find a job", EARLIER_TIMEOUT, worker.earlier(&delivery)).await;
            delivery.earlier = earlier
                .inspect_err(|error| {
                    tracing::warn!(job = %delivery.message.job(), error = %Chain(error), "The failed attempts of a job could not be read. It is worked on alone, and recorded without them.");
                })
                .ok();
        }
        delivery
    });
    join_all(read).await
}

/// A batch that is being worked on.
struct Batch<'a, W> {
    worker: &'a Arc<W>,
    invocation: &'a Invocation,
    /// When all work ends.
    until: Instant,
    returned: Returned,
}

impl<W: Worker> Batch<'_, W> {
    /// Works on a record that may stop the worker.
    async fn alone(&mut self, mut delivery: Delivery) {
        if let Some(error) = job::refusal(delivery.earlier()) {
            self.end(vec![(delivery, Outcome::Failed(error))]).await;
            return;
        }
        if Instant::now() + EARLIER_TIMEOUT >= self.until {
            let error = JobError::new(FailureCode::NoTimeLeft, "The worker had no time left for this job in this attempt.");
            self.end(vec![(delivery, Outcome::Failed(error))]).await;
            return;
        }
        // Without the earlier attempts there is no place for a note.
        if delivery.earlier.is_some() {
            let unreported = |number, code, message| Attempt::unreported(number, OffsetDateTime::now_utc(), JobError::new(code, message));
            let last = delivery.receives - 1;
            let is_known = delivery.earlier().last().is_some_and(|attempt| attempt.number == last);
            let stopped = (!is_known).then(|| {
                unreported(
                    last,
                    FailureCode::WorkerStopped,
                    "No worker reported the outcome of this attempt. A worker may have stopped, perhaps because of another job.",
                )
            });
            let begun = unreported(
                delivery.receives,
                FailureCode::WorkerCrashed,
                "A worker began to work on nothing but this job, and reported no outcome.",
            );
            let begins: Vec<Attempt> = stopped.iter().cloned().chain([begun]).collect();
            let noted = tokio::time::timeout(EARLIER_TIMEOUT, self.worker.begin_alone(&delivery, &begins)).await;
            kill::at(Step::NotedAlone);
            if noted.unwrap_or(false) {
                delivery.earlier.get_or_insert_default().extend(stopped);
            }
        }
        self.together(vec![delivery]).await;
    }

    /// Works on records in parallel.
    async fn together(&mut self, deliveries: Vec<Delivery>) {
        let mut running = Running::start(self.worker, deliveries, self.until);
        let (mut ended, mut bytes) = (Vec::new(), 0);
        while let Some((delivery, outcome)) = running.next().await {
            if let Outcome::Done(done) = &outcome {
                bytes += W::bytes(done);
            }
            ended.push((delivery, outcome));
            if bytes >= COMMIT_BYTES {
                bytes = 0;
                self.end(std::mem::take(&mut ended)).await;
            }
        }
        self.end(ended).await;
    }

    /// Commits the results and the final failures of records, and returns the others to their lane.
    async fn end(&mut self, ended: Vec<(Delivery, Outcome<W::Done>)>) {
        let (mut finished, mut waiting) = (Vec::new(), Vec::new());
        for (delivery, outcome) in ended {
            match outcome {
                Outcome::Done(done) => finished.push((delivery, Ok(done))),
                Outcome::Failed(error) => match job::next(delivery.earlier(), delivery.receives, &error, chance()) {
                    Next::Fail(error) => finished.push((delivery, Err(error))),
                    Next::TryAgain { seconds } => waiting.push((delivery, error, seconds)),
                },
            }
        }
        if !finished.is_empty() {
            waiting.extend(self.commit(finished).await);
            kill::at(Step::Committed);
        }
        self.give_back(waiting).await;
    }

    /// Commits outcomes before the deadline. Returns what has to be delivered again: either nothing
    /// or everything.
    async fn commit(&self, outcomes: Vec<(Delivery, Result<W::Done, JobError>)>) -> Vec<(Delivery, JobError, u32)> {
        let deliveries: Vec<Delivery> = outcomes.iter().map(|(delivery, _)| delivery.clone()).collect();
        let deadline = self.invocation.deadline - COMMIT_TIME / 5;
        let message = match tokio::time::timeout_at(deadline, self.worker.commit(outcomes)).await {
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
        let again = |delivery: Delivery| {
            // A failure of a store is never final.
            let seconds = match job::next(delivery.earlier(), delivery.receives, &error, chance()) {
                Next::TryAgain { seconds } => seconds,
                Next::Fail(_) => 0,
            };
            (delivery, error.clone(), seconds)
        };
        deliveries.into_iter().map(again).collect()
    }

    /// Returns records to their lane.
    async fn give_back(&mut self, waiting: Vec<(Delivery, JobError, u32)>) {
        if waiting.is_empty() {
            return;
        }
        let at = OffsetDateTime::now_utc();
        let mut attempts = Vec::new();
        for (delivery, error, seconds) in waiting {
            self.returned.failures.insert(delivery.message_id.clone());
            self.returned
                .delays
                .push((delivery.receipt.clone(), i32::try_from(seconds).unwrap_or(i32::MAX)));
            let attempt = Attempt {
                number: delivery.receives,
                at,
                error,
                request_id: Some(self.invocation.request_id.clone()),
                next_try_at: Some(at + time::Duration::seconds(seconds.into())),
            };
            attempts.push((delivery, attempt));
        }
        let deadline = self.invocation.deadline - COMMIT_TIME / 10;
        if tokio::time::timeout_at(deadline, self.worker.note(&attempts)).await.is_err() {
            tracing::warn!("There was no time left to record failed attempts.");
        }
        kill::at(Step::AttemptsNoted);
    }
}

/// A random number.
fn chance() -> u32 {
    u32::from_le_bytes(uuid::Uuid::new_v4().into_bytes()[..4].try_into().unwrap_or_default())
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
        earlier: Some(Vec::new()),
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
                let outcome = Outcome::Failed(JobError::new(
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
        let outcome = Outcome::Failed(JobError::new(
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
    /// becomes visible again when the deployment has gone on. Otherwise it becomes visible soon, so that
    /// it reaches the dead-letter queue within minutes.
    fn return_unreadable(&mut self, record: &SqsMessage, reason: &MessageError) {
        let id = record.message_id.clone().unwrap_or_default();
        let delay = match reason {
            MessageError::Newer(_) => NEWER_VERSION_DELAY,
            MessageError::Shape => UNREADABLE_DELAY,
        };
        tracing::error!(
            message_id = id,
            %reason,
            "A message could not be read. After its last delivery it is moved to the dead-letter queue."
        );
        self.delays.push((record.receipt_handle.clone().unwrap_or_default(), delay));
        self.failures.insert(id);
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

#[cfg(test)]
mod tests;
