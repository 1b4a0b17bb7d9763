//! Many jobs of one tenant while everything fails now and then: processes are killed at random steps,
//! stores do not answer, the cache is emptied, messages come twice, become dead letters, or are lost; and
//! clients cancel and erase, and an operator replays. At the end an audit reads every store.
//!
//! What happens is decided by random numbers from a seed, so that a run can be repeated.

use std::collections::{BTreeMap, HashMap, HashSet};

use local::cloud::emulator::Emulator;
use serde_json::{Value, json};
use shared::{
    archive::Archived,
    job::{JobId, Span, Status},
    kill::Step,
};
use tokio::time::Instant;

use crate::{
    chance::Chance,
    cloud::{PATIENCE, prose, valkey},
    stage::{Stage, is_killed},
};

/// How many jobs a run has. The environment variable `SOAK_JOBS` changes it.
const JOBS: usize = 80;
/// What the random numbers begin with. The environment variable `SOAK_SEED` changes it.
const SEED: u64 = 1;
/// The steps at which a worker is killed.
const WORKER: [Step; 8] = [
    Step::Begun,
    Step::Summarized,
    Step::Committed,
    Step::AttemptsNoted,
    Step::Answering,
    Step::Archived,
    Step::CacheTold,
    Step::LedgerTold,
];
/// The steps at which the API is killed while it accepts a job.
const INTAKE: [Step; 6] = [Step::Admitted, Step::Recorded, Step::Stored, Step::Made, Step::Kept, Step::Sent];
/// The steps at which the API is killed while it cancels or erases a job.
const REMOVAL: [Step; 6] = [
    Step::Archived,
    Step::LedgerTold,
    Step::EraseSent,
    Step::DocumentsErased,
    Step::ArchiveErased,
    Step::CacheMarked,
];
/// The steps at which `redrive` is killed.
const REDRIVE: [Step; 4] = [Step::ReplayCounted, Step::Replayed, Step::BodyKept, Step::Parked];
/// The steps at which the API is killed while it replays a dead letter for an operator.
const REPLAY: [Step; 4] = [Step::Reopened, Step::Forgotten, Step::Unarchived, Step::Resent];
/// Stores that do not answer, for a worker.
const OUTAGES: [(&str, &str); 2] = [
    ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none"),
    ("DOCUMENTS_BUCKET", "no-such-bucket"),
];
/// Why a job of this test may fail.
const REASONS: [&str; 2] = ["retries_exhausted", "no_sentence"];

/// The tenant, and what its client knows.
struct Soak {
    stage: Stage,
    chance: Chance,
    /// Processes that are killed or cannot reach a store, by their function and environment.
    failing: HashMap<(&'static str, String), Emulator>,
    submissions: usize,
    jobs: Vec<JobId>,
    /// The client was told that these are canceled, or erased.
    canceled: HashSet<JobId>,
    erased: HashSet<JobId>,
    /// The messages of these were lost on purpose.
    lost: HashSet<JobId>,
    killed: usize,
}

#[tokio::test]
#[expect(
    clippy::print_stdout,
    reason = "a long run shows its progress, and with which seed it can be repeated"
)]
async fn whatever_fails_every_job_ends_once() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let jobs = number("SOAK_JOBS").map_or(JOBS, |jobs| usize::try_from(jobs).unwrap());
    let seed = number("SOAK_SEED").unwrap_or(SEED);
    println!("SOAK_JOBS={jobs} SOAK_SEED={seed}");
    let mut soak = Soak {
        stage: Stage::new(&format!("soak-{seed}")).await,
        chance: Chance::of(seed),
        failing: HashMap::new(),
        submissions: 0,
        jobs: Vec::new(),
        canceled: HashSet::new(),
        erased: HashSet::new(),
        lost: HashSet::new(),
        killed: 0,
    };
    let mut shown = 0;
    while soak.jobs.len() < jobs {
        soak.act().await;
        if soak.jobs.len() / 500 > shown {
            shown = soak.jobs.len() / 500;
            println!("{} jobs, {} kills", soak.jobs.len(), soak.killed);
        }
    }
    soak.end().await;
    soak.audit().await;
}

impl Soak {
    /// Does one thing.
    async fn act(&mut self) {
        match self.chance.below(100) {
            0..45 => self.submit().await,
            45..75 => self.work().await,
            75..82 => self.remove().await,
            82..88 => self.bury().await,
            88..92 => self.redrive().await,
            92..94 => self.replay().await,
            94..96 => self.send_twice().await,
            96..97 => self.lose().await,
            97..98 => self.empty_cache().await,
            _ => self.sweep().await,
        }
    }

    /// Invokes a function that is killed at a step. Returns the answer if it does not come so far.
    async fn kill(&mut self, function: &'static str, step: Step, event: &Value) -> Option<Value> {
        let process = self.failing(function, "KILL_AT", step.as_str()).await;
        let reply = process.invoke(event).await.unwrap();
        let is_killed = is_killed(&reply);
        self.killed += usize::from(is_killed);
        (!is_killed).then_some(reply)
    }

