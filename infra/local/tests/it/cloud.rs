//! The local cloud that all tests share, and what tests do with it.

use std::{fmt::Write, fs, path::Path, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use local::{
    Instance, checkout,
    cloud::{
        addresses,
        bringup::{Bringup, Running, up},
        emulator::Emulator,
        instance::Outputs,
        supervisor, tenant,
    },
    progress::Step,
};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::{
    directory::{Directory, Tenant},
    job::Plan as TenantPlan,
};
use sqlx::{Connection, PgConnection};
use tokio::{sync::OnceCell, time::Instant};

pub(crate) const SUPERVISOR: &str = env!("CARGO_BIN_EXE_local");
pub(crate) const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];

/// The longest wait for anything. No test depends on how fast this machine is: a condition that
/// comes true late is as good as one that comes true at once, and only one that never comes true
/// makes a test fail.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

/// A running cloud.
pub(crate) struct Cloud {
    pub(crate) instance: Instance,
    pub(crate) running: Running,
    _turn: Option<fs::File>,
}

/// One region of it, with an HTTP client.
#[derive(Clone)]
pub(crate) struct Region {
    pub(crate) url: String,
    pub(crate) outputs: Outputs,
    pub(crate) sdk: SdkConfig,
    pub(crate) database: String,
    http: reqwest::Client,
}

static CLOUD: OnceCell<Cloud> = OnceCell::const_new();

/// The cloud all tests share.
pub(crate) async fn cloud() -> &'static Cloud {
    CLOUD
        .get_or_init(|| async { start().await.expect("the test cloud comes up") })
        .await
}

async fn start() -> anyhow::Result<Cloud> {
    fs::create_dir_all(checkout::local())?;
    // Two test runs in one checkout wait for each other.
    let turn = fs::File::create(checkout::local().join("test.lock"))?;
    turn.lock()?;
    Cloud::start("test", &REGIONS, Some(turn)).await
}

impl Cloud {
    /// A cloud of its own for a test that stops servers. They stop when it is dropped.
    pub(crate) async fn own(name: &str) -> Self {
        // The shared cloud installs and builds everything first.
        cloud().await;
        Self::start(name, &REGIONS[..1], None).await.expect("the cloud comes up")
    }

    async fn start(name: &str, regions: &[&str], turn: Option<fs::File>) -> anyhow::Result<Self> {
        let instance = Instance::at(checkout::local().join(name));
        supervisor::stop_leftovers(&instance);
        instance.remove()?;
        let running = up(&Bringup {
            instance: &instance,
            regions: regions.iter().map(|region| (*region).to_owned()).collect(),
            attached: true,
            supervisor: Path::new(SUPERVISOR),
            step: |what| Step::silent(what),
        })
        .await?;
        Ok(Self {
            instance,
            running,
            _turn: turn,
        })
    }
}

impl Cloud {
    pub(crate) fn region(&self, name: &str) -> Region {
        self.stack(name, self.running.state.regions[name].clone())
    }

    /// Another stack of a region.
    pub(crate) fn stack(&self, name: &str, outputs: Outputs) -> Region {
        Region {
            url: addresses::api_url_of(&self.instance, &outputs).expect("the stack has an API"),
            outputs,
            sdk: addresses::sdk(&self.instance, name),
            database: addresses::database_url(&self.instance, name),
            http: reqwest::Client::new(),
        }
    }
}

