//! A bench: the API and a worker in emulators, with a proxy in front of one store. It has a tenant, keys
//! and queues of its own, and the other stores are those of the shared cloud.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use local::cloud::{addresses, emulator::Emulator};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use shared::{
    cache::Cache,
    job::{JobId, Plan, Span, TenantId},
    ledger::Ledger,
    store::Store,
};
use sqlx::Row;
use tokio::sync::watch;

use crate::{
    cloud::{Cloud, REGIONS, Region, cloud, comes_true, prose},
    cluster::Cluster,
    faults::{
        aws::{self, Target},
        mode::Mode,
        tcp::{self, Protocol},
    },
    stage::record,
};

const EVENT: &str = include_str!("../../../../../events/api/submit.json");
/// A text of so many bytes does not fit into a message, and is stored in S3.
pub(super) const LARGE: usize = 210_000;
/// A text of so many bytes travels in its message.
pub(super) const SMALL: usize = 1_000;

/// The queues of a bench. One of them serves as all lanes but express.
struct Queues {
    lane: String,
    /// The express lane. No worker takes its messages while a store fails.
    held: String,
    dead_letters: String,
}

/// The API and a worker in front of stores of which one fails.
pub(super) struct Bench {
    cloud: &'static Cloud,
    region: Region,
    store: Store,
    mode: watch::Sender<Mode>,
    tenant: TenantId,
    key: String,
    queues: Queues,
    /// Valkey of this bench alone, if it is the store that fails.
    valkey: Option<Cluster>,
    valkey_url: String,
    /// The API and a worker whose stores all answer.
    api: Option<Emulator>,
    worker: Option<Emulator>,
    texts: AtomicU32,
    accepted: Mutex<BTreeSet<String>>,
}

impl Bench {
    pub(super) async fn start(name: &str, store: Store) -> Self {
        let cloud = cloud().await;
        let region = cloud.region(REGIONS[0]);
        let tenant = format!("outage-{name}");
        let key = region.other_tenant(&tenant, Plan::Enterprise).await;
        let mode = watch::channel(Mode::Pass).0;
        let mut valkey_url = addresses::valkey_url(&cloud.instance, REGIONS[0]);
        let mut valkey = None;
        if store == Store::Cache {
            let own = Cluster::start(&tenant, &[(0, 16_383)]).await;
            let proxy = tcp::start(port_of(&own.url(0)), Protocol::Valkey, mode.subscribe()).await;
            // A client asks the cluster for the addresses of its servers, and must get that of the proxy.
            let mut announce = redis::cmd("CONFIG");
            announce.arg("SET").arg("cluster-announce-port").arg(proxy);
            own.ask::<()>(0, &announce).await.unwrap();
            valkey_url = format!("redis://127.0.0.1:{proxy}");
            valkey = Some(own);
        }
        let mut bench = Self {
            queues: Queues::make(&region, &tenant).await,
            cloud,
            region,
            store,
            mode,
            key: key.expose_secret().to_owned(),
            tenant: tenant.try_into().unwrap(),
            valkey,
            valkey_url,
            api: None,
            worker: None,
            texts: AtomicU32::new(0),
            accepted: Mutex::default(),
        };
        bench.api = Some(bench.emulator("api", &[]));
        bench.worker = Some(bench.emulator("summarize", &[]));
        bench
    }

    /// A function whose queues are those of this bench.
    fn emulator(&self, function: &str, changed: &[(&str, &str)]) -> Emulator {
        // The times of an invocation are those of the template.
        let seconds = if function == "api" { "15" } else { "60" };
        let mut env = vec![
            ("AWS_LAMBDA_FUNCTION_TIMEOUT", seconds),
            ("EXPRESS_URL", &self.queues.held),
            ("STANDARD_URL", &self.queues.lane),
            ("BULK_URL", &self.queues.lane),
            ("LANE_URL", &self.queues.lane),
            ("VALKEY_URL", &self.valkey_url),
        ];
        env.extend(changed);
        self.cloud.emulator(function, &env)
    }

