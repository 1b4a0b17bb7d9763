//! What a request may cost: round trips to Valkey, calls of AWS, and queries to PostgreSQL. All of
//! them are counted, so that a slow machine does not matter.

use std::sync::{Arc, Mutex};

use local::cloud::emulator::Emulator;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use shared::{
    cache::{Cache, Kept},
    job::{Job, Plan, Submission, fingerprint},
    summarizer::ENGINE,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    cloud::{cloud, prose, region},
    cluster::Cluster,
};

/// How often a request is made. What a process looks up again from time to time, such as its
/// service level, belongs to no request, so that the cheapest of these tries counts.
const TRIES: usize = 5;

/// A proxy before a server, which keeps everything that is sent to the server.
pub(crate) struct Wire {
    pub(crate) address: String,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    pub(crate) async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, sent) = (listener.local_addr().unwrap().to_string(), Arc::default());
        let kept = Arc::clone(&sent);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut from, mut back) = client.into_split();
                let (mut answers, mut to) = TcpStream::connect(&server).await.unwrap().into_split();
                tokio::spawn(async move { tokio::io::copy(&mut answers, &mut back).await });
                let kept: Arc<Mutex<Vec<u8>>> = Arc::clone(&kept);
                tokio::spawn(async move {
                    let mut piece = vec![0; 64 * 1024];
                    while let Ok(read @ 1..) = from.read(&mut piece).await {
                        kept.lock().unwrap().extend_from_slice(&piece[..read]);
                        if to.write_all(&piece[..read]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { address, sent }
    }

    /// The parts of what was sent since the last call which begin with `mark`, up to the end of the
    /// line or the next zero byte.
    pub(crate) fn take(&self, mark: &str) -> Vec<String> {
        let sent = std::mem::take(&mut *self.sent.lock().unwrap());
        let sent = String::from_utf8_lossy(&sent).into_owned();
        let parts = sent.match_indices(mark).map(|(at, _)| {
            let end = sent[at..].find(['\r', '\0']).map_or(sent.len(), |length| at + length);
            sent[at + mark.len()..end].trim().to_owned()
        });
        parts.collect()
    }
}

/// What a request has cost.
#[derive(Clone, Debug)]
struct Cost {
    /// Each is one message of the process to Valkey.
    valkey: u64,
    /// The operations of AWS.
    aws: Vec<String>,
    /// The queries to PostgreSQL.
    queries: Vec<String>,
}

impl Cost {
    fn weight(&self) -> u64 {
        self.valkey + (self.aws.len() + self.queries.len()) as u64
    }
}

/// An API process whose connections are counted, with a Valkey of its own.
struct Counted {
    process: Emulator,
    cluster: Cluster,
    aws: Wire,
    postgres: Wire,
    key: SecretString,
}

impl Counted {
    async fn start() -> Self {
        let (cloud, region) = (cloud().await, region().await);
        let ports = cloud.instance.state().ports;
        let cluster = Cluster::start("counted", &[(0, 16_383)]).await;
        let aws = Wire::to(format!("127.0.0.1:{}", ports.aws)).await;
        let postgres = Wire::to(format!("127.0.0.1:{}", ports.postgres)).await;
        let database = region.database.replace(&format!("127.0.0.1:{}", ports.postgres), &postgres.address);
        let changed = [
            ("VALKEY_URL", cluster.url(0)),
            ("AWS_ENDPOINT_URL", format!("http://{}", aws.address)),
            ("DATABASE_URL", database),
        ];
        let changed: Vec<(&str, &str)> = changed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Self {
            process: cloud.emulator("api", &changed),
            cluster,
            aws,
            postgres,
            key: region.other_tenant("budget", Plan::Enterprise).await,
        }
    }

    /// How many messages Valkey has read. To ask for it is one of them.
    async fn read_by_valkey(&self, connection: &mut redis::aio::MultiplexedConnection) -> u64 {
        let info: String = redis::cmd("INFO").arg("stats").query_async(connection).await.unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("total_reads_processed:"));
        line.unwrap().trim().parse().unwrap()
    }

    /// Makes a request, and returns its answer and its cost.
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> (Value, Cost) {
        let mut event: Value = serde_json::from_str(include_str!("../../../../events/api/submit.json")).unwrap();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        (event["rawPath"], event["rawQueryString"]) = (path.into(), query.into());
        event["requestContext"]["http"]["method"] = method.into();
        event["requestContext"]["http"]["path"] = path.into();
        event["headers"]["x-api-key"] = self.key.expose_secret().into();
        for (name, value) in headers {
            event["headers"][*name] = (*value).into();
        }
        event["body"] = body.map_or(Value::Null, |body| body.to_string().into());
        let client = redis::Client::open(self.cluster.url(0)).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let before = self.read_by_valkey(&mut connection).await;
        for wire in [&self.aws, &self.postgres] {
            wire.take("");
        }
        let reply = self.process.invoke(&event).await.unwrap();
        let cost = Cost {
            valkey: self.read_by_valkey(&mut connection).await - before - 1,
            aws: self.aws.take("x-amz-target:"),
            queries: self.postgres.take("SELECT id, region"),
        };
        let body: Value = serde_json::from_str(reply["body"].as_str().unwrap_or_default()).unwrap_or_default();
        (json!({"status": reply["statusCode"], "body": body}), cost)
    }

    /// The least cost of a request that is made some times. `expected` is the status of the
    /// answers.
    async fn least(
        &self,
        expected: u16,
        request: impl Fn(usize) -> (&'static str, String, Vec<(&'static str, &'static str)>, Option<Value>),
    ) -> Cost {
        let mut costs = Vec::new();
        for number in 0..TRIES {
            let (method, path, headers, body) = request(number);
            let (answer, cost) = self.ask(method, &path, &headers, body).await;
            assert_eq!(answer["status"], expected, "{answer}");
            costs.push(cost);
        }
        costs.into_iter().min_by_key(Cost::weight).unwrap()
    }
}

fn text(name: &str, number: usize) -> Value {
    json!({"text": prose(&format!("{name} {number}"), 600), "length": {"sentences": 1}})
}

#[tokio::test]
async fn a_request_costs_no_more_than_its_budget() {
    const SUBMIT: &str = "/v1/summaries";
    let counted = Counted::start().await;

    let accepted = counted
        .least(202, |number| {
            ("POST", SUBMIT.to_owned(), Vec::new(), Some(text("accepted", number)))
        })
        .await;
    assert!(
        accepted.valkey <= 1 && accepted.aws.len() <= 2 && accepted.queries.is_empty(),
        "{accepted:?}"
    );
    assert_eq!(accepted.aws.len(), 2, "the ledger and the lane are counted: {accepted:?}");

    let at_once = vec![("prefer", "wait=5")];
    let made = counted
        .least(200, |number| {
            ("POST", SUBMIT.to_owned(), at_once.clone(), Some(text("made at once", number)))
        })
        .await;
    assert!(made.valkey <= 1 && made.aws.len() <= 2 && made.queries.is_empty(), "{made:?}");

    // The result of another job is kept for reuse, as a worker keeps it.
    let body = text("cached", 0);
    let (answer, _) = counted.ask("POST", SUBMIT, &at_once, Some(body.clone())).await;
    let (text_of, options) = Submission::parse(body.to_string().as_bytes()).unwrap();
    let job = Job {
        tenant: "budget".to_owned().try_into().unwrap(),
        key: None,
        resource: serde_json::from_value(answer["body"].clone()).unwrap(),
    };
    let kept = Kept {
        job: &job,
        fingerprint: Some(&fingerprint(ENGINE, &options, &text_of)),
        claim: None,
    };
    Cache::connect(&counted.cluster.url(0), None)
        .unwrap()
        .finished(&[kept])
        .await
        .unwrap();
    let cached = counted
        .least(200, |_| ("POST", SUBMIT.to_owned(), Vec::new(), Some(body.clone())))
        .await;
    assert!(
        cached.valkey <= 1 && cached.aws.is_empty() && cached.queries.is_empty(),
        "{cached:?}"
    );

    let path = format!("/v1/summaries/{}", job.resource.id);
    let read = counted.least(200, |_| ("GET", path.clone(), Vec::new(), None)).await;
    assert!(read.valkey == 1 && read.aws.is_empty() && read.queries.is_empty(), "{read:?}");

    // No worker records the jobs of this test. Each one that was finished inside its request costs a list
    // one read more until a worker has recorded it.
    counted
        .cluster
        .ask::<()>(0, redis::cmd("DEL").arg("{budget}:unrecorded"))
        .await
        .unwrap();
    for filter in ["", "&status=succeeded", "&lane=standard", "&metadata_key=a&metadata_value=b"] {
        let listed = counted
            .least(200, |_| ("GET", format!("/v1/summaries?limit=2{filter}"), Vec::new(), None))
            .await;
        let queries = listed.aws.len() + listed.queries.len();
        assert!(queries <= 2 && listed.queries.len() == 1, "{filter}: {listed:?}");
    }
}
