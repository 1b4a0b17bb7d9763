//! The work on one job: fetching its text, summarising it, and recording its final result.

use std::{io, sync::Arc, time::Duration};

use futures::future::join_all;
use shared::{
    batch::{Delivery, Outcome, Worker},
    cache::{Cache, Work},
    completion::{Completion, Finished},
    documents::Documents,
    job::{
        self, Attempt, Document, EraseMessage, FailureCode, ForbiddenTransition, Include, Job, JobError, Limits, Message, Method,
        RequestOptions, SummarizeMessage, SummaryResource, SummaryResult, Unmade, fingerprint,
    },
    ledger::Ledger,
    service_level::ServiceLevel,
    store::{Chain, Store, StoreError, in_time},
    summarizer::{ENGINE, Summary},
    telemetry::metric,
};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::room::{Place, Room};

/// How long the engine may work on one text. The slowest known text of 4 MiB takes 4.4 CPU seconds.
/// A text that takes longer than this in two attempts would take as long in every attempt, so that
/// its job fails.
const ENGINE_TIME: Duration = Duration::from_secs(20);
/// How long the ledger is waited for when the failed attempts of jobs are read. They are only shown
/// beside the result.
const ATTEMPTS_TIMEOUT: Duration = Duration::from_secs(1);
/// The time between two looks at a result that another process is making. The worker looks again and
/// again, because no message says that a result is made: the messages of the cache name jobs.
const BUSY_PAUSE: Duration = Duration::from_millis(100);
/// About how many bytes a result has that came from the cache, or with its message.
const SHARED_BYTES: usize = 512 * 1024;

pub(crate) struct Summarizer {
    pub(crate) region: String,
    pub(crate) cache: Arc<Cache>,
    pub(crate) completion: Completion,
    pub(crate) documents: Documents,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) level: ServiceLevel,
    pub(crate) room: Room,
}

/// The result of the work on one message.
pub(crate) enum Done {
    /// The engine has made a summary.
    Made(Box<Made>),
    /// The summary was made for another job with the same text and options.
    Shared {
        result: Box<SummaryResult>,
        started_at: OffsetDateTime,
    },
    /// The job had finished before this message came.
    Finished(Box<SummaryResource>),
    /// The message itself holds everything that is to be recorded, which may be nothing.
    Sent,
}

pub(crate) struct Made {
    summary: Summary,
    /// How many bytes the summary has as JSON in the response of a Lambda function.
    bytes: usize,
    /// The fingerprint of the submission for the engine that made the summary.
    fingerprint: String,
    started_at: OffsetDateTime,
    /// Whether something that the client asked for was left out because of load.
    degraded: bool,
}

/// Why a text was not summarised.
enum Failure {
    /// Every further attempt would fail too.
    Permanent(JobError),
    /// Another attempt may succeed.
    Temporary(JobError),
}

impl From<Failure> for Outcome<Done> {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Permanent(error) => Self::Reject(error),
            Failure::Temporary(error) => Self::Retry(error),
        }
    }
}

impl Worker for Summarizer {
    type Done = Done;