    /// A function behind a proxy of its own in front of the store that fails, so that what another
    /// function asks of the store does not matter.
    pub(super) async fn struck(&self, function: &str) -> Emulator {
        let mode = self.mode.subscribe();
        let service = match self.store {
            Store::Cache => return self.emulator(function, &[]),
            Store::Archive => {
                let address = &self.region.database;
                let proxy = tcp::start(port_of(address), Protocol::Postgres, mode).await;
                let address = address.replace(&port_of(address).to_string(), &proxy.to_string());
                return self.emulator(function, &[("DATABASE_URL", &address)]);
            }
            Store::Directory | Store::Ledger => "dynamodb",
            Store::Documents => "s3",
            Store::Lanes => "sqs",
        };
        let table = match self.store {
            Store::Directory => Some("DirectoryTable"),
            Store::Ledger => Some("LedgerTable"),
            _ => None,
        };
        let target = Target {
            service,
            table: table.map(|table| self.region.outputs[table].clone()),
        };
        let proxy = aws::start(self.cloud.instance.state().ports.aws, target, mode).await;
        self.emulator(function, &[("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{proxy}"))])
    }

    pub(super) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Takes everything out of the cache.
    pub(super) async fn empty_cache(&self) {
        let valkey = self.valkey.as_ref().expect("the cache is of this bench alone");
        valkey.ask::<()>(0, &redis::cmd("FLUSHALL")).await.unwrap();
    }
}

/// The port in an address.
pub(crate) fn port_of(address: &str) -> u16 {
    let port = address.rsplit(':').next().unwrap();
    port.split('/').next().unwrap().parse().unwrap()
}

impl Queues {
    async fn make(region: &Region, name: &str) -> Self {
        let sqs = aws_sdk_sqs::Client::new(&region.sdk);
        let make = async |purpose: &str, redrive: Option<String>| {
            let queue = sqs.create_queue().queue_name(format!("{name}-{purpose}"));
            let queue = queue.attributes(QueueAttributeName::VisibilityTimeout, "420");
            let queue = match redrive {
                Some(policy) => queue.attributes(QueueAttributeName::RedrivePolicy, policy),
                None => queue,
            };
            queue.send().await.unwrap().queue_url.unwrap()
        };
        let dead_letters = make("dead", None).await;
        let arn = sqs.get_queue_attributes().queue_url(&dead_letters);
        let arn = arn.attribute_names(QueueAttributeName::QueueArn).send().await.unwrap();
        let arn = &arn.attributes.unwrap()[&QueueAttributeName::QueueArn];
        let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": shared::job::MOST_RECEIVES}).to_string();
        Self {
            lane: make("lane", Some(policy.clone())).await,
            held: make("held", Some(policy)).await,
            dead_letters,
        }
    }
}

/// The answer to a request.
pub(super) struct Answer {
    /// The status, and the type of the problem if it is one.
    pub(super) says: String,
    pub(super) body: Value,
}

impl Bench {
    /// Sends a request to the API in this emulator.
    pub(super) async fn ask(&self, api: &Emulator, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.send(api, method, path, body, None).await
    }

    async fn send(&self, api: &Emulator, method: &str, path: &str, body: Option<&Value>, header: Option<(&str, &str)>) -> Answer {
        let mut event: Value = serde_json::from_str(EVENT).unwrap();
        if let Some((name, value)) = header {
            event["headers"][name] = value.into();
        }
        event["headers"]["x-api-key"] = self.key.as_str().into();
        event["rawPath"] = path.into();
        event["requestContext"]["http"]["path"] = path.into();
        event["requestContext"]["http"]["method"] = method.into();
        event["body"] = body.map(Value::to_string).into();
        // An invocation that takes longer than the function may is stopped, and has no answer.
        let reply = api.invoke(&event).await.unwrap_or_default();
        let Some(status) = reply["statusCode"].as_u64() else {
            return Answer {
                says: format!("none ({})", reply["errorMessage"]),
                body: Value::Null,
            };
        };
        let body: Value = serde_json::from_str(reply["body"].as_str().unwrap_or_default()).unwrap_or_default();
        let problem = body["type"].as_str().and_then(|kind| kind.split_once('#'));
        let says = problem.map_or(status.to_string(), |(_, kind)| format!("{status} `{kind}`"));
        if method == "POST" && status < 300 {
            let id = body["id"].as_str().unwrap().to_owned();
            assert!(self.accepted.lock().unwrap().insert(id), "two submissions got one job");
        }
        Answer { says, body }
    }

