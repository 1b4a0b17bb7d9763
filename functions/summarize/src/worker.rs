//! One job: fetch the text, summarise it, report.

use std::{io, sync::Arc};

use shared::{
    archive::{Archive, RETENTION},
    batch::{Delivery, Outcome, Worker},
    cache::{self, Cache},
    documents::Documents,
    job::{
        Attempt, Document, Format, Include, Job, JobError, Limits, Message, Method, RequestOptions, Status, SummarizeMessage,
        SummaryResource, SummaryResult,
    },
    ledger::Ledger,
    service_level::ServiceLevel,
    store::StoreError,
    summarizer::{self, NoSentence, Summary},
    telemetry::metric,
};
use time::OffsetDateTime;

pub(crate) struct Summarizer {
    pub(crate) region: String,
    pub(crate) archive: Archive,
    pub(crate) cache: Cache,
    pub(crate) documents: Documents,
    pub(crate) ledger: Ledger,
    pub(crate) level: ServiceLevel,
}

pub(crate) struct Done {
    summary: Summary,
    started_at: OffsetDateTime,
    /// Whether something that was asked for is missing.
    degraded: bool,
}

impl Worker for Summarizer {
    type Done = Done;

    async fn work(self: Arc<Self>, delivery: Delivery) -> Outcome<Done> {
        let Message::Summarize(job) = delivery.message;
        let started_at = OffsetDateTime::now_utc();
        if let Err(error) = self.cache.started(&job.tenant, &job.job, started_at).await {
            tracing::warn!(%error, "a started job still shows as queued");
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
            Ok(summary) if Payload::of(&summary) > Limits::RESULT_BYTES => Outcome::Reject(error(
                "result_too_large",
                &format!(
                    "The result has more than {} bytes as JSON; ask for a shorter summary, or leave `scores` out of `include`.",
                    Limits::RESULT_BYTES
                ),
            )),
            Ok(summary) => Outcome::Done(Done {
                summary,
                started_at,
                degraded,
            }),
            Err(NoSentence::Blank) => Outcome::Reject(error(
                "no_sentence",
                "The text has no letter or digit outside of markup; send a text with at least one sentence.",
            )),
            Err(NoSentence::OnlyCode) => Outcome::Reject(error("no_sentence", "The text is all code, tables, data or logs; send prose.")),
        }
    }

    async fn commit(&self, outcomes: Vec<(Delivery, Result<Done, JobError>)>) -> Result<(), StoreError> {
        let finished_at = OffsetDateTime::now_utc();
        let (mut finished, mut fingerprints) = (Vec::new(), Vec::new());
        for (delivery, outcome) in outcomes {
            let attempts = if delivery.receives > 1 {
                self.attempts(&delivery).await?
            } else {
                Vec::new()
            };
            let Message::Summarize(job) = delivery.message;
            let whole = outcome.as_ref().is_ok_and(|done| !done.degraded);
            fingerprints.push(whole.then(|| job.fingerprint.clone()));
            finished.push(Job {
                tenant: job.tenant.clone(),
                resource: resource(&self.region, job, outcome, attempts, finished_at),
            });
        }
        let entered = self.archive.finish(&finished).await?;
        let (new, known): (Vec<_>, Vec<_>) = finished
            .iter()
            .zip(&fingerprints)
            .partition(|(job, _)| entered.contains(&job.resource.id.uuid()));
        let outcomes: Vec<_> = new
            .iter()
            .map(|(job, fingerprint)| cache::Outcome {
                tenant: &job.tenant,
                resource: &job.resource,
                fingerprint: fingerprint.as_deref(),
            })
            .collect();
        let known: Vec<_> = known.iter().map(|(job, _)| (&job.tenant, &job.resource.id)).collect();
        let kept = tokio::join!(
            self.cache.finished(&outcomes),
            self.cache.forget(&known),
            self.ledger.end(&finished)
        );
        for error in [kept.0, kept.1, kept.2].into_iter().filter_map(Result::err) {
            // The archive has the truth; what lags behind expires.
            tracing::warn!(store = error.store.as_str(), %error, "a finished batch is not tidied up");
        }
        for (job, _) in new {
            account(&job.resource);
        }
        Ok(())
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
            tracing::warn!(job = %job.job, tenant = %job.tenant, receives, code = error.code, "to be tried again");
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
            tracing::warn!(store = error.store.as_str(), %error, "an attempt is not on record");
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
            Ok(None) => Err(Outcome::Reject(error(
                "document_missing",
                "The stored document is gone; submit it again.",
            ))),
            Err(cause) => {
                tracing::warn!(%cause, "a document was not fetched");
                Err(Outcome::Retry(error(
                    "document_unavailable",
                    "The stored document could not be read; it will be tried again.",
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

fn summarize(text: &str, options: &RequestOptions) -> Result<Summary, NoSentence> {
    let options = summarizer::Options {
        budget: options.length,
        sort: options.sort,
        language: Some(options.language.as_str()).filter(|tag| *tag != "auto"),
        focus: options.focus.as_deref(),
        markdown: options.format == Format::Markdown,
        keywords: options.include.contains(&Include::Keywords),
        scores: options.include.contains(&Include::Scores),
    };
    summarizer::summarize(text, &options)
}

fn resource(
    region: &str,
    job: SummarizeMessage,
    outcome: Result<Done, JobError>,
    attempts: Vec<Attempt>,
    finished_at: OffsetDateTime,
) -> SummaryResource {
    let (done, failure) = outcome.map_or_else(|error| (None, Some(error)), |done| (Some(done), None));
    SummaryResource {
        status: if failure.is_none() { Status::Succeeded } else { Status::Failed },
        started_at: done.as_ref().map(|done| done.started_at),
        finished_at: Some(finished_at),
        expires_at: Some(finished_at + RETENTION),
        result: done.map(|done| SummaryResult {
            summary: done.summary,
            method: Method::Extractive,
            degraded: done.degraded,
        }),
        error: failure,
        attempts,
        ..SummaryResource::queued(job.job, job.lane, region.to_owned(), job.created_at, job.options)
    }
}

/// Bytes of JSON as a string inside the response of a Lambda function, where quotes and backslashes are escaped once more.
struct Payload(usize);

impl Payload {
    fn of(value: &impl serde::Serialize) -> usize {
        let mut payload = Self(0);
        // Neither the value nor the sink can fail.
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

fn account(resource: &SummaryResource) {
    let (lane, status) = (resource.lane.as_str(), resource.status.as_str());
    metrics::counter!(metric::FINISHED, "lane" => lane, "status" => status).increment(1);
    if let Some(finished_at) = resource.finished_at {
        let milliseconds = (finished_at - resource.created_at).as_seconds_f64() * 1000.0;
        metrics::histogram!(metric::TIME_TO_DONE, "lane" => lane).record(milliseconds);
        tracing::info!(job = %resource.id, lane, status, milliseconds, "finished");
    }
}

fn error(code: &str, message: &str) -> JobError {
    JobError {
        code: code.to_owned(),
        message: message.to_owned(),
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
