//! The work on one job: fetching its text, summarising it, and recording its final result.

use std::{io, sync::Arc, time::Duration};

use futures::future::join_all;
use shared::{
    batch::{Delivery, Outcome, Worker},
    cache::Cache,
    completion::{Completion, Finished},
    documents::Documents,
    job::{
        Attempt, Document, FailureCode, Focus, ForbiddenTransition, Format, Include, Job, JobError, Limits, Message, Method,
        RequestOptions, SummarizeMessage, SummaryResource, SummaryResult, fingerprint,
    },
    ledger::Ledger,
    service_level::ServiceLevel,
    store::{Chain, Store, StoreError, in_time},
    summarizer::{self, ENGINE, NoSummary, Summary},
    telemetry::metric,
};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::room::Room;

/// How long the engine may work on one text. The slowest known text of 4 MiB takes 4.4 CPU seconds.
/// A text that takes longer than this in two attempts would take as long in every attempt, so that
/// its job fails.
const ENGINE_TIME: Duration = Duration::from_secs(20);
/// How long the ledger is waited for when the failed attempts of jobs are read. They are only shown
/// beside the result.
const ATTEMPTS_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct Summarizer {
    pub(crate) region: String,
    pub(crate) cache: Arc<Cache>,
    pub(crate) completion: Completion,
    pub(crate) documents: Documents,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) level: ServiceLevel,
    pub(crate) room: Room,
}

pub(crate) struct Done {
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
        let Message::Summarize(job) = delivery.message;
        let is_repeated = delivery.receives > 1;
        let place = self.room.memory(job.bytes()).await;
        let started_at = OffsetDateTime::now_utc();
        if let Err(error) = self.cache.started(&job.tenant, &job.job, started_at).await {
            tracing::warn!(error = %Chain(&error), "The start of a job was not written to the cache. Reads show the job as queued until it has finished.");
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
        Outcome::Done(Done {
            summary,
            bytes,
            fingerprint,
            started_at,
            degraded,
        })
    }

    fn bytes(done: &Done) -> usize {
        done.bytes
    }

    async fn commit(&self, outcomes: Vec<(Delivery, Result<Done, JobError>)>) -> Result<(), StoreError> {
        let finished_at = OffsetDateTime::now_utc();
        let attempts = join_all(outcomes.iter().map(|(delivery, _)| self.attempts(delivery))).await;
        let finished = outcomes.into_iter().zip(attempts).map(|((delivery, outcome), attempts)| {
            let Message::Summarize(job) = delivery.message;
            Ok(Finished {
                fingerprint: outcome
                    .as_ref()
                    .ok()
                    .filter(|done| !done.degraded)
                    .map(|done| done.fingerprint.clone()),
                job: Job {
                    tenant: job.tenant.clone(),
                    resource: finish(&self.region, job, outcome, attempts, finished_at)?,
                },
            })
        });
        let finished: Vec<Finished> = finished
            .collect::<Result<_, ForbiddenTransition>>()
            .map_err(StoreError::because(Store::Ledger, "finish a job"))?;
        self.completion.record(&finished, &[]).await
    }

    async fn retrying(&self, retries: &[(Delivery, JobError)]) {
        let at = OffsetDateTime::now_utc();
        let (mut attempts, mut waiting) = (Vec::new(), Vec::new());
        for (
            Delivery {
                message: Message::Summarize(job),
                receives,
                ..
            },
            error,
        ) in retries
        {
            tracing::warn!(job = %job.job, tenant = %job.tenant, receives, code = %error.code, "An attempt failed. The job will be delivered again.");
            metrics::counter!(metric::RETRIED, "lane" => job.lane.as_str()).increment(1);
            attempts.push((
                job.job.clone(),
                Attempt {
                    number: *receives,
                    at,
                    error: error.clone(),
                },
            ));
            waiting.push((&job.tenant, &job.job));
        }
        let noted = tokio::join!(self.ledger.record(&attempts), self.cache.waiting(&waiting));
        for error in [noted.0, noted.1].into_iter().filter_map(Result::err) {
            tracing::warn!(store = error.store.as_str(), error = %Chain(&error), "A failed attempt was not recorded in this store. The job will be delivered again nevertheless.");
        }
    }
}

impl Summarizer {
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

    /// The attempts at a job that failed before this delivery. If the ledger does not answer, the
    /// job is recorded without them.
    async fn attempts(&self, delivery: &Delivery) -> Vec<Attempt> {
        if delivery.receives <= 1 {
            return Vec::new();
        }
        let Message::Summarize(job) = &delivery.message;
        let found = in_time(Store::Ledger, "find a job", ATTEMPTS_TIMEOUT, self.ledger.find(&job.job)).await;
        let found = found.unwrap_or_else(|error| {
            tracing::warn!(job = %job.job, error = %Chain(&error), "The failed attempts of a job could not be read. The job is recorded without them.");
            None
        });
        found.map(|job| job.resource.attempts).unwrap_or_default()
    }
}

/// Summarises a text for `most` at most, and until the moment `until` at most. A text that takes
/// longer than `most` fails for good only if this attempt is a repetition, because the machine may
/// have been slow in the first one.
fn summarize(text: &str, options: &RequestOptions, until: Instant, most: Duration, is_repeated: bool) -> Result<Summary, Failure> {
    let options = summarizer::Options {
        budget: options.length.budget(),
        sort: options.sort,
        language: options.language.tag(),
        focus: options.focus.as_ref().map(Focus::as_str),
        markdown: options.format == Format::Markdown,
        keywords: options.include.contains(&Include::Keywords),
        scores: options.include.contains(&Include::Scores),
    };
    let end = Instant::now() + most;
    let outcome = summarizer::summarize_while(text, &options, &|| Instant::now() < end.min(until));
    let permanent = |code, message: String| Failure::Permanent(JobError::new(code, message));
    outcome.map_err(|reason| match reason {
        NoSummary::Blank => permanent(
            FailureCode::NoSentence,
            "The text has no letter or digit outside of markup. Send a text with at least one sentence.".to_owned(),
        ),
        NoSummary::OnlyCode => permanent(
            FailureCode::NoSentence,
            "The text consists of code, tables, data or logs only. Send a text with at least one sentence of prose.".to_owned(),
        ),
        NoSummary::Stopped if end <= until && is_repeated => permanent(
            FailureCode::TextTooComplex,
            format!(
                "The engine did not finish this text within {} seconds. Split the document, or send it without unusual markup.",
                most.as_secs()
            ),
        ),
        NoSummary::Stopped => Failure::Temporary(JobError::new(
            FailureCode::OutOfTime,
            "The work took longer than the time limit of an attempt.",
        )),
    })
}

/// Makes the finished job from a message and the outcome of the work on it.
fn finish(
    region: &str,
    job: SummarizeMessage,
    outcome: Result<Done, JobError>,
    attempts: Vec<Attempt>,
    finished_at: OffsetDateTime,
) -> Result<SummaryResource, ForbiddenTransition> {
    let mut resource = SummaryResource::queued(job.job, job.lane, region.to_owned(), job.created_at, job.options);
    resource.attempts = attempts;
    match outcome {
        Ok(done) => {
            resource.start(done.started_at)?;
            let result = SummaryResult {
                summary: done.summary,
                method: Method::Extractive,
                degraded: done.degraded,
            };
            resource.succeed(finished_at, result)?;
        }
        Err(error) => resource.fail(finished_at, error)?,
    }
    Ok(resource)
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