    /// A submission of a text that nobody has submitted before.
    fn submission(&self, bytes: usize, priority: &str) -> Value {
        let number = self.texts.fetch_add(1, Ordering::Relaxed);
        json!({"text": prose(&format!("{} {number}", self.tenant), bytes), "priority": priority})
    }

    pub(super) async fn submit(&self, api: &Emulator, bytes: usize, priority: &str) -> Answer {
        let body = self.submission(bytes, priority);
        self.ask(api, "POST", "/v1/summaries", Some(&body)).await
    }

    /// Submits a text whose summary is made inside the request. Of every second one nothing is kept. That
    /// needs no cache, so that without the cache the two have different answers, and all are kept.
    pub(super) async fn submit_and_wait(&self, api: &Emulator, time: usize) -> Answer {
        let mut body = self.submission(SMALL, "express");
        if time % 2 == 1 && self.store != Store::Cache {
            body["expires_in"] = 0.into();
        }
        self.send(api, "POST", "/v1/summaries", Some(&body), Some(("prefer", "wait=1")))
            .await
    }

    /// Submits the same text with the same idempotency key to one process after the other, and returns what
    /// each of them says.
    pub(super) async fn submit_again(&self, apis: [&Emulator; 2], between: impl FnOnce()) -> [String; 2] {
        let body = self.submission(SMALL, "standard");
        let [first, second] = apis;
        let submit = async |api| {
            let key = Some(("idempotency-key", "the only one"));
            self.send(api, "POST", "/v1/summaries", Some(&body), key).await.says
        };
        let first = submit(first).await;
        between();
        [first, submit(second).await]
    }

    pub(super) fn api(&self) -> &Emulator {
        self.api.as_ref().unwrap()
    }

    async fn accepted(&self, bytes: usize, priority: &str) -> JobId {
        let answer = self.submit(self.api(), bytes, priority).await;
        assert_eq!(answer.says, "202", "{}", answer.body);
        answer.body["id"].as_str().unwrap().parse().unwrap()
    }

    /// A job whose message waits as long as the store fails.
    pub(super) async fn unfinished(&self) -> JobId {
        self.accepted(SMALL, "express").await
    }

    /// Sends a text to the lane whose messages are worked on while the store fails.
    pub(super) async fn load(&self, bytes: usize) {
        self.accepted(bytes, "standard").await;
    }

    /// Jobs that have finished.
    pub(super) async fn finished(&self, jobs: usize) -> Vec<JobId> {
        let mut ids = Vec::new();
        for _ in 0..jobs {
            ids.push(self.accepted(SMALL, "standard").await);
        }
        self.finish_all(Vec::new()).await;
        ids
    }

    fn ledger(&self) -> Ledger {
        Ledger::new(&self.region.sdk, self.region.outputs["LedgerTable"].clone())
    }

    /// Makes a job look as if it had finished so long ago that only the archive knows it.
    pub(super) async fn outdate(&self, id: &JobId) {
        self.ledger().withdraw(id).await.unwrap();
        let cache = Cache::connect(&self.valkey_url, None).unwrap();
        cache.forget(&[(&self.tenant, id)]).await.unwrap();
    }
}

/// Receipts of messages that a worker has returned.
pub(super) type Returned = Vec<String>;

impl Bench {
    /// Gives the messages of the lane to a worker until the store answers again. Returns the receipts of
    /// those that came back.
    pub(super) async fn work_meanwhile(&self, worker: &Emulator) -> Returned {
        let mut returned = Vec::new();
        while *self.mode.borrow() != Mode::Pass {
            returned.extend(self.batch(worker, &self.queues.lane, 1).await.into_iter().flatten());
        }
        returned
    }

    /// Works on all messages until all accepted jobs have finished. The returned messages come at once:
    /// how long they would wait is not what is tested here.
    pub(super) async fn finish_all(&self, returned: Returned) {
        self.come_back(&returned).await;
        let accepted: Vec<JobId> = self.accepted.lock().unwrap().iter().map(|id| id.parse().unwrap()).collect();
        let uuids: Vec<_> = accepted.iter().map(JobId::uuid).collect();
        let mut database = self.region.database().await;
        comes_true("every accepted job has finished", async || {
            for queue in [&self.queues.lane, &self.queues.held] {
                while let Some(back) = self.batch(self.worker.as_ref().unwrap(), queue, 0).await {
                    self.come_back(&back).await;
                }
            }
            let finished = sqlx::query("SELECT count(*) AS n FROM summaries WHERE id = ANY($1)").bind(&uuids);
            let finished: i64 = finished.fetch_one(&mut database).await.unwrap().get("n");
            usize::try_from(finished).unwrap() == accepted.len()
        })
        .await;
    }

