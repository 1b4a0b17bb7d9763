//! Batches whose texts are heavy: they need much memory or much time.

use local::cloud::emulator::Emulator;
use serde_json::{Value, json};
use shared::job::{Document, JobId, Limits, Message, Submission};

use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::{
    cloud::{Region, cloud, comes_true, prose, region},
    failure::written_down,
};

#[path = "../../../../shared/summarizer/examples/engine_hostile/texts.rs"]
mod texts;

use texts::KINDS;

/// The kinds that take the engine the longest.
const SLOW: [&str; 3] = ["Chinese sentences", "backticks", "open quotation marks"];

/// Stores a text and writes a job for it down. Returns its id and the record of its message.
async fn stored(region: &Region, text: String, request: &Value) -> (JobId, Value) {
    let (key, bytes) = (format!("documents/demo/{}", uuid::Uuid::now_v7()), text.len());
    let put = aws_sdk_s3::Client::new(&region.sdk)
        .put_object()
        .bucket(&region.outputs["DocumentsBucket"]);
    put.key(&key).body(text.into_bytes().into()).send().await.unwrap();
    let (id, mut message) = written_down(region, "demo", Document::Stored(key)).await;
    message.document_bytes = Some(bytes);
    (_, message.options) = Submission::parse(request.to_string().as_bytes()).unwrap();
    let attributes = json!({"ApproximateReceiveCount": "1"});
    let body = Message::Summarize(message).to_body();
    let record =
        json!({"messageId": id.to_string(), "receiptHandle": "none", "eventSource": "aws:sqs", "attributes": attributes, "body": body});
    (id, record)
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
    // The memory of the workers in samconfig.toml.
    for (megabytes, kinds) in [("1024", &KINDS[..50]), ("1769", &KINDS[10..]), ("3538", &KINDS[..50])] {
        let mut jobs = Vec::new();
        for kind in kinds {
            let format = if kind.markdown { "markdown" } else { "text" };
            let request = json!({"text": "One.", "format": format, "include": ["keywords", "scores"]});
            jobs.push(stored(&region, kind.text(Limits::TEXT_BYTES), &request).await);
        }
        let worker = cloud.emulator("summarize", &[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", megabytes)]);
        // On a busy machine some of the texts are returned and delivered again.
        comes_true("all texts have a final result", async || {
            let mut open = Vec::new();
            for (id, record) in &jobs {
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
        for ((id, _), kind) in jobs.iter().zip(kinds) {
            let job = region.read(&id.to_string()).await.1;
            let code = job["error"]["code"].as_str().unwrap_or_default();
            let clear = ["", "no_sentence", "result_too_large", "text_too_complex"];
            assert!(clear.contains(&code), "{}: {}", kind.name, job["error"]);
        }
        let used = peak(function(&worker));
        assert!(used < megabytes.parse().unwrap(), "{used} MB of {megabytes} MB were used");
    }
}

#[tokio::test]
async fn a_batch_that_has_no_time_left_stops_working() {
    let (cloud, region) = (cloud().await, region().await);
    let mut jobs = Vec::new();
    for kind in KINDS.iter().filter(|kind| SLOW.contains(&kind.name)).cycle().take(12) {
        let format = if kind.markdown { "markdown" } else { "text" };
        jobs.push(stored(&region, kind.text(Limits::TEXT_BYTES), &json!({"text": "One.", "format": format})).await);
    }
    // Their neighbours in the batch are usual texts.
    let usual = jobs.len();
    for number in 0..8 {
        let text = prose(&format!("beside heavy texts {number}"), 2_000);
        jobs.push(stored(&region, text, &json!({"text": "One."})).await);
    }
    // Five of these seconds are reserved for the commit.
    let worker = cloud.emulator("summarize", &[("AWS_LAMBDA_FUNCTION_TIMEOUT", "9")]);
    let records: Vec<&Value> = jobs.iter().map(|(_, record)| record).collect();
    let reply = worker.invoke(&json!({"Records": records})).await.unwrap();
    let returned = reply["batchItemFailures"].as_array().unwrap();
    assert!(!returned.is_empty(), "twelve heavy texts take longer than four seconds: {reply}");
    let process = function(&worker);
    let after_answer = processor_seconds(process);
    for (id, _) in &jobs[usual..] {
        assert_eq!(
            region.read(&id.to_string()).await.1["status"],
            "succeeded",
            "a usual text is not held up"
        );
    }
    // The engine stops at its next step. The heavy texts that are left would take longer than this.
    comes_true("the process rests", async || {
        let before = processor_seconds(process);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        processor_seconds(process) - before < 0.02
    })
    .await;
    let more = processor_seconds(process) - after_answer;
    assert!(more < 8.0, "the engine worked for {more} seconds after the answer");
}
