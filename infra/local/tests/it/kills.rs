//! A worker, `redrive`, `maintain` or the API is killed at every step of a job's life that is not its
//! submission, which the module `repeats` has. Then what it was to do is done again, as it is after a
//! crash: a message comes back, a schedule comes round, a client sends its request again. Every job has
//! to end once, and as it would have ended without the crash.

use std::panic::AssertUnwindSafe;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::{FutureExt, StreamExt, stream};
use local::cloud::emulator::Emulator;
use serde_json::{Value, json};
use shared::{
    job::{EraseMessage, FailureCode, Job, JobError, JobId, Message, RecordMessage, Status, SummaryResource},
    kill::Step,
};
use sqlx::Executor;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::{
    cloud::{PATIENCE, prose},
    repeats::{REPEATING, reaching},
    stage::{End, Stage, is_killed},
};

/// How many jobs a round has.
const JOBS: usize = 120;
/// How often each scene is played at each step. The environment variable `KILL_ROUNDS` changes it.
const ROUNDS: usize = 1;
/// How many scenes are played at the same time.
const AT_ONCE: usize = 4;

/// What a process does when it is killed.
#[derive(Clone, Copy, Debug)]
enum Scene {
    /// A worker has a batch with every kind of job.
    Batch,
    /// A worker works alone on a job that may have stopped another one.
    Alone,
    /// A worker cannot read the texts of some jobs of its batch.
    NoDocuments,
    /// A worker records a job that the ledger keeps in parts.
    Parts,
    /// A worker finds that a job has lost its message.
    Lost,
    /// A worker erases a job once more.
    ErasedAgain,
    /// The API cancels a job.
    Canceled,
    /// The API erases a job.
    Erased,
    /// The API erases a job that no worker has recorded.
    ErasedUnrecorded,
    /// `redrive` sends a dead letter to its lane again.
    Replayed,
    /// `redrive` records dead letters.
    Parked,
    /// The API replays a dead letter for an operator.
    ReplayedByOperator,
    /// The API purges a dead letter for an operator.
    Purged,
    /// `maintain` looks for jobs that have lost their messages.
    Swept,
    /// `maintain` enters the jobs again that the archive has lost.
    Reconciled,
}

/// The scenes that pass a step. A new step has to be added here.
const fn scenes(step: Step) -> &'static [Scene] {
    match step {
        // These are the steps of a submission. The module `repeats` has them.
        Step::Admitted | Step::Recorded | Step::Stored | Step::Made | Step::Kept | Step::Sent | Step::SentAgain => &[],
        Step::NotedAlone => &[Scene::Alone],
        Step::Begun => &[Scene::Batch, Scene::Alone],
        Step::Summarized => &[Scene::Batch],
        Step::Committed | Step::Answering => &[Scene::Batch, Scene::NoDocuments],
        Step::AttemptsNoted => &[Scene::NoDocuments],
        Step::Checked => &[Scene::Lost],
        Step::Archived | Step::CacheTold | Step::LedgerTold => {
            &[Scene::Batch, Scene::Lost, Scene::Canceled, Scene::ErasedUnrecorded, Scene::Parked]
        }
        Step::PartsKept => &[Scene::Parts],
        Step::EraseSent => &[Scene::Erased, Scene::ErasedUnrecorded],
        Step::DocumentsErased | Step::ArchiveErased | Step::LedgerErased | Step::CacheMarked => &[Scene::Erased, Scene::ErasedAgain],
        Step::ReplayCounted | Step::Replayed => &[Scene::Replayed],
        Step::BodyKept | Step::Parked => &[Scene::Parked],
        Step::Reopened | Step::Unarchived | Step::Forgotten | Step::Resent => &[Scene::ReplayedByOperator],
        Step::Discarded => &[Scene::Purged],
        Step::CheckNoted | Step::CheckSent => &[Scene::Swept],
        Step::Entered => &[Scene::Reconciled],
    }
}