    /// Gives up to ten messages of a queue to a worker, and deletes those that it has worked on. Returns
    /// the receipts of the others, or nothing if the queue is empty for so many seconds.
    async fn batch(&self, worker: &Emulator, queue: &str, seconds: i32) -> Option<Returned> {
        let sqs = aws_sdk_sqs::Client::new(&self.region.sdk);
        let receive = sqs
            .receive_message()
            .queue_url(queue)
            .max_number_of_messages(10)
            .wait_time_seconds(seconds);
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let messages = receive.send().await.unwrap().messages.unwrap_or_default();
        if messages.is_empty() {
            return None;
        }
        let records: Vec<Value> = messages.iter().map(record).collect();
        let reply = worker.invoke(&json!({"Records": records})).await.unwrap();
        let failures = reply["batchItemFailures"]
            .as_array()
            .unwrap_or_else(|| panic!("the worker stopped: {reply}"));
        let mut back = Vec::new();
        for message in &messages {
            let receipt = message.receipt_handle().unwrap();
            if failures
                .iter()
                .any(|failure| failure["itemIdentifier"].as_str() == message.message_id())
            {
                back.push(receipt.to_owned());
            } else {
                sqs.delete_message().queue_url(queue).receipt_handle(receipt).send().await.unwrap();
            }
        }
        Some(back)
    }

    /// Makes returned messages visible at once.
    async fn come_back(&self, returned: &[String]) {
        let sqs = aws_sdk_sqs::Client::new(&self.region.sdk);
        for receipt in returned {
            let change = sqs.change_message_visibility().queue_url(&self.queues.lane);
            // A message whose wait is over is visible already.
            let _ = change.receipt_handle(receipt).visibility_timeout(0).send().await;
        }
    }

    /// Lets all jobs fail to be recorded until each has been received so many times.
    pub(super) async fn receive_in_vain(&self, worker: &Emulator, times: u32) {
        for _ in 0..times {
            let mut returned = Vec::new();
            while let Some(back) = self.batch(worker, &self.queues.lane, 0).await {
                returned.extend(back);
            }
            assert_eq!(
                returned.len(),
                self.accepted.lock().unwrap().len(),
                "a job was recorded without the archive"
            );
            self.come_back(&returned).await;
        }
    }

    /// Checks that each accepted job was counted once, that no job was counted which was not accepted, and
    /// that nothing is left of any.
    pub(super) async fn is_settled(&self) {
        let accepted = i64::try_from(self.accepted.lock().unwrap().len()).unwrap();
        let usage = "SELECT sum(accepted)::bigint, (sum(succeeded) + sum(canceled))::bigint, sum(failed)::bigint FROM usage_by_key WHERE tenant = $1";
        let mut database = self.region.database().await;
        let usage: (i64, i64, i64) = sqlx::query_as(usage)
            .bind(self.tenant.as_str())
            .fetch_one(&mut database)
            .await
            .unwrap();
        assert_eq!(
            usage,
            (accepted, accepted, 0),
            "{}: accepted, succeeded or canceled, failed",
            self.tenant
        );
        // The API is not asked: where the ledger is wrong, it shows what the cache or the archive knows.
        let open = self.ledger().unfinished(&self.tenant, Span::ALL, 100).await.unwrap().0;
        assert_eq!(
            open,
            [],
            "{}: the ledger has jobs that have finished, or were not accepted",
            self.tenant
        );
        let sqs = aws_sdk_sqs::Client::new(&self.region.sdk);
        let letters = sqs.receive_message().queue_url(&self.queues.dead_letters).send().await.unwrap();
        assert_eq!(letters.messages.unwrap_or_default().len(), 0, "{}: dead letters", self.tenant);
    }

    /// A job as the API shows it.
    pub(super) async fn jobs(&self) -> Vec<Value> {
        let ids = self.accepted.lock().unwrap().clone();
        let mut jobs = Vec::new();
        for id in ids {
            jobs.push(self.ask(self.api(), "GET", &format!("/v1/summaries/{id}"), None).await.body);
        }
        jobs
    }
}
