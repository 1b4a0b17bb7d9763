//! A replica that answers what clients ask: it is asked if it has all that its client knows of, and
//! what it lacks, or that it is away, is seen by nobody.

use std::process::Stdio;

use local::cloud::{addresses, emulator::Emulator};
use serde_json::{Value, json};
use shared::job::{FailureCode, JobId};
use sqlx::{Connection, Executor, PgConnection};
use tokio::sync::watch;

use crate::{
    access::{ask, operator},
    budgets::Wire,
    cloud::{REGIONS, cloud, comes_true, prose, region, valkey},
    faults::{
        mode::Mode,
        tcp::{self, Protocol},
    },
    matrix::bench::port_of,
    replica::Replica,
    stage::Stage,
};

const NAME: &str = "reader";
const LIST: &str = "/v1/summaries";
const USAGE: &str = "/v1/usage";

/// Functions whose reader is a replica behind proxies.
struct Scene {
    stage: Stage,
    key: String,
    replica: Replica,
    mode: watch::Sender<Mode>,
    wire: Wire,
}

impl Scene {
    async fn new() -> Self {
        let replica = Replica::of(&region().await.database, NAME).await;
        let mode = watch::channel(Mode::Pass).0;
        let port = port_of(&replica.url);
        let proxy = tcp::start(port, Protocol::Postgres, mode.subscribe()).await;
        let wire = Wire::to(format!("127.0.0.1:{proxy}")).await;
        let url = replica.url.replace(&format!("127.0.0.1:{port}"), &wire.address);
        let (client, _) = operator().await.tenant(NAME, &["summaries:read", "usage:read"]).await;
        Self {
            key: client.key,
            stage: Stage::with(NAME, vec![("DATABASE_READER_URL", url)]).await,
            replica,
            mode,
            wire,
        }
    }

    async fn finished(&self, text: &str) -> JobId {
        let body = json!({"text": prose(text, 1_000), "length": {"sentences": 1}});
        let id = self.stage.submit(&body, false).await;
        self.stage.drain().await;
        id
    }

    /// A job that has failed, and the id of its dead letter.
    async fn failed(&self) -> (JobId, String) {
        let (id, message) = self.stage.dead("fails", FailureCode::WorkerPanicked).await;
        self.stage.bury(&message).await;
        self.stage.empty_letters().await;
        // Before two minutes have passed, no letter can be replayed.
        let older = "UPDATE dead_letters SET parked_at = parked_at - interval '2 minutes' WHERE tenant = $1 RETURNING message_id";
        let mut database = self.stage.region.database().await;
        let letter = sqlx::query_scalar(older).bind(NAME).fetch_one(&mut database).await.unwrap();
        (id, letter)
    }

    /// Makes jobs look as if they had finished so long ago that only the archive knows them.
    async fn outdate(&self, ids: &[&JobId]) {
        for id in ids {
            self.stage.ledger.withdraw(id).await.unwrap();
            self.stage.cache.forget(&[(&self.stage.tenant, id)]).await.unwrap();
        }
    }

    async fn replica(&self) -> PgConnection {
        PgConnection::connect(&self.replica.url).await.unwrap()
    }

    async fn catches_up(&self) {
        let number = self.stage.archive.write_number(&self.stage.tenant).await.unwrap();
        assert!(number > 0, "every write has a number");
        let mut replica = self.replica().await;
        comes_true("the replica has every write", async || {
            let has = "SELECT number FROM tenant_writes WHERE tenant = $1";
            let has: Option<i64> = sqlx::query_scalar(has).bind(NAME).fetch_optional(&mut replica).await.unwrap();
            has == Some(number)
        })
        .await;
    }

    /// What the replica has of a job.
    async fn replicated(&self, id: &JobId) -> Option<String> {
        let status = "SELECT status FROM summaries WHERE id = $1";
        let mut replica = self.replica().await;
        sqlx::query_scalar(status)
            .bind(id.uuid())
            .fetch_optional(&mut replica)
            .await
            .unwrap()
    }

    async fn get(&self, api: &Emulator, path: &str) -> (Value, Value) {
        let reply = ask(api, &self.key, "GET", path, None).await;
        let body = reply["body"].as_str().unwrap_or_default();
        (reply["statusCode"].clone(), serde_json::from_str(body).unwrap_or_default())
    }

    /// The status of the answer to a read, and that of the job.
    async fn read(&self, api: &Emulator, id: &JobId) -> (u64, String) {
        let (code, body) = self.get(api, &format!("{LIST}/{id}")).await;
        (code.as_u64().unwrap(), body["status"].as_str().unwrap_or_default().to_owned())
    }

    /// The listed jobs with their status, the newest first.
    async fn listed(&self, api: &Emulator) -> Vec<(String, String)> {
        let (code, body) = self.get(api, LIST).await;
        assert_eq!(code, 200, "{body}");
        let text = |job: &Value, name: &str| job[name].as_str().unwrap().to_owned();
        let items = body["items"].as_array().unwrap().iter();
        items.map(|job| (text(job, "id"), text(job, "status"))).collect()
    }

    /// Accepted, succeeded and failed jobs.
    async fn counted(&self, api: &Emulator) -> [i64; 3] {
        let (code, body) = self.get(api, USAGE).await;
        assert_eq!(code, 200, "{body}");
        let rows = body["items"].as_array().unwrap();
        ["accepted", "succeeded", "failed"].map(|name| rows.iter().filter_map(|row| row[name].as_i64()).sum())
    }