/// The function that is killed, and the environment variables that make it fail otherwise.
const fn function(scene: Scene) -> (&'static str, &'static [(&'static str, &'static str)]) {
    match scene {
        Scene::Batch | Scene::Alone | Scene::Parts | Scene::Lost | Scene::ErasedAgain => ("summarize", &[]),
        Scene::NoDocuments => ("summarize", &[("DOCUMENTS_BUCKET", "no-such-bucket")]),
        Scene::Canceled | Scene::Erased | Scene::ErasedUnrecorded | Scene::ReplayedByOperator | Scene::Purged => ("api", &[]),
        Scene::Replayed | Scene::Parked => ("redrive", &[]),
        Scene::Swept | Scene::Reconciled => ("maintain", &[]),
    }
}

/// A scene at a step, with the process that is killed there.
struct Play {
    stage: Stage,
    step: Step,
    killed: Emulator,
}

#[tokio::test]
async fn a_process_that_is_killed_at_any_step_loses_no_job_and_doubles_none() {
    let rounds = std::env::var("KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    for step in Step::ALL {
        let is_known = !scenes(step).is_empty() || !reaching(step).is_empty() || REPEATING.contains(&step);
        assert!(is_known, "no test kills a process at the step {step:?}");
    }
    let of_step = |step: Step| scenes(step).iter().map(move |scene| (step, *scene));
    let all: Vec<(Step, Scene)> = Step::ALL.into_iter().flat_map(of_step).collect();
    let plays = (0..rounds).flat_map(|round| all.iter().map(move |(step, scene)| play(*step, *scene, round)));
    // A scene that fails says why, and does not stop the others.
    let plays = plays.map(|play| AssertUnwindSafe(play).catch_unwind().map(Result::ok));
    let jobs: Vec<Option<usize>> = stream::iter(plays).buffer_unordered(AT_ONCE).collect().await;
    let failed = jobs.iter().filter(|jobs| jobs.is_none()).count();
    assert_eq!(failed, 0, "so many of {} scenes failed, and each has said why", jobs.len());
    assert_eq!(jobs.into_iter().flatten().sum::<usize>(), JOBS * rounds, "the number of jobs");
}

/// Plays a scene, and returns how many jobs it had.
async fn play(step: Step, scene: Scene, round: usize) -> usize {
    let name = format!("kill-{}-{scene:?}-{round}", step.as_str()).to_lowercase();
    let stage = Stage::new(&name).await;
    let (function, changed) = function(scene);
    let kill: Vec<(&str, &str)> = changed.iter().copied().chain([("KILL_AT", step.as_str())]).collect();
    let killed = stage.function(function, &kill).await;
    let play = Play { stage, step, killed };
    let ends = match scene {
        Scene::Batch => play.batch().await,
        Scene::Alone => play.alone().await,
        Scene::NoDocuments => play.no_documents().await,
        Scene::Parts => play.parts().await,
        Scene::Lost => play.lost().await,
        Scene::ErasedAgain => play.erased_again().await,
        Scene::Canceled => play.canceled().await,
        Scene::Erased => play.erased().await,
        Scene::ErasedUnrecorded => play.erased_unrecorded().await,
        Scene::Replayed => play.replayed().await,
        Scene::Parked => play.parked().await,
        Scene::ReplayedByOperator => play.replayed_by_operator().await,
        Scene::Purged => play.purged().await,
        Scene::Swept => play.swept().await,
        Scene::Reconciled => play.reconciled().await,
    };
    play.stage.audit(&ends).await;
    ends.len()
}

fn text(name: &str) -> Value {
    json!({"text": prose(name, 1_000), "length": {"sentences": 1}})
}

/// A text that is stored in the documents bucket.
fn large(name: &str) -> Value {
    json!({"text": prose(name, 210 * 1024), "length": {"sentences": 1}})
}

fn unkept(name: &str) -> Value {
    json!({"text": prose(name, 1_000), "length": {"sentences": 1}, "expires_in": 0})
}

impl Play {
    /// Gives messages to the process that is killed.
    async fn kill_worker(&self, messages: usize) {
        let is_killed = self.stage.deliver(&self.killed, messages).await;
        assert!(is_killed, "{}: no worker was killed", self.stage.tenant);
    }

    /// Invokes the process that is killed.
    async fn kill(&self, event: &Value) {
        let reply = self.killed.invoke(event).await.unwrap();
        assert!(is_killed(&reply), "{}: no process was killed: {reply}", self.stage.tenant);
    }