    async fn work(self: Arc<Self>, delivery: Delivery, until: Instant) -> Outcome<Done> {
        let is_repeated = delivery.receives > 1;
        let job = match delivery.message {
            Message::Summarize(job) => job,
            Message::Erase(message) => return self.erase(&message).await,
            Message::Record(_) | Message::Count(_) => return Outcome::Done(Done::Sent),
        };
        let started_at = OffsetDateTime::now_utc();
        // A job that was begun before its deadline may be tried again after it.
        let may_begin = is_repeated || job.options.deadline.is_none_or(|deadline| deadline > started_at);
        let (place, work) = self.begin(&job, started_at, may_begin).await;
        match work {
            Work::Erased => return Outcome::Done(Done::Sent),
            Work::Finished(resource) => return Outcome::Done(Done::Finished(resource)),
            Work::Late => {
                return Outcome::Reject(JobError::new(
                    FailureCode::Expired,
                    "No worker had begun the job at its deadline. Submit the document again, with a later deadline or a higher priority.",
                ));
            }
            Work::Known(other) => {
                if let Some(result) = other.result() {
                    let result = Box::new(result.clone());
                    return Outcome::Done(Done::Shared { result, started_at });
                }
            }
            Work::Busy | Work::Needed => {}
        }
        let text = match self.text(job.document).await {
            Ok(text) => text,
            Err(failure) => return failure.into(),
        };
        let mut options = job.options.clone();
        if !self.level.current().await.has_keywords() {
            options.include.retain(|include| *include != Include::Keywords);
        }
        let degraded = options.include.len() < job.options.include.len();
        let place = self.room.processor(place).await;
        let engine = move || {
            let outcome = summarize(&text, &options, until, ENGINE_TIME, is_repeated);
            (outcome, fingerprint(ENGINE, &job.options, &text), place)
        };
        let ended = tokio::task::spawn_blocking(engine).await;
        let (outcome, fingerprint, _) = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        let summary = match outcome {
            Ok(summary) => summary,
            Err(failure) => return failure.into(),
        };
        let bytes = Payload::of(&summary);
        if bytes > Limits::RESULT_BYTES {
            return Outcome::Reject(JobError::new(
                FailureCode::ResultTooLarge,
                format!(
                    "The result is longer than the limit of {} bytes of JSON. Ask for a shorter summary, or leave `scores` out of `include`.",
                    Limits::RESULT_BYTES
                ),
            ));
        }
        Outcome::Done(Done::Made(Box::new(Made {
            summary,
            bytes,
            fingerprint,
            started_at,
            degraded,
        })))
    }

    fn bytes(done: &Done) -> usize {
        match done {
            Done::Made(made) => made.bytes,
            Done::Shared { .. } | Done::Finished(_) | Done::Sent => SHARED_BYTES,
        }
    }

    async fn commit(&self, outcomes: Vec<(Delivery, Result<Done, JobError>)>) -> Result<(), StoreError> {
        let finished_at = OffsetDateTime::now_utc();
        let attempts = join_all(outcomes.iter().map(|(delivery, _)| self.attempts(delivery))).await;
        let (mut finished, mut unkept) = (Vec::new(), Vec::new());
        for ((delivery, outcome), attempts) in outcomes.into_iter().zip(attempts) {
            match delivery.message {
                // The client has erased the job.
                Message::Summarize(_) if matches!(outcome, Ok(Done::Sent)) => {}
                Message::Summarize(job) => finished.push(
                    self.finish(job, outcome, attempts, finished_at)
                        .map_err(StoreError::because(Store::Ledger, "finish a job"))?,
                ),
                Message::Record(message) => finished.push(Finished {
                    job: Job {
                        tenant: message.tenant,
                        key: message.key,
                        resource: message.resource,
                    },
                    claim: message.claim,
                    trace: message.trace,
                    fingerprint: message.fingerprint,
                }),
                Message::Count(ended) => unkept.push(ended),
                // It was done when it was worked on.
                Message::Erase(_) => {}
            }
        }
        self.completion.record(&finished, &unkept, &[]).await.map(drop)
    }

    async fn retrying(&self, retries: &[(Delivery, JobError)]) {
        let at = OffsetDateTime::now_utc();
        let (mut attempts, mut waiting) = (Vec::new(), Vec::new());
        for (Delivery { message, receives, .. }, error) in retries {
            let (id, tenant) = (message.job(), message.tenant());
            tracing::warn!(job = %id, %tenant, receives, code = %error.code, trace_id = message.trace(), "An attempt failed. The job will be delivered again.");
            metrics::counter!(metric::RETRIED, "lane" => message.lane().as_str()).increment(1);
            attempts.push((
                id.clone(),
                Attempt {
                    number: *receives,
                    at,
                    error: error.clone(),
                },
            ));
            waiting.push((tenant, id));
        }
        let noted = tokio::join!(self.ledger.record(&attempts), self.cache.waiting(&waiting));
        for error in [noted.0, noted.1].into_iter().filter_map(Result::err) {
            tracing::warn!(store = error.store.as_str(), error = %Chain(&error), "A failed attempt was not recorded in this store. The job will be delivered again nevertheless.");
        }
    }
}

