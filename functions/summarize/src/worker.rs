//! The work on one job: fetching its text, summarising it, and recording its final result.

use std::{io, sync::Arc, time::Duration};

use shared::{
    batch::{Delivery, Outcome, Worker},
    cache::{Cache, Work},
    completion::{Completion, Finished},
    documents::Documents,
    job::{
        self, Attempt, CheckMessage, Document, EraseMessage, FailureCode, ForbiddenTransition, Include, Job, JobError, JobId, Limits,
        Message, Method, RequestOptions, Status, SummarizeMessage, SummaryResource, SummaryResult, TenantId, Unmade, fingerprint,
    },
    kill::{self, Step},
    ledger::{Ledger, is_silent},
    service_level::ServiceLevel,
    store::{Chain, Store, StoreError},
    summarizer::{ENGINE, Summary},
    telemetry::metric,
};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout_at};

use crate::{
    pace::{ENGINE_TIME, Pace},
    room::{Place, Room},
};

/// The time between two looks at a result that another process is making. The worker looks again and
/// again, because no message says that a result is made: the messages of the cache name jobs.
const BUSY_PAUSE: Duration = Duration::from_millis(100);
/// After how many checks without any sign of life a job fails. When the first check is made, a worker may
/// just have received the message of the job. A quarter of an hour lies between two checks, so that in
/// the third one the job has finished, or has a failed attempt.
const CHECKS: u32 = 3;
/// A text with at most so many bytes is summarised without a thread of its own. The slowest known text of
/// this length takes 20 ms, and a usual one less than a millisecond.
const SHORT_BYTES: usize = 16 * 1024;
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
    pub(crate) pace: Pace,
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
    /// The message of the job is in no lane any more, so that the job has failed.
    Lost(Box<Job>),
    /// The job had finished before this message came.
    Finished(Box<SummaryResource>),
    /// The message itself holds everything that is to be recorded, which may be nothing.
    Sent,
    /// The client has erased the job, or was told that it was not accepted. Nothing is recorded.
    Dropped,
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

impl Worker for Summarizer {
    type Done = Done;

    async fn earlier(&self, delivery: &Delivery) -> Result<Vec<Attempt>, StoreError> {
        let Message::Summarize(job) = &delivery.message else {
            return Ok(Vec::new());
        };
        let found = self.ledger.find(&job.job).await?;
        Ok(found.map(|job| job.resource.attempts).unwrap_or_default())
    }