    async fn failing(&mut self, function: &'static str, name: &str, value: &str) -> &Emulator {
        let key = (function, format!("{name}={value}"));
        if !self.failing.contains_key(&key) {
            let process = self.stage.function(function, &[(name, value)]).await;
            self.failing.insert(key.clone(), process);
        }
        &self.failing[&key]
    }

    async fn submit(&mut self) {
        self.submissions += 1;
        let name = format!("{} {}", self.stage.tenant, self.submissions);
        let mut body = json!({"text": prose(&name, 700), "length": {"sentences": 1}});
        let mut waits = self.chance.once_in(4);
        match self.chance.below(20) {
            0 => body["text"] = prose(&name, 210 * 1024).into(),
            1 => body["text"] = prose("the same text", 700).into(),
            2 => body["text"] = "```\nlet x = 1;\n```".into(),
            3 => {
                body["expires_in"] = 0.into();
                waits = true;
            }
            _ => {}
        }
        if body["text"].as_str().unwrap().starts_with('`') {
            body["format"] = "markdown".into();
        }
        // A submission of which nothing is kept cannot be repeated.
        let key = body.get("expires_in").is_none().then_some(name.as_str());
        let event = self.stage.submission(&body, key, waits);
        let mut reply = None;
        if key.is_some() && self.chance.once_in(5) {
            let step = self.chance.one_of(&INTAKE);
            reply = self.kill("api", step, &event).await;
        }
        // A client that got no answer sends the same once more.
        let reply = match reply {
            Some(reply) => reply,
            None => self.stage.api.invoke(&event).await.unwrap(),
        };
        let status = reply["statusCode"].as_u64().unwrap();
        assert!(status == 200 || status == 202, "{reply}");
        let resource: Value = serde_json::from_str(reply["body"].as_str().unwrap()).unwrap();
        let id: JobId = resource["id"].as_str().unwrap().parse().unwrap();
        // The summary of the same text may have been known already, so that there is no new job.
        if !self.jobs.contains(&id) {
            self.jobs.push(id);
        }
    }

    async fn work(&mut self) {
        let waiting = self.stage.waiting().await;
        if waiting == 0 {
            return;
        }
        let count = (1 + self.chance.below(10)).min(waiting);
        match self.chance.below(10) {
            0..3 => {
                let step = self.chance.one_of(&WORKER).as_str();
                self.failing("summarize", "KILL_AT", step).await;
                let process = &self.failing[&("summarize", format!("KILL_AT={step}"))];
                self.killed += usize::from(self.stage.deliver(process, count).await);
            }
            3 => {
                let (name, value) = self.chance.one_of(&OUTAGES);
                self.failing("summarize", name, value).await;
                let process = &self.failing[&("summarize", format!("{name}={value}"))];
                assert!(!self.stage.deliver(process, count).await);
            }
            _ => assert!(!self.stage.deliver(&self.stage.worker, count).await),
        }
    }

    /// The client cancels a job, or erases it.
    async fn remove(&mut self) {
        if self.jobs.is_empty() {
            return;
        }
        let id = self.jobs[self.chance.below(self.jobs.len())].clone();
        let event = self.stage.removal(&id);
        if self.chance.once_in(3) {
            let step = self.chance.one_of(&REMOVAL);
            self.kill("api", step, &event).await;
        }
        let reply = self.stage.api.invoke(&event).await.unwrap();
        match reply["statusCode"].as_u64().unwrap() {
            200 => drop(self.canceled.insert(id)),
            204 => drop(self.erased.insert(id)),
            // It finished first, or nothing was kept of it.
            404 | 409 => {}
            // A worker or a replay is at it.
            status => assert_eq!(status, 503, "{reply}"),
        }
    }

    /// A message was received too often.
    async fn bury(&mut self) {
        if self.stage.waiting().await > 0 {
            for body in self.stage.take(1).await {
                self.stage.bury(&body).await;
            }
        }
    }

    async fn redrive(&mut self) {
        if self.chance.once_in(2) {
            let step = self.chance.one_of(&REDRIVE);
            self.kill("redrive", step, &json!({})).await;
        } else {
            self.stage.redrive.invoke(&json!({})).await.unwrap();
        }
    }

    /// An operator replays a dead letter that is two minutes old.
    async fn replay(&mut self) {
        let letters = "UPDATE dead_letters SET parked_at = parked_at - interval '2 minutes'
            WHERE tenant = $1 AND replayed_at IS NULL RETURNING message_id";
        let mut database = self.stage.region.database().await;
        let letters = sqlx::query_scalar(letters).bind(self.stage.tenant.as_str());
        let mut letters: Vec<String> = letters.fetch_all(&mut database).await.unwrap();
        letters.sort();
        if letters.is_empty() {
            return;
        }
        let letter = &letters[self.chance.below(letters.len())];
        let event = self.stage.act("POST", &format!("/v1/dead-letters/{letter}/replay"));
        if self.chance.once_in(2) {
            let step = self.chance.one_of(&REPLAY);
            self.kill("api", step, &event).await;
        }
        let reply = self.stage.api.invoke(&event).await.unwrap();
        let status = reply["statusCode"].as_u64().unwrap();
        assert!([202, 404, 409, 503].contains(&status), "{reply}");
    }

