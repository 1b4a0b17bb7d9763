//! Every message is delivered three times and out of order: twice to two workers at the same time, and
//! once more after its job has ended.

use futures::future::join;
use local::cloud::emulator::Emulator;
use serde_json::{Value, json};
use shared::job::{CheckMessage, EraseMessage, FailureCode, Job, JobId, Lane, Message, Status};

use crate::{
    chance::Chance,
    cloud::{prose, valkey},
    stage::{End, Stage},
};

/// The order of the messages is that of this number.
const SEED: u64 = 20_261_127;
/// How many messages a worker receives together.
const BATCH: usize = 10;

/// A message and how often it has been received.
type Delivery<'a> = (&'a str, u32);

/// Shuffles deliveries, always in the same way.
fn shuffled(mut deliveries: Vec<Delivery<'_>>) -> Vec<Delivery<'_>> {
    let mut chance = Chance::of(SEED);
    for last in (1..deliveries.len()).rev() {
        deliveries.swap(last, chance.below(last + 1));
    }
    deliveries
}

/// Gives batches to a worker, which must be done with all of them.
async fn feed<'a>(worker: &Emulator, batches: impl Iterator<Item = &'a [Delivery<'a>]>) {
    for batch in batches {
        let record = |(number, (body, receives)): (usize, &Delivery<'_>)| json!({"messageId": number.to_string(), "receiptHandle": number.to_string(), "body": body, "attributes": {"ApproximateReceiveCount": receives.to_string()}});
        let records: Vec<Value> = batch.iter().enumerate().map(record).collect();
        let reply = worker.invoke(&json!({"Records": records})).await.unwrap();
        assert_eq!(reply, json!({"batchItemFailures": []}));
    }
}

/// Everything that the stores have of the jobs.
#[derive(Debug, PartialEq)]
struct Snapshot {
    rows: Vec<String>,
    usage: Vec<String>,
    ledger: Vec<Option<Job>>,
    /// The results for reuse, with their keys.
    results: Vec<(String, String)>,
}

async fn snapshot(stage: &Stage, ends: &[End]) -> Snapshot {
    let mut database = stage.region.database().await;
    let mut read = async |ask: &'static str| -> Vec<String> {
        let ask = sqlx::query_scalar(ask).bind(stage.tenant.as_str());
        ask.fetch_all(&mut database).await.unwrap()
    };
    let rows = read("SELECT to_jsonb(s)::text FROM summaries s WHERE tenant = $1 ORDER BY id").await;
    let usage = read("SELECT to_jsonb(u)::text FROM usage_by_key u WHERE tenant = $1 ORDER BY day, key").await;
    let mut ledger = Vec::new();
    for end in ends {
        ledger.push(stage.ledger.find(&end.id).await.unwrap());
    }
    let mut connection = valkey().await;
    let pattern = format!("{{{}}}:result:*", stage.tenant);
    let mut keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.unwrap();
    keys.sort();
    let mut results = Vec::new();
    for key in keys {
        let result: String = redis::cmd("GET").arg(&key).query_async(&mut connection).await.unwrap();
        results.push((key, result));
    }
    Snapshot {
        rows,
        usage,
        ledger,
        results,
    }
}

fn text(name: &str) -> Value {
    json!({"text": prose(name, 1_000), "length": {"sentences": 1}})
}

/// A text that is stored in the documents bucket.
fn large(name: &str) -> Value {
    json!({"text": prose(name, 210 * 1024), "length": {"sentences": 1}})
}

fn expiring(name: &str, seconds: u32) -> Value {
    json!({"text": prose(name, 1_000), "length": {"sentences": 1}, "expires_in": seconds})
}

/// The message that checks a job, and the one that erases it.
fn check_and_erasure(stage: &Stage, job: &JobId) -> (String, String) {
    let (job, tenant, lane) = (job.clone(), stage.tenant.clone(), Lane::Standard);
    let check = CheckMessage {
        job: job.clone(),
        tenant: tenant.clone(),
        lane,
        between: 900,
    };
    (
        Message::Check(check).to_body(),
        Message::Erase(EraseMessage { job, tenant, lane }).to_body(),
    )
}

#[tokio::test]
async fn three_deliveries_of_every_message_are_as_one() {
    let stage = Stage::new("storm").await;
    let other = stage.function("summarize", &[]).await;
    let mut ends = Vec::new();
    let twins = [text("twin"), text("twin")];
    let usual = ["one", "two", "three", "four", "five"].map(text);
    let kept = usual.into_iter().chain([large("large"), large("larger")]).chain(twins);
    for body in kept.chain(["limited", "also limited"].map(|name| expiring(name, 3600))) {
        ends.push(End::of(stage.submit(&body, false).await, Status::Succeeded));
    }
    for name in ["at once", "also at once"] {
        ends.push(End::of(stage.submit(&text(name), true).await, Status::Succeeded));
    }
    let unkept = stage.submit(&expiring("unkept", 0), true).await;
    ends.push(End::of(unkept, Status::Succeeded).erased());
    for name in ["missing", "also missing"] {
        let id = stage.submit(&large(name), false).await;
        stage.lose_document(&id).await;
        ends.push(End::of(id, Status::Failed));
    }
    for name in ["canceled", "also canceled"] {
        let id = stage.submit(&text(name), false).await;
        assert_eq!(stage.remove(&id).await, 200);
        ends.push(End::of(id, Status::Canceled));
    }
    let withdrawn = stage.submit(&text("canceled and erased"), false).await;
    assert_eq!(
        (stage.remove(&withdrawn).await, stage.remove(&withdrawn).await),
        (200.into(), 204.into())
    );
    let withdrawal = check_and_erasure(&stage, &withdrawn).1;
    ends.push(End::of(withdrawn, Status::Canceled).erased());
    let gone = [
        stage.submit(&text("gone"), false).await,
        stage.submit(&large("also gone"), false).await,
    ];
    ends.extend(gone.iter().map(|id| End::of(id.clone(), Status::Succeeded).erased()));

    let mut messages = stage.take(ends.len()).await;
    messages.push(withdrawal);
    messages.extend(ends.iter().map(|end| check_and_erasure(&stage, &end.id).0));
    // Some messages come back, and others were sent twice.
    let again = [2, 1].into_iter().cycle();
    let twice = messages
        .iter()
        .zip(again)
        .flat_map(|(body, again)| [(body.as_str(), 1), (body.as_str(), again)]);
    let twice: Vec<Delivery<'_>> = twice.collect();
    let twice = shuffled(twice);
    let batches = || twice.chunks(BATCH);
    join(
        feed(&stage.worker, batches().step_by(2)),
        feed(&other, batches().skip(1).step_by(2)),
    )
    .await;
    for id in &gone {
        assert_eq!(stage.remove(id).await, 204);
    }
    stage.audit(&ends).await;
    let once = snapshot(&stage, &ends).await;
    assert_eq!(
        once.results.len(),
        10,
        "those of the jobs that are kept, and one of the twins: {once:?}"
    );

    let erasures: Vec<String> = gone.iter().map(|id| check_and_erasure(&stage, id).1).collect();
    let thrice = messages.iter().map(|body| (body.as_str(), 3));
    let erasures = erasures
        .iter()
        .flat_map(|body| (1..=3).map(move |receives| (body.as_str(), receives)));
    let late = shuffled(thrice.chain(erasures).collect());
    feed(&stage.worker, late.chunks(BATCH)).await;
    stage.audit(&ends).await;
    assert_eq!(snapshot(&stage, &ends).await, once);
}

#[tokio::test]
async fn three_dead_letters_of_a_job_are_as_one() {
    let stage = Stage::new("storm-letters").await;
    let (outage, waiting) = stage.dead("outage", FailureCode::CommitFailed).await;
    let (fault, failing) = stage.dead("own fault", FailureCode::WorkerPanicked).await;
    // The first job is tried again three times. Its other dead letters come after its end.
    let ends = [End::of(outage, Status::Succeeded).parked(), End::of(fault, Status::Failed).parked()];
    for _ in 0..3 {
        for body in [&waiting, &failing] {
            stage.bury(body).await;
        }
    }
    stage.empty_letters().await;
    stage.drain().await;
    for body in [&waiting, &failing] {
        stage.bury(body).await;
    }
    stage.empty_letters().await;
    stage.audit(&ends).await;
    let once = snapshot(&stage, &ends).await;
    for body in [&failing, &waiting] {
        stage.bury(body).await;
    }
    stage.empty_letters().await;
    stage.audit(&ends).await;
    assert_eq!(snapshot(&stage, &ends).await, once);
}
