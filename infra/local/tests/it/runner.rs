//! The service outside of Lambda: `summarease serve` and `work`.

use std::path::Path;

use local::{
    checkout,
    load::{
        self, Load, Schedule,
        system::{Settings, System},
    },
    progress::Step,
};
use reqwest::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::cloud::{SUPERVISOR, cloud, comes_true, prose};

/// The service with stores of its own.
async fn system(name: &str, visibility: u16) -> System {
    // It builds and installs everything.
    let programs = cloud().await.running.binaries.clone();
    let settings = Settings {
        dir: &checkout::local().join("test-systems").join(name),
        supervisor: Path::new(SUPERVISOR),
        summarease: &programs.join("summarease"),
        visibility,
    };
    System::start(&settings).await.unwrap()
}

fn load(system: &System, seconds: f64) -> Load {
    Load {
        schedule: Schedule {
            rate: 40.0,
            seconds,
            from: None,
            burst: 1.0,
        },
        words: 120,
        long_every: 50,
        repeated: 20,
        seed: 5,
        url: system.url.clone(),
        keys: system.keys.clone(),
        priorities: ["standard", "bulk", "express"].map(str::to_owned).into(),
    }
}

#[tokio::test]
async fn every_accepted_job_ends_once_while_workers_come_and_go() {
    let system = system("workers", 5).await;
    let load = load(&system, 8.0);
    let replace = async {
        let mut database = PgConnection::connect(&system.database_url).await.unwrap();
        for (signal, ended) in [(Signal::TERM, 50), (Signal::KILL, 100), (Signal::TERM, 150)] {
            comes_true("the worker has ended more jobs", async || {
                let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM summaries");
                count.fetch_one(&mut database).await.unwrap() >= ended
            })
            .await;
            let status = system.replace_worker(signal).await.unwrap();
            assert_eq!(status.success(), signal == Signal::TERM, "{status}");
        }
    };
    let step = Step::silent("load");
    let (report, ()) = tokio::join!(load::run(&load, Some(&system), &step), replace);
    let report = report.unwrap();
    report.check().unwrap();
    let json: Value = serde_json::from_str(&report.json().unwrap()).unwrap();
    let number = |pointer: &str| json.pointer(pointer).and_then(Value::as_f64).unwrap();
    assert!(number("/submissions") > 200.0, "{json}");
    assert!(number("/known_results") > 5.0, "{json}");
    assert!(number("/audit/accepted") > 150.0, "{json}");
    for program in ["load", "plane", "postgres", "serve", "work"] {
        assert!(number(&format!("/processor_per_job/{program}")) > 0.0, "{program}: {json}");
    }
}

/// The answer to bytes that are sent as they are.
async fn raw(system: &System, request: &[u8]) -> String {
    let address = system.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn it_answers_every_request_and_ends_the_begun_ones_before_it_stops() {
    let system = system("serve", 30).await;
    let http = reqwest::Client::new();
    let summaries = format!("{}/v1/summaries", system.url);
    let post = |body: Value| http.post(&summaries).header("x-api-key", &system.keys[0]).json(&body).send();

    let answer = post(json!({"text": prose("known", 500), "length": {"sentences": 1}}))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(id.len(), 36, "{id}");

    let answer = post(json!({"text": "a".repeat(6 * 1024 * 1024)})).await.unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.text().await.unwrap().contains("payload-too-large"));

    let key = &system.keys[0];
    for (request, says) in [
        (
            "GET /v1/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".to_owned(),
            "HTTP/1.1 200",
        ),
        (
            "GET /v1/no HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".to_owned(),
            "HTTP/1.1 404",
        ),
        ("no request\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        (
            format!(
                "POST /v1/summaries HTTP/1.1\r\nhost: a\r\nx-api-key: {key}\r\ncontent-type: application/json\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n8\r\n{{\"text\":\r\n6\r\n\"One.\"\r\n1\r\n}}\r\n0\r\n\r\n"
            ),
            "HTTP/1.1 202",
        ),
        (
            format!(
                "POST /v1/summaries HTTP/1.1\r\nhost: a\r\nx-api-key: {key}\r\ncontent-type: application/json\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n"
            ),
            "HTTP/1.1 400",
        ),
    ] {
        let answer = raw(&system, request.as_bytes()).await;
        assert!(answer.starts_with(says), "{request}: {answer}");
    }

    // The second one waits for the end of its job while the process is told to stop.
    let text = prose("a text that is too long to be summarised inside its request", 40 * 1024);
    let waiting = http
        .post(&summaries)
        .header("x-api-key", &system.keys[0])
        .header("prefer", "wait=10")
        .json(&json!({"text": text, "length": {"sentences": 1}}));
    let list = || http.get(&summaries).header("x-api-key", &system.keys[0]).send();
    let jobs = async || {
        list().await.unwrap().json::<Value>().await.unwrap()["items"]
            .as_array()
            .unwrap()
            .len()
    };
    let before = jobs().await;
    let waiting = tokio::spawn(waiting.send());
    comes_true("the job is accepted", async || jobs().await > before).await;
    let status = system.stop_serving(Signal::TERM).await.unwrap();
    assert!(status.success(), "{status}");
    let answer = waiting.await.unwrap().unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}