    async fn work(self: Arc<Self>, delivery: Delivery, until: Instant) -> Outcome<Done> {
        let is_repeated = delivery.is_repeated();
        let job = match delivery.message {
            Message::Summarize(job) => job,
            Message::Erase(message) => return self.erase(&message).await,
            Message::Check(message) => return self.check(&message).await,
            Message::Record(message) => return self.counted(&message.tenant, &message.resource.id).await,
            Message::Count(ended) => return self.counted(&ended.tenant, &ended.id).await,
        };
        let started_at = OffsetDateTime::now_utc();
        // A job that was begun before its deadline may be tried again after it.
        let may_begin = is_repeated || job.options.deadline.is_none_or(|deadline| deadline > started_at);
        let latest = until - self.pace.needed(job.bytes());
        let Ok((place, work)) = timeout_at(latest, self.begin(&job, started_at, may_begin)).await else {
            return Outcome::Failed(no_time_left());
        };
        match work {
            Work::Erased => return Outcome::Done(Done::Dropped),
            Work::Finished(resource) => return Outcome::Done(Done::Finished(resource)),
            Work::Late => {
                return Outcome::Failed(JobError::new(
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
            Err(error) => return Outcome::Failed(error),
        };
        let mut options = job.options.clone();
        if !self.level.current().await.has_keywords() {
            options.include.retain(|include| *include != Include::Keywords);
        }
        let degraded = options.include.len() < job.options.include.len();
        let Ok(place) = timeout_at(latest, self.room.processor(place)).await else {
            return Outcome::Failed(no_time_left());
        };
        if Instant::now() > latest {
            return Outcome::Failed(no_time_left());
        }
        let (worker, is_short) = (Arc::clone(&self), text.len() <= SHORT_BYTES);
        let engine = move || {
            kill::by(&text);
            let begun = Instant::now();
            let outcome = summarize(&text, &options, until, ENGINE_TIME, is_repeated);
            worker.pace.took(text.len(), begun.elapsed());
            (outcome, fingerprint(ENGINE, &job.options, &text), place)
        };
        let (outcome, fingerprint, _) = if is_short {
            engine()
        } else {
            let ended = tokio::task::spawn_blocking(engine).await;
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
        };
        let summary = match outcome {
            Ok(summary) => summary,
            Err(error) => return Outcome::Failed(error),
        };
        kill::at(Step::Summarized);
        let bytes = Payload::of(&summary);
        if bytes > Limits::RESULT_BYTES {
            return Outcome::Failed(JobError::new(
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
            Done::Shared { .. } | Done::Lost(_) | Done::Finished(_) | Done::Sent | Done::Dropped => SHARED_BYTES,
        }
    }

    async fn commit(&self, outcomes: Vec<(Delivery, Result<Done, JobError>)>) -> Result<(), StoreError> {
        let finished_at = OffsetDateTime::now_utc();
        let (mut finished, mut unkept) = (Vec::new(), Vec::new());
        for (delivery, outcome) in outcomes {
            let attempts = delivery.earlier.unwrap_or_default();
            match delivery.message {
                _ if matches!(outcome, Ok(Done::Dropped)) => {}
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
                Message::Check(_) => {
                    if let Ok(Done::Lost(job)) = outcome {
                        finished.push(Finished::alone(*job, None));
                    }
                }
                // It was done when it was worked on.
                Message::Erase(_) => {}
            }
        }
        self.completion.record(&finished, &unkept, &[]).await.map(drop)
    }

    async fn begin_alone(&self, delivery: &Delivery, attempts: &[Attempt]) -> bool {
        let (id, earlier) = (delivery.message.job(), delivery.earlier.as_ref().map_or(0, Vec::len));
        let noted = self.ledger.begin_alone(id, earlier, attempts).await;
        noted.unwrap_or_else(|error| {
            tracing::warn!(job = %id, error = %Chain(&error), "That a job is worked on alone was not noted.");
            false
        })
    }

    async fn note(&self, attempts: &[(Delivery, Attempt)]) {
        let (mut noted, mut waiting) = (Vec::new(), Vec::new());
        for (Delivery { message, earlier, .. }, attempt) in attempts {
            let (id, tenant) = (message.job(), message.tenant());
            tracing::warn!(job = %id, %tenant, receives = attempt.number, code = %attempt.error.code, trace_id = message.trace(), "An attempt failed. The message will be delivered again.");
            metrics::counter!(metric::RETRIED, "lane" => message.lane().as_str()).increment(1);
            // The other messages are about jobs that have finished, or that have a message of their own.
            if matches!(message, Message::Summarize(_)) {
                noted.push((id, earlier.as_ref().map(Vec::len), attempt));
                waiting.push((tenant, id));
            }
        }
        let noted = tokio::join!(self.ledger.note(&noted), self.cache.waiting(&waiting));
        for error in [noted.0, noted.1].into_iter().filter_map(Result::err) {
            tracing::warn!(store = error.store.as_str(), error = %Chain(&error), "A failed attempt was not recorded in this store. The job will be delivered again nevertheless.");
        }
    }
}

impl Summarizer {
    /// A job that was finished inside its request. If the answer of its lane was lost, the API and the
    /// worker agree in the cache on whether it was accepted.
    async fn counted(&self, tenant: &TenantId, id: &JobId) -> Outcome<Done> {
        let begun = self.cache.begin(tenant, id, None, OffsetDateTime::now_utc(), true).await;
        let is_dropped = begun.is_ok_and(|work| work == Work::Erased);
        Outcome::Done(if is_dropped { Done::Dropped } else { Done::Sent })
    }

    /// Erases a job once more.
    async fn erase(&self, message: &EraseMessage) -> Outcome<Done> {
        let erased = self.completion.erase(&self.documents, &message.tenant, &message.job).await;
        match erased {
            Ok(()) => Outcome::Done(Done::Sent),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "A job could not be erased once more. The message will be delivered again.");
                Outcome::Failed(JobError::new(
                    FailureCode::CommitFailed,
                    "The job could not be erased in this attempt.",
                ))
            }
        }
    }

    /// Looks whether a job that has been unfinished for long still has a message. That message waits in
    /// front of this one, or was received before. So a job without any sign of life in several checks has
    /// lost its message, and fails.
    async fn check(&self, message: &CheckMessage) -> Outcome<Done> {
        let unavailable = |error: StoreError| {
            tracing::warn!(job = %message.job, error = %Chain(&error), "An unfinished job could not be checked. The message will be delivered again.");
            Outcome::Failed(JobError::new(
                FailureCode::CommitFailed,
                "The job could not be checked in this attempt.",
            ))
        };
        let mut job = match self.completion.unfinished(&message.tenant, &message.job).await {
            Ok(Some(job)) => job,
            Ok(None) => return Outcome::Done(Done::Sent),
            Err(error) => return unavailable(error),
        };
        let now = OffsetDateTime::now_utc();
        // Without the cache it is not known whether a worker has begun the job.
        let runs = match self.cache.find(&message.tenant, &message.job).await {
            Ok(known) => known.is_some_and(|known| known.status() == Status::Running),
            Err(error) => return unavailable(error),
        };
        if runs || !is_silent(&job.resource) {
            return match self.ledger.forget_checks(&message.job).await {
                Ok(()) => Outcome::Done(Done::Sent),
                Err(error) => unavailable(error),
            };
        }
        // Two checks that were sent a quarter of an hour apart may be received a little sooner.
        let between = time::Duration::seconds(message.between.into()) * 2 / 3;
        let checked = self.ledger.checked(&message.job, between).await;
        kill::at(Step::Checked);
        match checked {
            Ok(Some(checks)) if checks >= CHECKS => {}
            Ok(_) => return Outcome::Done(Done::Sent),
            Err(error) => return unavailable(error),
        }
        tracing::error!(job = %message.job, tenant = %message.tenant, "The message of a job is in no lane any more. The job is recorded as failed.");
        let error = JobError::new(
            FailureCode::MessageLost,
            "The message of the job was lost, because the service stopped while it sent it. Submit the document again.",
        );
        match job.resource.fail(now, error) {
            Ok(()) => Outcome::Done(Done::Lost(Box::new(job))),
            // It has finished meanwhile.
            Err(_) => Outcome::Done(Done::Sent),
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
                kill::at(Step::Begun);
                return (place, work);
            }
            drop(place);
            tokio::time::sleep(BUSY_PAUSE).await;
        }
    }

    async fn text(&self, document: Document) -> Result<String, JobError> {
        let key = match document {
            Document::Inline(text) => return Ok(text),
            Document::Stored(key) => key,
        };
        match self.documents.fetch(&key).await {
            Ok(Some(text)) => Ok(text),
            Ok(None) => Err(JobError::new(
                FailureCode::DocumentMissing,
                "The stored document no longer exists. Submit it again.",
            )),
            Err(cause) => {
                tracing::warn!(error = %Chain(&cause), "A document could not be fetched. The job will be delivered again.");
                Err(JobError::new(
                    FailureCode::DocumentUnavailable,
                    "The stored document could not be read in this attempt.",
                ))
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
            Ok(Done::Sent | Done::Dropped | Done::Lost(_)) => {}
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
}

fn no_time_left() -> JobError {
    JobError::new(
        FailureCode::NoTimeLeft,
        "The worker had too little time left for this job in this attempt.",
    )
}

/// Summarises a text for `most` at most, and until the moment `until` at most. A text that takes
/// longer than `most` fails for good only if this attempt is a repetition, because the machine may
/// have been slow in the first one.
fn summarize(text: &str, options: &RequestOptions, until: Instant, most: Duration, is_repeated: bool) -> Result<Summary, JobError> {
    let end = Instant::now() + most;
    job::summarize(text, options, &|| Instant::now() < end.min(until)).map_err(|reason| match reason {
        Unmade::Rejected(error) => error,
        Unmade::Stopped if end <= until && is_repeated => JobError::new(
            FailureCode::TextTooComplex,
            format!(
                "The engine did not finish this text within {} seconds. Split the document, or send it without unusual markup.",
                most.as_secs()
            ),
        ),
        Unmade::Stopped if end <= until => JobError::new(FailureCode::OutOfTime, "The work took longer than the time limit of an attempt."),
        // It was begun too late, and had less time than it may have.
        Unmade::Stopped => no_time_left(),
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
        let code = |until, most, is_repeated| summarize(&text, &options, until, most, is_repeated).unwrap_err().code;
        let later = now + ENGINE_TIME;
        assert_eq!(code(later, Duration::ZERO, true), FailureCode::TextTooComplex);
        assert_eq!(code(later, Duration::ZERO, false), FailureCode::OutOfTime);
        assert_eq!(code(now, ENGINE_TIME, true), FailureCode::NoTimeLeft);
        assert!(summarize(&text, &options, later, ENGINE_TIME, true).is_ok());
    }

    #[test]
    fn a_payload_is_as_long_as_its_json_in_json() {
        let value = serde_json::json!({"text": "He said \"no\\yes\" \u{1} to: é"});
        let nested = serde_json::to_string(&value.to_string()).unwrap();
        assert_eq!(Payload::of(&value), nested.len() - 2);
    }
}
