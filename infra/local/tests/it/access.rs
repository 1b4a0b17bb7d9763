//! What the tests of tenants and of sessions need: callers with a key, and API processes of their
//! own.

use local::cloud::{emulator::Emulator, tenant::ADMIN_KEY};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cloud::{Region, answer, comes_true, region};

/// A client with a key or a session.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) region: Region,
    pub(crate) key: String,
}

/// The operator of the shared cloud.
pub(crate) async fn operator() -> Client {
    Client {
        region: region().await,
        key: ADMIN_KEY.to_owned(),
    }
}

impl Client {
    pub(crate) fn with(&self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let request = self.region.request(method, path).bearer_auth(&self.key);
        answer(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (StatusCode, Value) {
        self.send(Method::DELETE, path, None).await
    }

    /// A request that must succeed.
    pub(crate) async fn done(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.send(method, path, body).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    /// Makes a tenant with one key, as an admin. Returns a client with that key, and the resource
    /// of the key.
    pub(crate) async fn tenant(&self, id: &str, scopes: &[&str]) -> (Self, Value) {
        let tenant = json!({"id": id, "plan": "free"});
        self.done(Method::POST, "/v1/tenants", Some(tenant)).await;
        self.key(id, scopes).await
    }

    /// Makes another key for a tenant, as an admin.
    pub(crate) async fn key(&self, tenant: &str, scopes: &[&str]) -> (Self, Value) {
        let body = json!({"name": "Test", "scopes": scopes});
        let made = self.done(Method::POST, &format!("/v1/tenants/{tenant}/keys"), Some(body)).await;
        (self.with(made["key"].as_str().unwrap()), made)
    }
}

/// The problem document of a refusal.
pub(crate) fn refused((status, problem): &(StatusCode, Value), expected: u16, says: &str) {
    assert_eq!(status.as_u16(), expected, "{problem}");
    assert_eq!(problem["status"], expected, "{problem}");
    assert!(problem.to_string().contains(says), "{problem} should say {says}");
}

/// The answer of an API process to a request with a key.
pub(crate) async fn ask(process: &Emulator, key: &str, method: &str, path: &str, body: Option<Value>) -> Value {
    let mut event: Value = serde_json::from_str(include_str!("../../../../events/api/read-unknown.json")).unwrap();
    event["rawPath"] = path.into();
    event["headers"]["x-api-key"] = key.into();
    event["requestContext"]["http"]["method"] = method.into();
    event["requestContext"]["http"]["path"] = path.into();
    event["body"] = body.map_or(Value::Null, |body| body.to_string().into());
    process.invoke(&event).await.unwrap()
}

/// A read of a job that does not exist: 404 says that the key is good.
pub(crate) async fn status(process: &Emulator, key: &str) -> u64 {
    let path = "/v1/summaries/sum_use1_01JDCR0W00E05BQ75SEB3D7PSV";
    ask(process, key, "GET", path, None).await["statusCode"].as_u64().unwrap()
}

/// Waits until all processes answer with a status, and returns how many seconds after `since` the
/// last request with another answer was sent.
pub(crate) async fn seconds_until(expected: u64, processes: &[Emulator], key: &str, since: Instant) -> f64 {
    let mut last = since;
    comes_true("all processes answer so", async || {
        let mut all = true;
        for process in processes {
            let sent = Instant::now();
            if status(process, key).await != expected {
                (last, all) = (sent, false);
            }
        }
        all
    })
    .await;
    (last - since).as_secs_f64()
}
