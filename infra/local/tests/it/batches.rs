//! Batches whose texts are heavy: they need much memory or much time.

use local::cloud::emulator::Emulator;
use serde_json::{Value, json};
use shared::job::{Document, JobId, Limits, Message, Submission};

use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::{
    cloud::{Region, cloud, comes_true, prose, region, valkey},
    failure::written_down,
};

#[path = "../../../../shared/summarizer/examples/engine_hostile/texts.rs"]
mod texts;

use texts::{KINDS, Kind};

/// The kinds that take the engine the longest.
const SLOW: [&str; 3] = ["Chinese sentences", "backticks", "open quotation marks"];

/// Stores a text and returns its key.
async fn store(region: &Region, text: String) -> String {
    let key = format!("documents/demo/{}", uuid::Uuid::now_v7());
    let put = aws_sdk_s3::Client::new(&region.sdk)
        .put_object()
        .bucket(&region.outputs["DocumentsBucket"]);
    put.key(&key).body(text.into_bytes().into()).send().await.unwrap();
    key
}

/// Writes a job for a stored text down. Returns its id and the record of its message.
async fn job(region: &Region, key: &str, bytes: usize, request: &Value) -> (JobId, Value) {
    let (id, mut message) = written_down(region, "demo", Document::Stored(key.to_owned())).await;
    message.document_bytes = Some(bytes);
    (_, message.options) = Submission::parse(request.to_string().as_bytes()).unwrap();
    let attributes = json!({"ApproximateReceiveCount": "1"});
    let body = Message::Summarize(message).to_body();
    let record =
        json!({"messageId": id.to_string(), "receiptHandle": "none", "eventSource": "aws:sqs", "attributes": attributes, "body": body});
    (id, record)
}

/// A request for a summary of a text of a kind.
fn request(kind: &Kind, include: &[&str]) -> Value {
    json!({"text": "One.", "format": if kind.markdown { "markdown" } else { "text" }, "include": include})
}

/// The process of the function in an emulator.
fn function(emulator: &Emulator) -> u32 {
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing());
    let is_child = |process: &&Process| process.parent() == Some(Pid::from_u32(emulator.id())) && process.thread_kind().is_none();
    system.processes().values().find(is_child).unwrap().pid().as_u32()
}

/// The most memory that a process has used, in megabytes.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() / 1024
}

/// How many seconds of processor time a process has used.
fn processor_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum();
    ticks / 100.0
}

#[tokio::test]
async fn fifty_heavy_texts_in_one_batch_fit_the_memory_of_each_phase() {
    let (cloud, region) = (cloud().await, region().await);
    let mut keys = Vec::new();
    for kind in &KINDS {
        keys.push(store(&region, kind.text(Limits::TEXT_BYTES)).await);
    }
    // The memory of the workers in samconfig.toml.
    for (megabytes, first) in [("1024", 0), ("1769", KINDS.len() - 50), ("3538", 0)] {
        let mut jobs = Vec::new();
        for (kind, key) in KINDS.iter().zip(&keys).skip(first).take(50) {
            let request = request(kind, &["keywords", "scores"]);
            jobs.push((kind, job(&region, key, Limits::TEXT_BYTES, &request).await));
        }
        let worker = cloud.emulator("summarize", &[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", megabytes)]);
        // On a busy machine some of the texts are returned and delivered again.
        comes_true("all texts have a final result", async || {
            let mut open = Vec::new();
            for (_, (id, record)) in &jobs {
                let status = region.read(&id.to_string()).await.1["status"].clone();
                if status != "succeeded" && status != "failed" {
                    open.push(record.clone());
                }
            }
            let reply = worker.invoke(&json!({"Records": open})).await.unwrap();
            assert!(reply["batchItemFailures"].is_array(), "{reply}");
            reply["batchItemFailures"] == json!([])
        })
        .await;
        for (kind, (id, _)) in &jobs {
            let job = region.read(&id.to_string()).await.1;
            let code = job["error"]["code"].as_str().unwrap_or_default();
            let clear = ["", "no_sentence", "result_too_large"];
            assert!(clear.contains(&code), "{}: {}", kind.name, job["error"]);
        }
        let used = peak(function(&worker));
        assert!(used < megabytes.parse().unwrap(), "{used} MB of {megabytes} MB were used");
    }
}

#[tokio::test]
async fn a_batch_that_has_no_time_left_stops_working() {
    let (cloud, region) = (cloud().await, region().await);
    let mut records = Vec::new();
    for kind in KINDS.iter().filter(|kind| SLOW.contains(&kind.name)) {
        let key = store(&region, kind.text(Limits::TEXT_BYTES)).await;
        for _ in 0..14 {
            records.push(job(&region, &key, Limits::TEXT_BYTES, &request(kind, &[])).await.1);
        }
    }
    // Their neighbours in the batch are usual texts.
    let mut usual = Vec::new();
    for number in 0..8 {
        let text = prose(&format!("beside heavy texts {number}"), 2_000);
        let (bytes, key) = (text.len(), store(&region, text).await);
        let (id, record) = job(&region, &key, bytes, &json!({"text": "One."})).await;
        usual.push(id);
        records.push(record);
    }
    // Five of these seconds are reserved for the commit. The heavy texts need more than a hundred
    // seconds of processor time.
    let worker = cloud.emulator("summarize", &[("AWS_LAMBDA_FUNCTION_TIMEOUT", "20")]);
    let reply = worker.invoke(&json!({"Records": records})).await.unwrap();
    let returned = reply["batchItemFailures"].as_array().unwrap();
    assert!(!returned.is_empty(), "there was time for all heavy texts: {reply}");
    let process = function(&worker);
    let after_answer = processor_seconds(process);
    for id in &usual {
        assert_eq!(
            region.read(&id.to_string()).await.1["status"],
            "succeeded",
            "a usual text is not held up"
        );
    }
    // The engine stops at its next step.
    comes_true("the process rests", async || {
        let before = processor_seconds(process);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        processor_seconds(process) - before < 0.02
    })
    .await;
    let more = processor_seconds(process) - after_answer;
    assert!(more < 30.0, "the engine worked for {more} seconds after the answer");
}

#[tokio::test]
async fn equal_texts_in_one_batch_do_not_wait_for_each_other() {
    let (cloud, region) = (cloud().await, region().await);
    let text = || Document::Inline(prose("equal", 500));
    let (_, first) = written_down(&region, "equal", text()).await;
    let (_, mut second) = written_down(&region, "equal", text()).await;
    second.fingerprint.clone_from(&first.fingerprint);
    let claim = format!("{{equal}}:work:{}", first.fingerprint);
    let record = |message| json!({"messageId": "m", "receiptHandle": "r", "body": Message::Summarize(message).to_body(), "attributes": {}});
    let event = json!({"Records": [record(first), record(second)]});
    let worker = cloud.emulator("summarize", &[]);
    let mut connection = valkey().await;
    // As long as the batch is worked on, the claim on the result does not expire.
    let hold = async {
        loop {
            let _: bool = redis::cmd("PERSIST").arg(&claim).query_async(&mut connection).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let reply = tokio::select! {
        reply = worker.invoke(&event) => reply.unwrap(),
        () = hold => unreachable!(),
    };
    assert_eq!(reply, json!({"batchItemFailures": []}));
}