    async fn batch(&self) -> Vec<End> {
        let stage = &self.stage;
        let mut ends = Vec::new();
        for body in [text("small"), large("large")] {
            ends.push(End::of(stage.submit(&body, false).await, Status::Succeeded));
        }
        let mut limited = text("limited");
        limited["expires_in"] = 3600.into();
        ends.push(End::of(stage.submit(&limited, false).await, Status::Succeeded));
        let missing = stage.submit(&large("missing"), false).await;
        stage.lose_document(&missing).await;
        ends.push(End::of(missing, Status::Failed));
        ends.push(End::of(stage.submit(&text("at once"), true).await, Status::Succeeded));
        let unkept = stage.submit(&unkept("unkept"), true).await;
        ends.push(End::of(unkept, Status::Succeeded).erased());
        self.kill_worker(ends.len()).await;
        stage.drain().await;
        ends
    }

    async fn alone(&self) -> Vec<End> {
        let stage = &self.stage;
        let id = stage.submit(&text("alone"), false).await;
        let first = stage.function("summarize", &[("KILL_AT", Step::Begun.as_str())]).await;
        assert!(stage.deliver(&first, 1).await, "{}: the first worker was not killed", stage.tenant);
        self.kill_worker(1).await;
        stage.drain().await;
        vec![End::of(id, Status::Succeeded)]
    }

    async fn no_documents(&self) -> Vec<End> {
        let stage = &self.stage;
        let mut ends = Vec::new();
        for body in [text("small"), large("first"), large("second")] {
            ends.push(End::of(stage.submit(&body, false).await, Status::Succeeded));
        }
        self.kill_worker(ends.len()).await;
        stage.drain().await;
        ends
    }

    async fn parts(&self) -> Vec<End> {
        let stage = &self.stage;
        let id = stage.submit(&text("parts"), false).await;
        stage.take(1).await;
        let mut job = stage.ledger.find(&id).await.unwrap().unwrap();
        // Random text, which compression does not make much smaller.
        let words: String = (0..20_000).map(|_| uuid::Uuid::new_v4().to_string()).collect();
        let error = JobError::new(FailureCode::Other("large".to_owned()), words);
        job.resource.fail(OffsetDateTime::now_utc(), error).unwrap();
        let message = Message::Record(Box::new(RecordMessage {
            tenant: job.tenant,
            key: job.key,
            resource: job.resource,
            fingerprint: None,
            claim: None,
            trace: None,
        }));
        stage.send(&message.to_body()).await;
        self.kill_worker(1).await;
        stage.drain().await;
        vec![End::of(id, Status::Failed)]
    }

    /// A job without a message.
    async fn without_message(&self, name: &str) -> JobId {
        let id = self.stage.submit(&text(name), false).await;
        self.stage.take(1).await;
        id
    }

    async fn sweep(&self) {
        let reply = self.stage.maintain.invoke(&json!({"action": "sweep", "minutes": 0})).await.unwrap();
        assert!(reply["checked"].is_u64(), "{reply}");
    }