impl Summarizer {
    /// Erases a job once more.
    async fn erase(&self, message: &EraseMessage) -> Outcome<Done> {
        let erased = self.completion.erase(&self.documents, &message.tenant, &message.job).await;
        match erased {
            Ok(()) => Outcome::Done(Done::Sent),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "A job could not be erased once more. The message will be delivered again.");
                Outcome::Retry(JobError::new(
                    FailureCode::CommitFailed,
                    "The job could not be erased in this attempt.",
                ))
            }
        }
    }

    /// Waits for memory for a text, marks its job as started, and says what there is to do. While
    /// another process makes the same result, it is waited for, without the memory.
    async fn begin(&self, job: &SummarizeMessage, started_at: OffsetDateTime, may_begin: bool) -> (Place, Work) {
        let shared = job.options.expires_in.is_none().then_some(job.fingerprint.as_str());
        loop {
            let place = self.room.memory(job.bytes()).await;
            let begun = self.cache.begin(&job.tenant, &job.job, shared, started_at, may_begin).await;
            let work = begun.unwrap_or_else(|error| {
                tracing::warn!(error = %Chain(&error), "The start of a job was not written to the cache. Reads show the job as queued until it has finished.");
                if may_begin { Work::Needed } else { Work::Late }
            });
            if work != Work::Busy {
                return (place, work);
            }
            drop(place);
            tokio::time::sleep(BUSY_PAUSE).await;
        }
    }

    async fn text(&self, document: Document) -> Result<String, Failure> {
        let key = match document {
            Document::Inline(text) => return Ok(text),
            Document::Stored(key) => key,
        };
        match self.documents.fetch(&key).await {
            Ok(Some(text)) => Ok(text),
            Ok(None) => Err(Failure::Permanent(JobError::new(
                FailureCode::DocumentMissing,
                "The stored document no longer exists. Submit it again.",
            ))),
            Err(cause) => {
                tracing::warn!(error = %Chain(&cause), "A document could not be fetched. The job will be delivered again.");
                Err(Failure::Temporary(JobError::new(
                    FailureCode::DocumentUnavailable,
                    "The stored document could not be read in this attempt.",
                )))
            }
        }
    }

    /// Makes the finished job from a message and the outcome of the work on it.
    fn finish(
        &self,
        job: SummarizeMessage,
        outcome: Result<Done, JobError>,
        attempts: Vec<Attempt>,
        finished_at: OffsetDateTime,
    ) -> Result<Finished, ForbiddenTransition> {
        let is_shared = job.options.expires_in.is_none();
        let trace = job.trace;
        let mut resource = SummaryResource::queued(job.job, job.lane, self.region.clone(), job.created_at, job.options);
        resource.deferred = job.deferred;
        resource.attempts = attempts;
        let (mut fingerprint, mut claim) = (None, Some(job.fingerprint).filter(|_| is_shared));
        match outcome {
            Ok(Done::Made(made)) => {
                resource.start(made.started_at)?;
                let result = SummaryResult {
                    summary: made.summary,
                    method: Method::Extractive,
                    degraded: made.degraded,
                };
                resource.succeed(finished_at, result)?;
                fingerprint = Some(made.fingerprint).filter(|_| is_shared && !made.degraded);
            }
            Ok(Done::Shared { result, started_at }) => {
                claim = None;
                resource.start(started_at)?;
                resource.succeed(finished_at, *result)?;
            }
            Ok(Done::Finished(known)) => {
                claim = None;
                resource = *known;
            }
            // Such a job is not recorded.
            Ok(Done::Sent) => {}
            Err(error) => resource.fail(finished_at, error)?,
        }
        let job = Job {
            tenant: job.tenant,
            key: job.key,
            resource,
        };
        Ok(Finished {
            job,
            fingerprint,
            claim,
            trace,
        })
    }

    /// The attempts at a job that failed before this delivery. If the ledger does not answer, the
    /// job is recorded without them.
    async fn attempts(&self, delivery: &Delivery) -> Vec<Attempt> {
        if delivery.receives <= 1 {
            return Vec::new();
        }
        let Message::Summarize(job) = &delivery.message else {
            return Vec::new();
        };
        let found = in_time(Store::Ledger, "find a job", ATTEMPTS_TIMEOUT, self.ledger.find(&job.job)).await;
        let found = found.unwrap_or_else(|error| {
            tracing::warn!(job = %job.job, trace_id = job.trace, error = %Chain(&error), "The failed attempts of a job could not be read. The job is recorded without them.");
            None
        });
        found.map(|job| job.resource.attempts).unwrap_or_default()
    }
}

