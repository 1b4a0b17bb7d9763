use std::sync::Mutex;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    job::{JobId, RegionTag, Submission},
    store::Store,
};

/// A worker that does what the text of the document says: `done`, `large`, `reject`, `retry`,
/// `panic` or `hang`.
#[derive(Default)]
struct Script {
    commit_fails: bool,
    committed: Mutex<Vec<(String, bool)>>,
    /// How many outcomes each commit had.
    commits: Mutex<Vec<usize>>,
    retried: Mutex<Vec<(String, String)>>,
}

fn word(delivery: &Delivery) -> String {
    let Message::Summarize(job) = &delivery.message else {
        panic!("the tests send no other message");
    };
    match &job.document {
        crate::job::Document::Inline(text) | crate::job::Document::Stored(text) => text.clone(),
    }
}

fn error(code: &str) -> JobError {
    JobError {
        code: FailureCode::Other(code.into()),
        message: String::new(),
    }
}

impl Worker for Script {
    /// How many bytes the result has.
    type Done = usize;

    async fn work(self: Arc<Self>, delivery: Delivery, _: Instant) -> Outcome<usize> {
        match word(&delivery).as_str() {
            "done" => Outcome::Done(1),
            "large" => Outcome::Done(COMMIT_BYTES / 2),
            "reject" => Outcome::Reject(error("rejected")),
            "retry" => Outcome::Retry(error("retried")),
            "hang" => std::future::pending().await,
            _ => panic!("the test asks for this panic"),
        }
    }

    fn bytes(done: &usize) -> usize {
        *done
    }

    async fn commit(&self, outcomes: Vec<(Delivery, Result<usize, JobError>)>) -> Result<(), StoreError> {
        self.commits.lock().unwrap().push(outcomes.len());
        if self.commit_fails {
            return Err(StoreError::new(Store::Archive, "commit", "the test asks for this error"));
        }
        self.committed
            .lock()
            .unwrap()
            .extend(outcomes.iter().map(|(delivery, outcome)| (word(delivery), outcome.is_ok())));
        Ok(())
    }

    async fn retrying(&self, retries: &[(Delivery, JobError)]) {
        self.retried
            .lock()
            .unwrap()
            .extend(retries.iter().map(|(delivery, error)| (word(delivery), error.code.to_string())));
    }
}

fn record(number: usize, body: &str) -> serde_json::Value {
    json!({"messageId": format!("m{number}"), "receiptHandle": format!("r{number}"), "body": body, "attributes": {"ApproximateReceiveCount": "2"}})
}

fn body(document: &str) -> String {
    let (_, options) = Submission::parse(br#"{"text":"One."}"#).unwrap();
    Message::Summarize(crate::job::SummarizeMessage {
        job: JobId::new(RegionTag::from_region("us-east-1"), uuid::Uuid::now_v7()),
        tenant: "demo".to_owned().try_into().unwrap(),
        key: None,
        deferred: false,
        lane: crate::job::Lane::Standard,
        created_at: time::OffsetDateTime::UNIX_EPOCH,
        options,
        document: crate::job::Document::Inline(document.into()),
        document_bytes: None,
        fingerprint: String::new(),
        trace: None,
    })
    .to_body()
}

async fn run(script: Script, bodies: &[String]) -> (Arc<Script>, Returned) {
    let records: Vec<_> = bodies.iter().enumerate().map(|(number, body)| record(number, body)).collect();
    let event = serde_json::from_value(json!({"Records": records})).unwrap();
    let worker = Arc::new(script);
    let returned = work_and_commit(&worker, event, Instant::now() + COMMIT_TIME + Duration::from_millis(200)).await;
    (worker, returned)
}

#[tokio::test]
async fn each_record_has_its_own_outcome() {
    let bodies = ["done", "panic", "reject", "retry", "hang", "done"].map(body);
    let bodies = [&bodies[..], &["no json".to_owned(), r#"{"v":99}"#.to_owned()]].concat();
    let (worker, returned) = run(Script::default(), &bodies).await;
    let mut committed = worker.committed.lock().unwrap().clone();
    committed.sort();
    assert_eq!(committed, [("done".into(), true), ("done".into(), true), ("reject".into(), false)]);
    let mut retried = worker.retried.lock().unwrap().clone();
    retried.sort();
    let codes = [("hang", "out_of_time"), ("panic", "worker_panicked"), ("retry", "retried")];
    assert_eq!(retried, codes.map(|(word, code)| (word.to_owned(), code.to_owned())));
    assert_eq!(returned.failures, ["m1", "m3", "m4", "m6", "m7"].map(str::to_owned).into());
    let delay = |receipt: &str| returned.delays.iter().find(|(of, _)| of == receipt).map(|(_, seconds)| *seconds);
    assert_eq!(
        delay("r6"),
        Some(0),
        "a message without the documented fields is visible again at once"
    );
    assert_eq!(
        delay("r7"),
        Some(NEWER_VERSION_DELAY),
        "a message of a newer version waits for the deployment"
    );
    assert_eq!(returned.delays.len(), 5);
}

#[tokio::test]
async fn a_failed_commit_returns_every_message() {
    let script = Script {
        commit_fails: true,
        ..Script::default()
    };
    let (worker, returned) = run(script, &["done", "reject", "retry"].map(body)).await;
    assert_eq!(returned.failures, ["m0", "m1", "m2"].map(str::to_owned).into());
    let retried = worker.retried.lock().unwrap();
    assert_eq!(retried.iter().filter(|(_, code)| code == "commit_failed").count(), 2);
}

#[tokio::test]
async fn large_results_are_committed_in_parts() {
    let (worker, returned) = run(Script::default(), &["large", "done", "large", "large", "large", "done"].map(body)).await;
    assert_eq!(returned.failures.len(), 0);
    let commits = worker.commits.lock().unwrap().clone();
    assert!(commits.len() >= 2 && commits.iter().sum::<usize>() == 6, "{commits:?}");
    let (worker, _) = run(Script::default(), &["done", "done", "reject"].map(body)).await;
    assert_eq!(*worker.commits.lock().unwrap(), [3], "small results are committed together");
}

#[tokio::test]
async fn a_batch_without_failures_has_an_empty_list() {
    let (_, returned) = run(Script::default(), &["done", "done"].map(body)).await;
    assert_eq!(
        serde_json::to_value(returned.into_response()).unwrap(),
        json!({"batchItemFailures": []})
    );
}

proptest! {
    #[test]
    fn backoff_grows_and_is_bounded(receives in 1u32..100) {
        let ceiling = (2.0 * 2f64.powi(i32::try_from(receives).unwrap() - 1)).min(300.0);
        let seconds = backoff(receives);
        prop_assert!(seconds >= 0 && f64::from(seconds) <= ceiling, "{seconds} s after {receives} receives");
    }
}
