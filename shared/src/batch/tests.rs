use std::sync::Mutex;

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
    /// Nothing can be noted before a record is worked on alone.
    notes_fail: bool,
    committed: Mutex<Vec<(String, bool)>>,
    /// How many outcomes each commit had.
    commits: Mutex<Vec<usize>>,
    /// The attempts that were noted: the word, the code, and behind how many earlier ones.
    noted: Mutex<Vec<(String, String, usize)>>,
    /// The attempts that failed before.
    earlier: Vec<Attempt>,
    /// The words in the order in which the work on them began.
    begun: Mutex<Vec<String>>,
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

    async fn earlier(&self, delivery: &Delivery) -> Result<Vec<Attempt>, StoreError> {
        match word(delivery).as_str() {
            "unknown" => Err(StoreError::new(Store::Ledger, "find a job", "the test asks for this error")),
            _ => Ok(self.earlier.clone()),
        }
    }

    async fn work(self: Arc<Self>, delivery: Delivery, _: Instant) -> Outcome<usize> {
        self.begun.lock().unwrap().push(word(&delivery));
        match word(&delivery).as_str() {
            "done" => Outcome::Done(1),
            "large" => Outcome::Done(COMMIT_BYTES / 2),
            "reject" => Outcome::Failed(JobError::new(FailureCode::NoSentence, "")),
            "retry" => Outcome::Failed(error("retried")),
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

    async fn begin_alone(&self, delivery: &Delivery, attempts: &[Attempt]) -> bool {
        let notes: Vec<_> = attempts.iter().map(|attempt| (delivery.clone(), attempt.clone())).collect();
        self.note(&notes).await;
        !self.notes_fail
    }

    async fn note(&self, attempts: &[(Delivery, Attempt)]) {
        let noted = attempts.iter().map(|(delivery, attempt)| {
            let earlier = delivery.earlier.as_ref().map_or(usize::MAX, Vec::len);
            (word(delivery), attempt.error.code.to_string(), earlier)
        });
        self.noted.lock().unwrap().extend(noted);
    }
}

fn record(number: usize, body: &str, receives: u32) -> serde_json::Value {
    json!({"messageId": format!("m{number}"), "receiptHandle": format!("r{number}"), "body": body, "attributes": {"ApproximateReceiveCount": receives.to_string()}})
}

fn body(document: &str) -> String {
    let (_, options) = Submission::parse(br#"{"text":"One."}"#).unwrap();
    Message::Summarize(crate::job::SummarizeMessage {
        job: JobId::new(RegionTag::from_region("us-east-1"), uuid::Uuid::now_v7()),
        tenant: "demo".to_owned().try_into().unwrap(),
        key: None,
        deferred: false,
        again: false,
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
    run_received(script, bodies, 1).await
}

async fn run_received(script: Script, bodies: &[String], receives: u32) -> (Arc<Script>, Returned) {
    let records: Vec<_> = bodies
        .iter()
        .enumerate()
        .map(|(number, body)| record(number, body, receives))
        .collect();
    let event = serde_json::from_value(json!({"Records": records})).unwrap();
    let worker = Arc::new(script);
    // A record is worked on alone only if there is time to note it.
    let time = if receives > 1 {
        EARLIER_TIMEOUT * 3
    } else {
        Duration::from_millis(500)
    };
    let invocation = Invocation {
        request_id: "test".to_owned(),
        deadline: Instant::now() + COMMIT_TIME + time,
    };
    let returned = work_and_commit(&worker, event, &invocation).await;
    (worker, returned)
}

fn attempt(number: u32, code: FailureCode) -> Attempt {
    Attempt::unreported(number, OffsetDateTime::UNIX_EPOCH, JobError::new(code, "No."))
}

/// The codes of the noted attempts, by word.
fn codes(worker: &Script) -> Vec<(String, String)> {
    let noted = worker.noted.lock().unwrap();
    let mut codes: Vec<_> = noted.iter().map(|(word, code, _)| (word.clone(), code.clone())).collect();
    codes.sort();
    codes
}

#[tokio::test]
async fn each_record_has_its_own_outcome() {
    let bodies = ["done", "panic", "reject", "retry", "hang", "done"].map(body);
    let bodies = [&bodies[..], &["no json".to_owned(), r#"{"v":99}"#.to_owned()]].concat();
    let (worker, returned) = run(Script::default(), &bodies).await;
    let mut committed = worker.committed.lock().unwrap().clone();
    committed.sort();
    assert_eq!(committed, [("done".into(), true), ("done".into(), true), ("reject".into(), false)]);
    let expected = [("hang", "out_of_time"), ("panic", "worker_panicked"), ("retry", "retried")];
    assert_eq!(codes(&worker), expected.map(|(word, code)| (word.to_owned(), code.to_owned())));
    assert_eq!(returned.failures, ["m1", "m3", "m4", "m6", "m7"].map(str::to_owned).into());
    let delay = |receipt: &str| returned.delays.iter().find(|(of, _)| of == receipt).map(|(_, seconds)| *seconds);
    assert_eq!(
        delay("r6"),
        Some(UNREADABLE_DELAY),
        "a message without the documented fields is visible again soon"
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
    let codes = codes(&worker);
    assert_eq!(codes.iter().filter(|(_, code)| code == "commit_failed").count(), 2);
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

#[tokio::test]
async fn a_record_whose_last_outcome_nobody_reported_is_worked_on_alone_and_last() {
    let script = Script {
        earlier: vec![attempt(1, FailureCode::CommitFailed)],
        ..Script::default()
    };
    let (worker, returned) = run_received(script, &["done", "retry"].map(body), 3).await;
    assert_eq!(worker.commits.lock().unwrap().len(), 1, "the second one is returned");
    let noted = worker.noted.lock().unwrap().clone();
    let of = |wanted: &str| -> Vec<(String, usize)> {
        let own = noted.iter().filter(|(word, ..)| word == wanted);
        own.map(|(_, code, earlier)| (code.clone(), *earlier)).collect()
    };
    let noted = [("worker_stopped", 1), ("worker_crashed", 1)].map(|(code, earlier)| (code.to_owned(), earlier));
    assert_eq!(of("done"), noted);
    // The attempt that failed replaces the note that it was begun.
    assert_eq!(of("retry"), [noted[0].clone(), noted[1].clone(), ("retried".to_owned(), 2)]);
    assert_eq!(returned.failures, ["m1".to_owned()].into());

    // The outcome of the last delivery is known, so that the records are worked on together.
    let script = Script {
        earlier: vec![attempt(2, FailureCode::CommitFailed)],
        ..Script::default()
    };
    let (worker, _) = run_received(script, &["done", "done"].map(body), 3).await;
    assert_eq!(*worker.commits.lock().unwrap(), [2]);
    assert!(worker.noted.lock().unwrap().is_empty());

    // If nothing was noted, the attempt that fails is the second one.
    let script = Script {
        earlier: vec![attempt(1, FailureCode::CommitFailed)],
        notes_fail: true,
        ..Script::default()
    };
    let (worker, _) = run_received(script, &["retry"].map(body), 3).await;
    let last = worker.noted.lock().unwrap().last().cloned();
    assert_eq!(last, Some(("retry".to_owned(), "retried".to_owned(), 1)));
}

/// Only a text can stop a worker, and only a job that waits has attempts.
#[tokio::test]
async fn other_messages_are_never_worked_on_alone() {
    let message = Message::Erase(crate::job::EraseMessage {
        job: JobId::new(RegionTag::from_region("us-east-1"), uuid::Uuid::now_v7()),
        tenant: "demo".to_owned().try_into().unwrap(),
        lane: crate::job::Lane::Standard,
    });
    let record = record(0, &message.to_body(), 7);
    let delivery = read(&serde_json::from_value(record).unwrap()).unwrap();
    assert!(!delivery.is_suspect() && !delivery.is_repeated());
}

#[tokio::test]
async fn without_the_earlier_attempts_a_record_is_worked_on_alone_and_nothing_is_noted_before() {
    let (worker, returned) = run_received(Script::default(), &["unknown"].map(body), 4).await;
    let code = "worker_panicked".to_owned();
    assert_eq!(
        *worker.noted.lock().unwrap(),
        [("unknown".to_owned(), code, usize::MAX)],
        "the attempt is added at the end"
    );
    assert_eq!(returned.delays.len(), 1);
}

#[tokio::test]
async fn a_record_that_stopped_two_workers_fails_without_another_attempt() {
    let crashed = |number| attempt(number, FailureCode::WorkerCrashed);
    let one = Script {
        earlier: vec![attempt(1, FailureCode::WorkerStopped), crashed(2)],
        ..Script::default()
    };
    let (worker, _) = run_received(one, &["done"].map(body), 3).await;
    assert_eq!(*worker.committed.lock().unwrap(), [("done".to_owned(), true)]);
    let two = Script {
        earlier: vec![crashed(2), crashed(3)],
        ..Script::default()
    };
    let (worker, returned) = run_received(two, &["done"].map(body), 4).await;
    assert_eq!(*worker.committed.lock().unwrap(), [("done".to_owned(), false)]);
    assert!(worker.begun.lock().unwrap().is_empty() && returned.failures.is_empty());
}