impl Cloud {
    /// A function in the emulator, with the environment variables of the first region. Those in
    /// `changed` have other values.
    pub(crate) fn emulator(&self, function: &str, changed: &[(&str, &str)]) -> Emulator {
        let outputs = &self.running.state.regions[REGIONS[0]];
        let mut env = addresses::function_env(&self.instance, REGIONS[0], outputs);
        env.extend(changed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Emulator::start(&self.running.binaries.join(function), env).expect("the emulator starts")
    }
}

/// A connection to Valkey of the first region.
pub(crate) async fn valkey() -> redis::aio::MultiplexedConnection {
    let url = addresses::valkey_url(&cloud().await.instance, REGIONS[0]);
    let client = redis::Client::open(url).expect("an address");
    client.get_multiplexed_async_connection().await.expect("Valkey answers")
}

/// Waits for a condition.
pub(crate) async fn comes_true(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is().await {
        assert!(Instant::now() < deadline, "not so after {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The first region of the shared cloud.
pub(crate) async fn region() -> Region {
    cloud().await.region(REGIONS[0])
}

impl Region {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// A submission with the demo key.
    pub(crate) async fn submit(&self, body: &Value) -> (StatusCode, Value) {
        answer(self.request(Method::POST, "/v1/summaries").bearer_auth(tenant::KEY).json(body)).await
    }

    /// A submission that must be accepted; returns its id.
    pub(crate) async fn accepted(&self, body: &Value) -> String {
        let (status, resource) = self.submit(body).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{resource}");
        resource["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn read(&self, id: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, &format!("/v1/summaries/{id}")).bearer_auth(tenant::KEY)).await
    }

    pub(crate) async fn delete(&self, id: &str) -> (StatusCode, Value) {
        answer(
            self.request(Method::DELETE, &format!("/v1/summaries/{id}"))
                .bearer_auth(tenant::KEY),
        )
        .await
    }

    /// Waits until the job has one of these statuses.
    pub(crate) async fn reaches(&self, id: &str, statuses: &[&str]) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, resource) = self.read(id).await;
            assert_eq!(status, StatusCode::OK, "{resource}");
            if statuses.contains(&resource["status"].as_str().unwrap_or_default()) {
                return resource;
            }
            assert!(Instant::now() < deadline, "{id} is still {} after {PATIENCE:?}", resource["status"]);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn succeeds(&self, id: &str) -> Value {
        let resource = self.reaches(id, &["succeeded", "failed"]).await;
        assert_eq!(resource["status"], "succeeded", "{resource}");
        resource
    }

    pub(crate) async fn invoke(&self, function: &str, payload: &Value) -> Value {
        let client = aws_sdk_lambda::Client::new(&self.sdk);
        let payload = aws_sdk_lambda::primitives::Blob::new(payload.to_string());
        let reply = client
            .invoke()
            .function_name(&self.outputs[function])
            .payload(payload)
            .send()
            .await
            .expect("the function answers");
        let body = serde_json::from_slice(reply.payload().map(AsRef::as_ref).unwrap_or_default()).unwrap_or_default();
        assert_eq!(reply.function_error(), None, "{body}");
        body
    }

    /// A key for another tenant.
    pub(crate) async fn other_tenant(&self, name: &str, plan: TenantPlan) -> SecretString {
        let key = SecretString::from(format!("sk_{name}"));
        let tenant = Tenant {
            id: name.to_owned().try_into().expect("a tenant's name"),
            plan,
        };
        Directory::new(&self.sdk, self.outputs["DirectoryTable"].clone())
            .register(&key, &tenant, None)
            .await
            .expect("registered");
        key
    }

    /// A table like that of the ledger, for service levels that no other test must notice.
    pub(crate) async fn table(&self, name: &str) -> String {
        let id = AttributeDefinition::builder()
            .attribute_name("id")
            .attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
        let table = aws_sdk_dynamodb::Client::new(&self.sdk)
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(id.build().expect("an attribute"))
            .key_schema(key.build().expect("a key"));
        table.send().await.expect("a table");
        name.to_owned()
    }

    pub(crate) async fn database(&self) -> PgConnection {
        PgConnection::connect(&self.database).await.expect("the database answers")
    }
}

/// Status and JSON body of a response.
pub(crate) async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    json_of(request.send().await.expect("an answer")).await
}

pub(crate) async fn json_of(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// A text of about `bytes` bytes. No two sentences of it are the same, and none of them occurs in a
/// text of another `seed`.
pub(crate) fn prose(seed: &str, bytes: usize) -> String {
    let subjects = [
        "The council", "A survey", "The ferry", "One farmer", "The archive", "A storm", "The orchestra", "Each village",
    ];
    let verbs = ["reported", "moved", "rebuilt", "measured", "lost", "found", "opened", "described"];
    let mut text = format!("This is the text called {seed}.");
    let mut number = 0;
    while text.len() < bytes {
        let (subject, verb) = (subjects[number % 8], verbs[(number / 8) % 8]);
        write!(text, " {subject} {verb} item {number} of {seed} near the river before winter.").expect("a string takes it");
        number += 1;
    }
    text
}

pub(crate) fn submission(seed: &str) -> Value {
    json!({"text": prose(seed, 1_000), "length": {"sentences": 2}})
}