    async fn send_twice(&mut self) {
        if self.stage.waiting().await > 0 {
            for body in self.stage.take(1).await {
                self.stage.send(&body).await;
                self.stage.send(&body).await;
            }
        }
    }

    /// Loses the message of a job, as no part of the service may.
    async fn lose(&mut self) {
        if self.stage.waiting().await > 0 {
            for body in self.stage.take(1).await {
                let message = shared::job::Message::from_body(&body).unwrap();
                if matches!(message, shared::job::Message::Summarize(_)) {
                    self.lost.insert(message.job().clone());
                } else {
                    self.stage.send(&body).await;
                }
            }
        }
    }

    /// The cache loses everything of this tenant.
    async fn empty_cache(&mut self) {
        let mut connection = valkey().await;
        let pattern = format!("{{{}}}:*", self.stage.tenant);
        let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.unwrap();
        for key in keys {
            let _: i64 = redis::cmd("DEL").arg(key).query_async(&mut connection).await.unwrap();
        }
    }

    async fn sweep(&mut self) {
        let event = json!({"action": "sweep", "minutes": 0});
        if self.chance.once_in(2) {
            self.kill("maintain", Step::CheckSent, &event).await;
        } else {
            self.stage.maintain.invoke(&event).await.unwrap();
        }
    }

    /// Nothing fails any more. Works until no job is unfinished.
    async fn end(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.stage.drain().await;
            self.stage.empty_letters().await;
            self.stage.drain().await;
            let (unfinished, _) = self.stage.ledger.unfinished(&self.stage.tenant, Span::ALL, 100).await.unwrap();
            if unfinished.is_empty() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{} jobs are unfinished: {:?}",
                unfinished.len(),
                unfinished.first()
            );
            self.stage.let_days_pass().await;
            self.stage.maintain.invoke(&json!({"action": "sweep", "minutes": 0})).await.unwrap();
        }
    }

    #[expect(clippy::print_stdout, reason = "the figures of a run")]
    async fn audit(&self) {
        let stage = &self.stage;
        let mut found: BTreeMap<&str, usize> = BTreeMap::new();
        for id in &self.jobs {
            match stage.archive.find(&stage.tenant, id).await.unwrap() {
                Archived::Unknown => panic!("{id} has no end: {:?}", stage.ledger.find(id).await),
                Archived::Erased => *found.entry("erased").or_default() += 1,
                Archived::Finished(job) => {
                    let resource = &job.resource;
                    assert!(!self.erased.contains(id), "{id} was erased: {resource:?}");
                    let is_canceled = resource.status() == Status::Canceled;
                    assert!(!self.canceled.contains(id) || is_canceled, "{id} was canceled: {resource:?}");
                    let reason = resource.error().map(|error| error.code.to_string());
                    let is_lost = reason.as_deref() == Some("message_lost");
                    assert!(!is_lost || self.lost.contains(id), "{id} has lost its message: {resource:?}");
                    let explained = reason.as_deref().is_none_or(|reason| is_lost || REASONS.contains(&reason));
                    assert!(explained, "{id}: {resource:?}");
                    let kept = stage.ledger.find(id).await.unwrap();
                    assert_eq!(kept.as_ref(), Some(&*job), "{id}: the ledger");
                    *found.entry(resource.status().as_str()).or_default() += 1;
                }
            }
        }
        let mut database = stage.region.database().await;
        let sums = "SELECT sum(accepted)::bigint, sum(succeeded)::bigint, sum(failed)::bigint, sum(canceled)::bigint FROM usage_by_key WHERE tenant = $1";
        let counted: (i64, i64, i64, i64) = sqlx::query_as(sums)
            .bind(stage.tenant.as_str())
            .fetch_one(&mut database)
            .await
            .unwrap();
        println!("{} kills; {found:?}; counted {counted:?}", self.killed);
        let all = i64::try_from(self.jobs.len()).unwrap();
        let (accepted, succeeded, failed, canceled) = counted;
        assert_eq!((accepted, succeeded + failed + canceled), (all, all), "the usage");
        for (status, counted) in [("succeeded", succeeded), ("failed", failed), ("canceled", canceled)] {
            let shown = i64::try_from(found.get(status).copied().unwrap_or_default()).unwrap();
            let erased = i64::try_from(found.get("erased").copied().unwrap_or_default()).unwrap();
            assert!((shown..=shown + erased).contains(&counted), "{status}: {counted} of {found:?}");
        }
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM summaries WHERE tenant = $1")
            .bind(stage.tenant.as_str())
            .fetch_one(&mut database)
            .await
            .unwrap();
        assert_eq!(rows, all, "rows of the archive");
        // The messages that erase a job once more come two minutes later, so that the lane need not be empty.
        assert!(self.killed > self.jobs.len() / 20, "only {} processes were killed", self.killed);
    }
}
