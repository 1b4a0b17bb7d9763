//! The work on one job: fetching its text, summarising it, and recording its final result.

use std::{io, sync::Arc};

use shared::{
    batch::{Delivery, Outcome, Worker},
    cache::Cache,
    completion::{Completion, Finished},
    documents::Documents,
    job::{
        Attempt, Document, FailureCode, Focus, ForbiddenTransition, Format, Include, Job, JobError, Limits, Message, Method,
        RequestOptions, SummarizeMessage, SummaryResource, SummaryResult,
    },
    ledger::Ledger,
    service_level::ServiceLevel,
    store::{Chain, Store, StoreError},
    summarizer::{self, NoSummary, Summary},
    telemetry::metric,
};
use time::OffsetDateTime;

pub(crate) struct Summarizer {
    pub(crate) region: String,
    pub(crate) cache: Arc<Cache>,
    pub(crate) completion: Completion,
    pub(crate) documents: Documents,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) level: ServiceLevel,
}

pub(crate) struct Done {
    summary: Summary,
    started_at: OffsetDateTime,
    /// Whether something that the client asked for was left out because of load.
    degraded: bool,
}

impl Worker for Summarizer {
    type Done = Done;

    async fn work(self: Arc<Self>, delivery: Delivery) -> Outcome<Done> {
        let Message::Summarize(job) = delivery.message;
        let started_at = OffsetDateTime::now_utc();
        if let Err(error) = self.cache.started(&job.tenant, &job.job, started_at).await {
            tracing::warn!(error = %Chain(&error), "The start of a job was not written to the cache. Reads show the job as queued until it has finished.");
        }
        let text = match self.text(job.document).await {
            Ok(text) => text,
            Err(outcome) => return outcome,
        };
        let mut options = job.options;
        let asked = options.include.len();
        if !self.level.current().await.has_keywords() {
            options.include.retain(|include| *include != Include::Keywords);
        }
        let degraded = options.include.len() < asked;
        let summary = tokio::task::spawn_blocking(move || summarize(&text, &options)).await;
        match summary.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())) {
            Ok(summary) if Payload::of(&summary) > Limits::RESULT_BYTES => Outcome::Reject(JobError::new(
                FailureCode::ResultTooLarge,
                format!(
                    "The result is longer than the limit of {} bytes of JSON. Ask for a shorter summary, or leave `scores` out of `include`.",
                    Limits::RESULT_BYTES
                ),
            )),
            Ok(summary) => Outcome::Done(Done {
                summary,
                started_at,
                degraded,
            }),
            Err(NoSummary::Blank) => Outcome::Reject(JobError::new(
                FailureCode::NoSentence,
                "The text has no letter or digit outside of markup. Send a text with at least one sentence.",
            )),
            Err(NoSummary::OnlyCode) => Outcome::Reject(JobError::new(
                FailureCode::NoSentence,
                "The text consists of code, tables, data or logs only. Send a text with at least one sentence of prose.",
            )),
        }
    }

    async fn commit(&self, outcomes: Vec<(Delivery, Result<Done, JobError>)>) -> Result<(), StoreError> {
        let finished_at = OffsetDateTime::now_utc();
        let mut finished = Vec::new();
        for (delivery, outcome) in outcomes {
            let attempts = if delivery.receives > 1 {
                self.attempts(&delivery).await?
            } else {
                Vec::new()
            };
            let Message::Summarize(job) = delivery.message;
            let is_complete = outcome.as_ref().is_ok_and(|done| !done.degraded);
            finished.push(Finished {
                fingerprint: is_complete.then(|| job.fingerprint.clone()),
                job: Job {
                    tenant: job.tenant.clone(),
                    resource: finish(&self.region, job, outcome, attempts, finished_at)
                        .map_err(StoreError::because(Store::Ledger, "finish a job"))?,
                },
            });
        }
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
    async fn text(&self, document: Document) -> Result<String, Outcome<Done>> {
        let key = match document {
            Document::Inline(text) => return Ok(text),
            Document::Stored(key) => key,
        };
        match self.documents.fetch(&key).await {
            Ok(Some(text)) => Ok(text),
            Ok(None) => Err(Outcome::Reject(JobError::new(
                FailureCode::DocumentMissing,
                "The stored document no longer exists. Submit it again.",
            ))),
            Err(cause) => {
                tracing::warn!(error = %Chain(&cause), "A document could not be fetched. The job will be delivered again.");
                Err(Outcome::Retry(JobError::new(
                    FailureCode::DocumentUnavailable,
                    "The stored document could not be read in this attempt.",
                )))
            }
        }
    }

    async fn attempts(&self, delivery: &Delivery) -> Result<Vec<Attempt>, StoreError> {
        let Message::Summarize(job) = &delivery.message;
        Ok(self
            .ledger
            .find(&job.job)
            .await?
            .map(|job| job.resource.attempts)
            .unwrap_or_default())
    }
}

fn summarize(text: &str, options: &RequestOptions) -> Result<Summary, NoSummary> {
    let options = summarizer::Options {
        budget: options.length.budget(),
        sort: options.sort,
        language: options.language.tag(),
        focus: options.focus.as_ref().map(Focus::as_str),
        markdown: options.format == Format::Markdown,
        keywords: options.include.contains(&Include::Keywords),
        scores: options.include.contains(&Include::Scores),
    };
    summarizer::summarize(text, &options)
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
    fn a_payload_is_as_long_as_its_json_in_json() {
        let value = serde_json::json!({"text": "He said \"no\\yes\" \u{1} to: é"});
        let nested = serde_json::to_string(&value.to_string()).unwrap();
        assert_eq!(Payload::of(&value), nested.len() - 2);
    }
}