    /// Lets `maintain` and the worker check the jobs until none is unfinished.
    async fn end_lost(&self) {
        let (stage, deadline) = (&self.stage, Instant::now() + PATIENCE);
        stage.drain().await;
        loop {
            let (unfinished, _) = stage.ledger.unfinished(&stage.tenant, shared::job::Span::ALL, 1).await.unwrap();
            if unfinished.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "{}: {unfinished:?}", stage.tenant);
            self.sweep().await;
            stage.drain().await;
        }
    }

    async fn lost(&self) -> Vec<End> {
        let id = self.without_message("lost").await;
        // The third check finds that the message is lost.
        for _ in 0..2 {
            self.sweep().await;
            assert!(!self.stage.deliver(&self.stage.worker, 1).await);
        }
        self.sweep().await;
        self.kill_worker(1).await;
        self.end_lost().await;
        vec![End::of(id, Status::Failed)]
    }

    /// The message that erases a job once more, which the API sends with a delay.
    async fn send_erasure(&self, id: &JobId) {
        let message = Message::Erase(EraseMessage {
            job: id.clone(),
            tenant: self.stage.tenant.clone(),
            lane: shared::job::Lane::Standard,
        });
        self.stage.send(&message.to_body()).await;
    }

    async fn erased_again(&self) -> Vec<End> {
        let stage = &self.stage;
        let id = stage.submit(&large("erased again"), false).await;
        stage.drain().await;
        let job = stage.ledger.find(&id).await.unwrap().unwrap();
        assert_eq!(stage.remove(&id).await, 204);
        // A worker that was recording the job at that moment writes it again.
        stage.ledger.finish(&[&job]).await.unwrap();
        self.send_erasure(&id).await;
        self.kill_worker(1).await;
        stage.drain().await;
        vec![End::of(id, Status::Succeeded).erased()]
    }

    async fn canceled(&self) -> Vec<End> {
        let stage = &self.stage;
        let left = stage.submit(&text("left"), false).await;
        self.kill(&stage.removal(&left)).await;
        let repeated = stage.submit(&text("repeated"), false).await;
        self.kill(&stage.removal(&repeated)).await;
        // The job is canceled already, so that the same request erases it.
        assert_eq!(stage.remove(&repeated).await, 204);
        stage.drain().await;
        vec![End::of(left, Status::Canceled), End::of(repeated, Status::Canceled).erased()]
    }

    async fn erased(&self) -> Vec<End> {
        let stage = &self.stage;
        let repeated = stage.submit(&large("repeated"), false).await;
        let left = stage.submit(&text("left"), true).await;
        stage.drain().await;
        for id in [&repeated, &left] {
            self.kill(&stage.removal(id)).await;
        }
        assert_eq!(stage.remove(&repeated).await, 204);
        // The client of the other one does not come back, but its message comes.
        self.send_erasure(&left).await;
        stage.drain().await;
        [repeated, left].map(|id| End::of(id, Status::Succeeded).erased()).into()
    }

    async fn erased_unrecorded(&self) -> Vec<End> {
        let stage = &self.stage;
        let id = stage.submit(&text("unrecorded"), true).await;
        self.kill(&stage.removal(&id)).await;
        assert_eq!(stage.remove(&id).await, 204);
        stage.drain().await;
        vec![End::of(id, Status::Succeeded).erased()]
    }

    async fn dead(&self, name: &str, code: FailureCode) -> JobId {
        let (id, body) = self.stage.dead(name, code).await;
        self.stage.bury(&body).await;
        id
    }

    /// Moves the only message of the lane to the dead-letter queue.
    async fn bury_next(&self) {
        for body in self.stage.take(1).await {
            self.stage.bury(&body).await;
        }
    }

    async fn replayed(&self) -> Vec<End> {
        let stage = &self.stage;
        let first = self.dead("redrive comes first", FailureCode::CommitFailed).await;
        self.kill(&json!({})).await;
        stage.empty_letters().await;
        stage.drain().await;
        let second = self.dead("the worker comes first", FailureCode::CommitFailed).await;
        self.kill(&json!({})).await;
        stage.drain().await;
        stage.empty_letters().await;
        stage.drain().await;
        let ends = [first, second].map(|id| End::of(id, Status::Succeeded));
        // The job has ended before its dead letter was read, so that this is only kept.
        let [first, second] = ends;
        let is_ended = self.step == Step::Replayed;
        vec![first, if is_ended { second.parked() } else { second }]
    }

    async fn parked(&self) -> Vec<End> {
        let stage = &self.stage;
        let gone = self.dead("gone", FailureCode::WorkerPanicked).await;
        self.kill(&json!({})).await;
        // Before `redrive` runs again, the client erases the job. If the job has not ended, this takes
        // two requests.
        let had_ended = stage.remove(&gone).await == 204;
        assert_eq!(stage.remove(&gone).await, 204);
        let status = if had_ended { Status::Failed } else { Status::Canceled };
        assert_eq!(had_ended, self.step != Step::BodyKept);

        let failed = self.dead("failed", FailureCode::WorkerPanicked).await;
        let at_once = stage.submit(&text("at once"), true).await;
        self.bury_next().await;
        let unkept = stage.submit(&unkept("unkept"), true).await;
        self.bury_next().await;
        self.kill(&json!({})).await;
        stage.empty_letters().await;
        vec![
            End::of(gone, status).erased(),
            End::of(failed, Status::Failed).parked(),
            End::of(at_once, Status::Succeeded).parked(),
            End::of(unkept, Status::Succeeded).erased().parked(),
        ]
    }

    /// A failed job whose dead letter is parked, and the id of that.
    async fn with_letter(&self, name: &str) -> (JobId, String) {
        let id = self.dead(name, FailureCode::WorkerPanicked).await;
        self.stage.empty_letters().await;
        // Two minutes pass, before which no letter can be replayed.
        let letter = "UPDATE dead_letters SET parked_at = parked_at - interval '2 minutes' WHERE job_id = $1 RETURNING message_id";
        let mut database = self.stage.region.database().await;
        let letter = sqlx::query_scalar(letter).bind(id.uuid()).fetch_one(&mut database).await.unwrap();
        (id, letter)
    }

    async fn replayed_by_operator(&self) -> Vec<End> {
        let stage = &self.stage;
        let (id, letter) = self.with_letter("replayed").await;
        let request = stage.act("POST", &format!("/v1/dead-letters/{letter}/replay"));
        self.kill(&request).await;
        let reply = stage.api.invoke(&request).await.unwrap();
        assert_eq!(reply["statusCode"], 202, "{reply}");
        stage.drain().await;
        vec![End::of(id, Status::Succeeded).parked()]
    }

    async fn purged(&self) -> Vec<End> {
        let stage = &self.stage;
        let (id, letter) = self.with_letter("purged").await;
        let path = format!("/v1/dead-letters/{letter}");
        let purge = stage.act("DELETE", &path);
        self.kill(&purge).await;
        // The letter is still listed, and cannot be replayed any more.
        for (event, expected) in [(stage.act("POST", &format!("{path}/replay")), 409), (purge, 204)] {
            let reply = stage.api.invoke(&event).await.unwrap();
            assert_eq!(reply["statusCode"], expected, "{reply}");
        }
        vec![End::of(id, Status::Failed)]
    }

    async fn swept(&self) -> Vec<End> {
        let stage = &self.stage;
        let mut ends = Vec::new();
        for name in ["one", "other"] {
            ends.push(End::of(self.without_message(name).await, Status::Failed));
        }
        // The archive has the end of this job, and the ledger was never told.
        let untold = stage.submit(&text("untold"), false).await;
        assert!(!stage.deliver(&stage.worker, 1).await);
        let ended = stage.ledger.find(&untold).await.unwrap().unwrap();
        let of = ended.resource;
        let queued = SummaryResource::queued(of.id, of.lane, of.region, of.created_at, of.request);
        stage.ledger.withdraw(&untold).await.unwrap();
        let reopened = Job { resource: queued, ..ended };
        stage.ledger.accept(&reopened, None).await.unwrap();
        ends.push(End::of(untold, Status::Succeeded));

        self.kill(&json!({"action": "sweep", "minutes": 0})).await;
        if self.step == Step::CheckNoted {
            self.a_day_passes(&ends).await;
        }
        self.end_lost().await;
        ends
    }

    /// A check that was noted and never sent counts as lost after a day. Makes that day pass.
    async fn a_day_passes(&self, jobs: &[End]) {
        let client = aws_sdk_dynamodb::Client::new(&self.stage.region.sdk);
        let mut noted = 0;
        for job in jobs {
            let update = client.update_item().table_name(&self.stage.table);
            let update = update
                .key("id", AttributeValue::S(job.id.to_string()))
                .update_expression("ADD check_sent_at :day")
                .condition_expression("attribute_exists(check_sent_at)")
                .expression_attribute_values(":day", AttributeValue::N((-86_400).to_string()));
            noted += usize::from(update.send().await.is_ok());
        }
        assert_eq!(noted, 1, "{}: the check of one job is noted", self.stage.tenant);
    }

    async fn reconciled(&self) -> Vec<End> {
        let stage = &self.stage;
        let mut ends = Vec::new();
        for name in ["one", "two", "three"] {
            ends.push(End::of(stage.submit(&text(name), false).await, Status::Succeeded));
        }
        stage.drain().await;
        let mut database = stage.region.database().await;
        for table in ["summaries", "usage_by_key"] {
            let lost = format!("DELETE FROM {table} WHERE tenant = '{}'", stage.tenant);
            database.execute(sqlx::AssertSqlSafe(lost)).await.unwrap();
        }
        let reconcile = json!({"action": "reconcile", "hours": 1});
        self.kill(&reconcile).await;
        let reply = stage.maintain.invoke(&reconcile).await.unwrap();
        assert!(reply["entered"].is_u64(), "{reply}");
        ends
    }
}