/// Summarises a text for `most` at most, and until the moment `until` at most. A text that takes
/// longer than `most` fails for good only if this attempt is a repetition, because the machine may
/// have been slow in the first one.
fn summarize(text: &str, options: &RequestOptions, until: Instant, most: Duration, is_repeated: bool) -> Result<Summary, Failure> {
    let end = Instant::now() + most;
    job::summarize(text, options, &|| Instant::now() < end.min(until)).map_err(|reason| match reason {
        Unmade::Rejected(error) => Failure::Permanent(error),
        Unmade::Stopped if end <= until && is_repeated => Failure::Permanent(JobError::new(
            FailureCode::TextTooComplex,
            format!(
                "The engine did not finish this text within {} seconds. Split the document, or send it without unusual markup.",
                most.as_secs()
            ),
        )),
        Unmade::Stopped => Failure::Temporary(JobError::new(
            FailureCode::OutOfTime,
            "The work took longer than the time limit of an attempt.",
        )),
    })
}

/// How many bytes a JSON value takes in the response of a Lambda function. The response holds the
/// JSON as a string, in which every quote and backslash is escaped once more.
struct Payload(usize);

impl Payload {
    fn of(value: &impl serde::Serialize) -> usize {
        let mut payload = Self(0);
        // This cannot fail: the value always becomes JSON, and counting bytes never fails.
        let _ = serde_json::to_writer(&mut payload, value);
        payload.0
    }
}

impl io::Write for Payload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() + bytes.iter().filter(|byte| matches!(byte, b'"' | b'\\')).count();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_is_stopped_is_a_failure_that_says_why() {
        let (text, options) = shared::job::Submission::parse(br#"{"text":"One. Two."}"#).unwrap();
        let now = Instant::now();
        let code = |until, most, is_repeated| match summarize(&text, &options, until, most, is_repeated) {
            Err(Failure::Permanent(error)) => (true, error.code),
            Err(Failure::Temporary(error)) => (false, error.code),
            Ok(_) => panic!("the engine was not stopped"),
        };
        let later = now + ENGINE_TIME;
        assert_eq!(code(later, Duration::ZERO, true), (true, FailureCode::TextTooComplex));
        assert_eq!(code(later, Duration::ZERO, false), (false, FailureCode::OutOfTime));
        assert_eq!(code(now, ENGINE_TIME, true), (false, FailureCode::OutOfTime));
        assert!(summarize(&text, &options, later, ENGINE_TIME, true).is_ok());
    }

    #[test]
    fn a_payload_is_as_long_as_its_json_in_json() {
        let value = serde_json::json!({"text": "He said \"no\\yes\" \u{1} to: é"});
        let nested = serde_json::to_string(&value.to_string()).unwrap();
        assert_eq!(Payload::of(&value), nested.len() - 2);
    }
}