    /// How many transactions the reader was asked for since the last call.
    fn asked(&self) -> usize {
        self.wire.take("BEGIN").len()
    }
}

fn ok(status: &str) -> (u64, String) {
    (200, status.to_owned())
}

fn jobs(jobs: &[(&JobId, &str)]) -> Vec<(String, String)> {
    jobs.iter().map(|(id, status)| (id.to_string(), (*status).to_owned())).collect()
}

#[tokio::test]
async fn a_reader_answers_and_nobody_sees_what_it_lacks() {
    let scene = Scene::new().await;
    let (stage, api) = (&scene.stage, &scene.stage.api);
    let (kept, erased) = (scene.finished("is kept").await, scene.finished("is erased").await);
    let (replayed, letter) = scene.failed().await;
    scene.outdate(&[&kept, &erased]).await;
    stage.cache.forget(&[(&stage.tenant, &replayed)]).await.unwrap();

    // The reader has everything, and is asked.
    scene.catches_up().await;
    scene.asked();
    assert_eq!(scene.read(api, &kept).await, ok("succeeded"));
    let all = [(&replayed, "failed"), (&erased, "succeeded"), (&kept, "succeeded")];
    assert_eq!(scene.listed(api).await, jobs(&all));
    assert_eq!(scene.counted(api).await, [3, 2, 1]);
    assert_eq!(scene.asked(), 3, "each read is one transaction of the reader");

    // The reader stands still, and what is written is seen at once.
    scene.replica().await.execute("SELECT pg_wal_replay_pause()").await.unwrap();
    comes_true("the replica stands still", async || {
        let ask = "SELECT pg_get_wal_replay_pause_state() = 'paused'";
        sqlx::query_scalar(ask).fetch_one(&mut scene.replica().await).await.unwrap()
    })
    .await;
    assert_eq!(stage.remove(&erased).await, 204);
    let again = stage.act("POST", &format!("/v1/dead-letters/{letter}/replay"));
    assert_eq!(api.invoke(&again).await.unwrap()["statusCode"], 202);
    let message = stage.take(1).await.remove(0);
    let before: Vec<_> = [scene.replicated(&erased).await, scene.replicated(&replayed).await].into();
    assert_eq!(
        before,
        [Some("succeeded".to_owned()), Some("failed".to_owned())],
        "the reader is behind"
    );
    let check = async |api: &Emulator| {
        assert_eq!(scene.read(api, &erased).await.0, 404);
        assert_eq!(scene.read(api, &replayed).await, ok("queued"));
        assert_eq!(scene.read(api, &kept).await, ok("succeeded"));
        assert_eq!(scene.listed(api).await, jobs(&[(&replayed, "queued"), (&kept, "succeeded")]));
        assert_eq!(scene.counted(api).await, [3, 2, 0]);
    };
    check(api).await;
    // The cache has lost the number of the newest write, or does not answer.
    let key = format!("{{{NAME}}}:newest-write");
    let lost: u64 = redis::cmd("DEL").arg(&key).query_async(&mut valkey().await).await.unwrap();
    assert_eq!(lost, 1);
    check(api).await;
    check(&stage.function("api", &[("VALKEY_URL", "redis://127.0.0.1:9")]).await).await;
    // A job that finishes now is read and listed, and only the archive knows it.
    stage.send(&message).await;
    stage.drain().await;
    let new = scene.finished("is new").await;
    scene.outdate(&[&new, &replayed]).await;
    assert_eq!(scene.replicated(&new).await, None, "the reader is behind");
    let all = [(&new, "succeeded"), (&replayed, "succeeded"), (&kept, "succeeded")];
    let complete = async |api: &Emulator| {
        assert_eq!(scene.read(api, &new).await, ok("succeeded"));
        assert_eq!(scene.listed(api).await, jobs(&all));
        assert_eq!(scene.counted(api).await, [4, 4, 0]);
    };
    complete(api).await;

    // The reader goes on, and is asked again.
    scene.replica().await.execute("SELECT pg_wal_replay_resume()").await.unwrap();
    scene.catches_up().await;
    scene.asked();
    complete(api).await;
    assert_eq!(scene.asked(), 3);

    // The reader is away or does not answer, and reads go on.
    for mode in [Mode::Away, Mode::Slow] {
        scene.mode.send_replace(mode);
        complete(&stage.function("api", &[]).await).await;
    }
    scene.mode.send_replace(Mode::Pass);
    scene.replica.stop().await;
    complete(&stage.function("api", &[]).await).await;
}

#[tokio::test]
async fn a_wrong_number_of_connections_is_described() {
    let cloud = cloud().await;
    let outputs = &cloud.running.state.regions[REGIONS[0]];
    let env = addresses::function_env(&cloud.instance, REGIONS[0], outputs);
    for number in ["none", "0"] {
        let mut api = tokio::process::Command::new(cloud.running.binaries.join("api"));
        api.env_clear().envs(env.iter().cloned()).env("DATABASE_CONNECTIONS", number);
        let output = api.stdin(Stdio::null()).output().await.unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!output.status.success(), "{said}");
        assert!(said.contains("DATABASE_CONNECTIONS") && said.contains("at least 1"), "{said}");
    }
}
