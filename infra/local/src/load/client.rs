//! A client that submits a job and reads it until its end. Times are counted from the moment at which the
//! schedule has the submission, so that a slow service does not make the client ask less.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::Instant;

use super::{outcome::Outcome, settings::Load, texts::Texts};

/// The shortest time between two reads of a job.
const LEAST_PAUSE: Duration = Duration::from_millis(10);
/// The longest time between two reads of a job.
const MOST_PAUSE: Duration = Duration::from_secs(2);
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection is kept without a request. A server usually keeps it longer.
const IDLE: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
struct Resource {
    id: String,
    status: String,
    created_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
}

pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    keys: Vec<String>,
    priorities: Vec<String>,
    submitted: AtomicU64,
    ended: AtomicU64,
    failed: AtomicU64,
    reads: AtomicU64,
    /// How long the last jobs have taken, in microseconds. The first read comes after this time.
    usual: AtomicU64,
}

impl Client {
    pub(super) fn new(load: &Load) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(TIMEOUT).pool_idle_timeout(IDLE).build()?;
        Ok(Self {
            http,
            url: load.url.clone(),
            keys: load.keys.clone(),
            priorities: load.priorities.clone(),
            submitted: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            usual: AtomicU64::new(0),
        })
    }

    pub(super) fn progress(&self, elapsed: Duration) -> String {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let (submitted, ended) = (read(&self.submitted), read(&self.ended));
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = ended as f64 / elapsed.as_secs_f64() * 60.0;
        format!(
            "{:.0} s: {submitted} submitted, {ended} ended ({rate:.0} a minute), {} failed",
            elapsed.as_secs_f64(),
            read(&self.failed)
        )
    }

    /// Submits a job and waits for its end.
    pub(super) async fn job(&self, number: usize, texts: &Texts, intended: Instant) -> Outcome {
        let clock = OffsetDateTime::now_utc() - intended.elapsed();
        // A repeated text is submitted by the same tenant in the same way.
        let original = texts.original(number);
        let key = &self.keys[original % self.keys.len()];
        let body = json!({
            "text": texts.text(original),
            "length": {"sentences": 3},
            "priority": self.priorities[original % self.priorities.len()],
        });
        self.submitted.fetch_add(1, Ordering::Relaxed);
        let mut outcome = Outcome::default();
        let ended = self.follow(key, body.to_string(), intended, clock, &mut outcome).await;
        outcome.end = ended.unwrap_or_else(|error| format!("{error:#}"));
        self.ended.fetch_add(1, Ordering::Relaxed);
        if outcome.end != "succeeded" {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    async fn follow(&self, key: &str, body: String, intended: Instant, clock: OffsetDateTime, outcome: &mut Outcome) -> Result<String> {
        let submit = self.http.post(format!("{}/v1/summaries", self.url)).header("x-api-key", key);
        let answer = submit.header("content-type", "application/json").body(body).send().await;
        let answer = answer.context("a submission had no answer")?;
        outcome.accepted = intended.elapsed();
        let status = answer.status();
        if status.is_server_error() || status.is_client_error() {
            return Ok(format!("refused with {status}"));
        }
        outcome.is_known = answer.headers().get("summarease-cache").is_some_and(|cache| cache == "hit");
        let mut resource: Resource = serde_json::from_slice(&answer.bytes().await?)?;
        outcome.id = Some(resource.id.clone());
        let address = format!("{}/v1/summaries/{}", self.url, resource.id);
        let usual = Duration::from_micros(self.usual.load(Ordering::Relaxed));
        let mut pause = usual.saturating_sub(intended.elapsed()).max(LEAST_PAUSE);
        while resource.finished_at.is_none() {
            tokio::time::sleep(pause).await;
            pause = (intended.elapsed() / 4).clamp(LEAST_PAUSE, MOST_PAUSE);
            self.reads.fetch_add(1, Ordering::Relaxed);
            let read = self.http.get(&address).header("x-api-key", key).send().await;
            let read = read.context("a read had no answer")?;
            if read.status() != 200 {
                return Ok(format!("a read was answered with {}", read.status()));
            }
            resource = serde_json::from_slice(&read.bytes().await?)?;
        }
        outcome.seen = intended.elapsed();
        if outcome.is_known {
            outcome.done = outcome.seen;
            return Ok(resource.status);
        }
        let moment = |text: &str| OffsetDateTime::parse(text, &Rfc3339);
        let (created, finished) = (
            moment(&resource.created_at)?,
            moment(resource.finished_at.as_deref().unwrap_or_default())?,
        );
        let started = resource.started_at.as_deref().map(moment).transpose()?.unwrap_or(finished);
        let positive = |time: time::Duration| time.try_into().unwrap_or(Duration::ZERO);
        outcome.done = positive(finished - clock);
        outcome.waited = positive(started - created);
        outcome.worked = positive(finished - started);
        let seen = u64::try_from(outcome.done.as_micros()).unwrap_or(u64::MAX);
        let usual = self.usual.load(Ordering::Relaxed);
        self.usual.store(usual - usual / 8 + seen / 8, Ordering::Relaxed);
        Ok(resource.status)
    }

    pub(super) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }
}
