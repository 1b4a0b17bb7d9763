//! What goes wrong: poison messages, missing documents, killed workers, missing rights.

use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared::{
    job::{
        Attempt, Document, EraseMessage, FailureCode, Job, JobError, JobId, Lane, Message, RegionTag, RequestOptions, Submission,
        SummarizeMessage, SummaryResource,
    },
    ledger::Ledger,
};
use sqlx::{Connection, Row};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use crate::{
    access::operator,
    cloud::{REGIONS, Region, answer, cloud, comes_true, prose, region, submission},
};

const DEEP: &str = include_str!("../../../../events/api/health-deep.json");
const ROUTING: &str = include_str!("../../../../events/api/health-routing.json");

/// A job in the ledger, as the API leaves it there, and its message.
pub(crate) async fn written_down(region: &Region, tenant: &str, document: Document) -> (JobId, SummarizeMessage) {
    let id = JobId::new(RegionTag::from_region("us-east-1"), uuid::Uuid::now_v7());
    let (_, options): (_, RequestOptions) = Submission::parse(br#"{"text":"One."}"#).unwrap();
    let created_at = time::OffsetDateTime::now_utc();
    let tenant: shared::job::TenantId = tenant.to_owned().try_into().unwrap();
    let resource = SummaryResource::queued(id.clone(), Lane::Standard, "us-east-1".to_owned(), created_at, options.clone());
    let ledger = Ledger::new(&region.sdk, region.outputs["LedgerTable"].clone());
    ledger
        .accept(
            &Job {
                tenant: tenant.clone(),
                key: None,
                resource,
            },
            None,
        )
        .await
        .unwrap();
    let fingerprint = format!("test {id}");
    (
        id.clone(),
        SummarizeMessage {
            job: id,
            tenant,
            key: None,
            deferred: false,
            again: false,
            lane: Lane::Standard,
            created_at,
            options,
            document,
            document_bytes: None,
            fingerprint,
            trace: None,
        },
    )
}

async fn send(region: &Region, bodies: &[String]) {
    let entries = bodies.iter().enumerate().map(|(number, body)| {
        SendMessageBatchRequestEntry::builder()
            .id(number.to_string())
            .message_group_id("demo")
            .message_body(body)
            .build()
            .unwrap()
    });
    let queue = aws_sdk_sqs::Client::new(&region.sdk);
    queue
        .send_message_batch()
        .queue_url(&region.outputs["StandardQueue"])
        .set_entries(Some(entries.collect()))
        .send()
        .await
        .unwrap();
}

async fn depth(region: &Region, queue: &str) -> u32 {
    let client = aws_sdk_sqs::Client::new(&region.sdk);
    let request = client.get_queue_attributes().queue_url(&region.outputs[queue]);
    let reply = request
        .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
        .send()
        .await
        .unwrap();
    reply.attributes.unwrap()[&QueueAttributeName::ApproximateNumberOfMessages]
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_poison_message_becomes_a_failed_job_and_the_rest_of_its_batch_succeeds() {
    let region = region().await;
    let (poisoned, message) = written_down(&region, "demo", Document::Inline("One.".into())).await;
    let mut poison: Value = serde_json::from_str(&Message::Summarize(message).to_body()).unwrap();
    poison.as_object_mut().unwrap().remove("document");
    let mut bodies = vec![poison.to_string(), "this is not even JSON".to_owned()];
    let mut neighbours = Vec::new();
    for seed in ["left", "right", "behind"] {
        let (id, message) = written_down(&region, "demo", Document::Inline(prose(seed, 500))).await;
        neighbours.push(id);
        bodies.push(Message::Summarize(message).to_body());
    }
    send(&region, &bodies).await;
    for id in &neighbours {
        let resource = region.succeeds(&id.to_string()).await;
        assert_eq!(resource["attempts"], json!([]), "a neighbour of poison is not tried twice");
    }
    // PostgreSQL has both dead letters as soon as the redrive function has found them in the queue.
    let mut database = region.database().await;
    comes_true("the poison reaches the dead-letter queue", async || {
        let parked = region.invoke("RedriveFunction", &json!({})).await;
        assert!(parked["standard"]["parked"].is_u64(), "{parked}");
        let query =
            "SELECT count(*) FILTER (WHERE job_id = $1) AS poison, count(*) FILTER (WHERE job_id IS NULL) AS without_job FROM dead_letters";
        let row = sqlx::query(query).bind(poisoned.uuid()).fetch_one(&mut database).await.unwrap();
        row.get::<i64, _>("poison") == 1 && row.get::<i64, _>("without_job") == 1
    })
    .await;
    let resource = region.reaches(&poisoned.to_string(), &["failed"]).await;
    assert_eq!(resource["error"]["code"], "unreadable_message");
    assert!(
        resource["error"]["message"].as_str().unwrap().contains("fields of version 3"),
        "{resource}"
    );
    assert!(resource["finished_at"].is_string() && resource["expires_at"].is_string());
    let row = sqlx::query("SELECT lane, tenant, reason, receives, body_key FROM dead_letters WHERE job_id = $1");
    let row = row.bind(poisoned.uuid()).fetch_one(&mut database).await.unwrap();
    assert_eq!(
        (row.get::<String, _>("lane"), row.get::<String, _>("tenant")),
        ("standard".into(), "demo".into())
    );
    assert!(
        row.get::<i32, _>("receives") >= 5,
        "it was received as often as the redrive policy says"
    );
    let s3 = aws_sdk_s3::Client::new(&region.sdk);
    let kept = s3
        .get_object()
        .bucket(&region.outputs["DocumentsBucket"])
        .key(row.get::<String, _>("body_key"))
        .send()
        .await
        .unwrap();
    assert_eq!(kept.body.collect().await.unwrap().to_vec(), poison.to_string().into_bytes());
    // A message that names no job can only be purged.
    let nameless = "UPDATE dead_letters SET parked_at = parked_at - interval '2 minutes' WHERE job_id IS NULL RETURNING message_id";
    let nameless: String = sqlx::query_scalar(nameless).fetch_one(&mut database).await.unwrap();
    let letter = format!("/v1/dead-letters/{nameless}");
    let (status, problem) = operator().await.send(Method::POST, &format!("{letter}/replay"), None).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert_eq!(operator().await.delete(&letter).await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn dead_letters_of_erased_jobs_leave_nothing() {
    let region = region().await;
    let (erased, message) = written_down(&region, "demo", Document::Inline(prose("erased", 500))).await;
    for expected in [StatusCode::OK, StatusCode::NO_CONTENT] {
        assert_eq!(region.delete(&erased.to_string()).await.0, expected, "it is canceled, then erased");
    }
    let finished = region.accepted(&submission("to be erased by redrive")).await;
    region.succeeds(&finished).await;
    let erase = Message::Erase(EraseMessage {
        job: finished.parse().unwrap(),
        tenant: "demo".to_owned().try_into().unwrap(),
        lane: Lane::Standard,
    });
    let sqs = aws_sdk_sqs::Client::new(&region.sdk);
    let mut letters = Vec::new();
    for message in [Message::Summarize(message), erase] {
        let letter = sqs.send_message().queue_url(&region.outputs["StandardDeadLetters"]);
        let sent = letter.message_body(message.to_body()).send().await.unwrap();
        letters.push(sent.message_id.unwrap());
    }
    comes_true("redrive finishes the erasure", async || {
        region.invoke("RedriveFunction", &json!({})).await;
        region.read(&finished).await.0 == StatusCode::NOT_FOUND && depth(&region, "StandardDeadLetters").await == 0
    })
    .await;
    let kept = "SELECT count(*) FROM dead_letters WHERE message_id = ANY($1)";
    let kept: i64 = sqlx::query_scalar(kept)
        .bind(&letters)
        .fetch_one(&mut region.database().await)
        .await
        .unwrap();
    assert_eq!(kept, 0);
    let s3 = aws_sdk_s3::Client::new(&region.sdk);
    let bodies = s3
        .list_objects_v2()
        .bucket(&region.outputs["DocumentsBucket"])
        .prefix("dead-letters/");
    let bodies = bodies.send().await.unwrap();
    let of_these = |key: &str| letters.iter().any(|letter| key.contains(letter.as_str()));
    assert!(!bodies.contents().iter().filter_map(aws_sdk_s3::types::Object::key).any(of_these));
}

#[tokio::test]
async fn a_missing_document_fails_at_once_with_its_reason() {
    let region = region().await;
    let (id, message) = written_down(&region, "demo", Document::Stored("documents/demo/nowhere".into())).await;
    send(&region, &[Message::Summarize(message).to_body()]).await;
    let resource = region.reaches(&id.to_string(), &["failed"]).await;
    assert_eq!(resource["error"]["code"], "document_missing");
}

#[tokio::test]
async fn a_second_delivery_changes_nothing() {
    let region = region().await;
    let (id, message) = written_down(&region, "twice", Document::Inline(prose("twice", 800))).await;
    let record = json!({"messageId": "m", "receiptHandle": "r", "body": Message::Summarize(message).to_body(), "attributes": {}});
    let mut database = region.database().await;
    let mut rows = Vec::new();
    for _ in 0..3 {
        let reply = region.invoke("SummarizeStandardFunction", &json!({"Records": [record]})).await;
        assert_eq!(reply, json!({"batchItemFailures": []}));
        let job = "SELECT to_jsonb(s)::text AS row FROM summaries s WHERE id = $1";
        let job = sqlx::query(job)
            .bind(id.uuid())
            .fetch_one(&mut database)
            .await
            .unwrap()
            .get::<String, _>("row");
        let usage = "SELECT to_jsonb(u)::text AS row FROM usage_by_key u WHERE tenant = 'twice'";
        let usage = sqlx::query(usage).fetch_one(&mut database).await.unwrap().get::<String, _>("row");
        rows.push((job, usage));
    }
    assert_eq!(rows[0], rows[1]);
    assert_eq!(rows[0], rows[2]);
    assert!(rows[0].1.contains("\"succeeded\": 1"), "{}", rows[0].1);
}

/// A text that stops every process that works on it, between two others in one batch.
#[tokio::test]
async fn a_text_that_stops_its_workers_fails_alone() {
    let (cloud, region) = (cloud().await, region().await);
    let mut jobs = Vec::new();
    for text in ["before", "deadly", "behind"] {
        jobs.push(written_down(&region, "demo", Document::Inline(prose(text, 500))).await);
    }
    let event = |receives: u32, of: &[usize]| {
        let record = |number: &usize| {
            let body = Message::Summarize(jobs[*number].1.clone()).to_body();
            json!({"messageId": number.to_string(), "receiptHandle": number.to_string(), "body": body, "attributes": {"ApproximateReceiveCount": receives.to_string()}})
        };
        json!({"Records": of.iter().map(record).collect::<Vec<_>>()})
    };
    let worker = cloud.emulator("summarize", &[("KILL_TEXT", "deadly")]);
    let stops = async |event: Value| {
        let reply = worker.invoke(&event).await.unwrap();
        assert!(reply["errorMessage"].is_string(), "the worker was not stopped: {reply}");
    };
    let status = async |number: usize| region.read(&jobs[number].0.to_string()).await.1;
    // It takes the others with it once. After that it is worked on alone, and last.
    stops(event(1, &[0, 1, 2])).await;
    // It is not known yet which of the three it was, and this one happens to be the first.
    stops(event(2, &[1, 0, 2])).await;
    stops(event(3, &[1, 0, 2])).await;
    for number in [0, 2] {
        let job = status(number).await;
        assert_eq!(job["status"], "succeeded", "{job}");
        assert_eq!(job["attempts"][0]["code"], "worker_stopped", "{job}");
    }
    let reply = worker.invoke(&event(4, &[1])).await.unwrap();
    assert_eq!(reply, json!({"batchItemFailures": []}));
    let job = status(1).await;
    assert_eq!(
        (&job["status"], &job["error"]["code"]),
        (&json!("failed"), &json!("retries_exhausted")),
        "{job}"
    );
    let codes: Vec<&Value> = job["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["code"]).collect();
    assert_eq!(codes, ["worker_stopped", "worker_crashed", "worker_crashed"], "{job}");
}

/// A message that was received too often while a store did not answer goes to its lane again.
#[tokio::test]
async fn a_dead_letter_of_an_outage_is_replayed_three_times_at_most() {
    let region = region().await;
    let sqs = aws_sdk_sqs::Client::new(&region.sdk);
    let ledger = Ledger::new(&region.sdk, region.outputs["LedgerTable"].clone());
    let attempt = |code| Attempt::unreported(20, time::OffsetDateTime::now_utc(), JobError::new(code, "No."));
    let mut jobs = Vec::new();
    for (text, code, replays) in [
        ("outage", FailureCode::CommitFailed, 0),
        ("own fault", FailureCode::WorkerPanicked, 0),
        ("three times", FailureCode::CommitFailed, 3),
    ] {
        let (id, message) = written_down(&region, "demo", Document::Inline(prose(text, 500))).await;
        ledger.note(&[(&id, Some(0), &attempt(code))]).await.unwrap();
        for _ in 0..replays {
            assert!(ledger.may_replay(&id).await.unwrap());
        }
        let letter = sqs.send_message().queue_url(&region.outputs["StandardDeadLetters"]);
        letter.message_body(Message::Summarize(message).to_body()).send().await.unwrap();
        jobs.push(id.to_string());
    }
    comes_true("the dead letters are gone", async || {
        region.invoke("RedriveFunction", &json!({})).await;
        depth(&region, "StandardDeadLetters").await == 0
    })
    .await;
    let replayed = region.succeeds(&jobs[0]).await;
    assert_eq!(replayed["attempts"][0]["code"], "commit_failed", "{replayed}");
    for job in &jobs[1..] {
        let parked = region.reaches(job, &["failed", "succeeded"]).await;
        assert_eq!(parked["error"]["code"], "retries_exhausted", "{parked}");
    }
}

impl Region {
    /// Makes messages of a queue come back after so many seconds if their worker was killed. The
    /// template's value fits workers that may take a minute, and is longer than a test should wait.
    async fn redeliver_after(&self, queue: &str, seconds: &str) {
        let client = aws_sdk_sqs::Client::new(&self.sdk);
        let change = client.set_queue_attributes().queue_url(&self.outputs[queue]);
        change
            .attributes(QueueAttributeName::VisibilityTimeout, seconds)
            .send()
            .await
            .unwrap();
    }
}

/// Kills the running processes of a function at once.
fn kill_workers(dir: &std::path::Path, function: &str) -> usize {
    let mut system = System::new();
    let what = ProcessRefreshKind::nothing()
        .with_cmd(UpdateKind::Always)
        .with_environ(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
    let name = format!("AWS_LAMBDA_FUNCTION_NAME={function}");
    let ours = system.processes().values().filter(|process| {
        let ours = process
            .cmd()
            .first()
            .is_some_and(|program| std::path::Path::new(program).starts_with(dir));
        ours && process.environ().iter().any(|pair| pair.to_string_lossy() == name)
    });
    ours.filter(|process| process.kill()).count()
}

#[tokio::test]
async fn jobs_of_a_killed_worker_are_finished_once() {
    // No other test uses this lane, because all its workers are killed.
    let region = cloud().await.region(REGIONS[1]);
    region.redeliver_after("BulkQueue", "60").await;
    let key = region.other_tenant("survivor", shared::job::Plan::Pro).await;
    let key = secrecy::ExposeSecret::expose_secret(&key);
    // While this transaction is open, a worker that enters jobs of this tenant waits for it. So each
    // kill finds a worker in the middle of its batch, however fast it is.
    let mut holder = region.database().await;
    sqlx::query("SET idle_in_transaction_session_timeout = 0")
        .execute(&mut holder)
        .await
        .unwrap();
    let mut held = holder.begin().await.unwrap();
    let usage = "INSERT INTO usage_by_key SELECT 'survivor', (now() AT TIME ZONE 'UTC')::date + day, 'key_' || left(encode(sha256('sk_survivor'), 'hex'), 20) FROM generate_series(-1, 1) day";
    sqlx::query(usage).execute(&mut *held).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..6 {
        let body = json!({"text": prose(&format!("survivor {number}"), 20_000), "priority": "bulk"});
        let request = region.request(Method::POST, "/v1/summaries").bearer_auth(key).json(&body);
        let (status, resource) = answer(request).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{resource}");
        ids.push(resource["id"].as_str().unwrap().to_owned());
    }
    let dir = cloud().await.instance.dir().to_owned();
    let statuses = async || {
        let mut statuses = Vec::new();
        for id in &ids {
            let path = format!("/v1/summaries/{id}");
            let resource = answer(region.request(Method::GET, &path).bearer_auth(key)).await.1;
            assert_ne!(resource["status"], "failed", "{resource}");
            statuses.push(resource["status"].as_str().unwrap().to_owned());
        }
        statuses
    };
    let mut database = region.database().await;
    // PostgreSQL does not notice at once that a client is gone, so that the session of a killed
    // worker still waits for a while.
    let mut seen: Vec<i32> = Vec::new();
    for _ in 0..2 {
        comes_true("a worker is killed that enters its jobs", async || {
            let waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INTO usage_by_key%'";
            let waiting: Vec<i32> = sqlx::query_scalar(waiting).fetch_all(&mut database).await.unwrap();
            let is_new = waiting.iter().any(|session| !seen.contains(session));
            let killed = is_new && kill_workers(&dir, &region.outputs["SummarizeBulkFunction"]) > 0;
            if killed {
                seen = waiting;
            }
            killed
        })
        .await;
    }
    held.rollback().await.unwrap();
    comes_true("no job is lost", async || {
        statuses().await.iter().all(|status| status == "succeeded")
    })
    .await;
    let count: i64 = sqlx::query("SELECT count(*) AS n FROM summaries WHERE tenant = 'survivor'")
        .fetch_one(&mut database)
        .await
        .unwrap()
        .get("n");
    assert_eq!(count, 6);
    let usage = "SELECT sum(succeeded)::bigint AS n FROM usage_by_key WHERE tenant = 'survivor'";
    let usage: Option<i64> = sqlx::query(usage).fetch_one(&mut database).await.unwrap().get("n");
    assert_eq!(usage, Some(6), "a second delivery is not counted twice");
}

#[tokio::test]
async fn with_postgres_and_valkey_down_a_submission_is_still_accepted_and_not_lost() {
    let (cloud, region) = (cloud().await, region().await);
    let dead = [
        ("DATABASE_URL", "postgres://nobody@127.0.0.1:9/none"),
        ("VALKEY_URL", "redis://127.0.0.1:9"),
    ];
    let api = cloud.emulator("api", &dead);
    let mut event: Value = serde_json::from_str(include_str!("../../../../events/api/submit.json")).unwrap();
    event["body"] = crate::cloud::submission("while the stores are down").to_string().into();
    let reply = api.invoke(&event).await.unwrap();
    assert_eq!(reply["statusCode"], 202, "{reply}");
    let resource: Value = serde_json::from_str(reply["body"].as_str().unwrap()).unwrap();
    region.succeeds(resource["id"].as_str().unwrap()).await;
}

#[tokio::test]
async fn with_postgres_down_a_job_of_another_tenant_still_looks_like_a_missing_job() {
    let (cloud, region) = (cloud().await, region().await);
    let api = cloud.emulator("api", &[("DATABASE_URL", "postgres://nobody@127.0.0.1:9/none")]);
    let (others, _) = written_down(&region, "somebody-else", Document::Inline("One.".into())).await;
    let unknown = JobId::new(RegionTag::from_region("us-east-1"), uuid::Uuid::now_v7());
    let mut answers = Vec::new();
    for id in [others, unknown] {
        let mut event: Value = serde_json::from_str(include_str!("../../../../events/api/read-unknown.json")).unwrap();
        event["rawPath"] = format!("/v1/summaries/{id}").into();
        let reply = api.invoke(&event).await.unwrap();
        answers.push((reply["statusCode"].clone(), reply["body"].clone()));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, 503, "{answers:?}");
}

/// A text of control characters is six times as long in its message. U+FFFF and U+FFFE are
/// characters that SQS does not take.
#[tokio::test]
async fn characters_that_sqs_does_not_take_reach_the_worker() {
    let region = region().await;
    let odd = "\u{1}\u{FFFE}\u{FFFF}\u{1FFFF}";
    let text = format!("{} Odd: {odd}. {}", prose("odd characters", 400), "\u{1}".repeat(190 * 1024));
    let body = json!({"text": text, "focus": format!("odd {odd}"), "metadata": {"odd": odd}, "length": {"sentences": 1}});
    let id = region.accepted(&body).await;
    let resource = region.reaches(&id, &["succeeded", "failed"]).await;
    assert_eq!(resource["status"], "succeeded", "{resource}");
    assert_eq!(resource["request"]["metadata"]["odd"], odd);
    let short = json!({"text": format!("The odd characters {odd} stay."), "length": {"sentences": 1}});
    let id = region.accepted(&short).await;
    let resource = region.succeeds(&id).await;
    assert!(
        resource["result"]["text"].as_str().unwrap().contains("odd characters"),
        "{resource}"
    );
}

#[tokio::test]
async fn a_job_that_the_ledger_could_not_record_is_recorded_later_with_its_first_result() {
    let (cloud, region) = (cloud().await, region().await);
    let (id, message) = written_down(&region, "demo", Document::Inline(prose("recorded later", 500))).await;
    let mut event: Value = serde_json::from_str(include_str!("../../../../events/summarize/one.json")).unwrap();
    event["Records"][0]["body"] = Message::Summarize(message).to_body().into();
    let ledger = Ledger::new(&region.sdk, region.outputs["LedgerTable"].clone());
    // The archive has the result, and the ledger has not. So the message is returned.
    let reply = cloud
        .emulator("summarize", &[("LEDGER_TABLE", "no-such-table")])
        .invoke(&event)
        .await
        .unwrap();
    assert_eq!(reply["batchItemFailures"].as_array().map(Vec::len), Some(1), "{reply}");
    let first = region.read(&id.to_string()).await.1;
    assert_eq!(first["status"], "succeeded", "{first}");
    assert_eq!(ledger.find(&id).await.unwrap().unwrap().resource.finished_at(), None);
    // The second delivery makes another result later. The first one stays, in every store.
    let reply = cloud.emulator("summarize", &[]).invoke(&event).await.unwrap();
    assert_eq!(reply["batchItemFailures"], json!([]), "{reply}");
    let kept = ledger.find(&id).await.unwrap().unwrap().resource;
    let archived = region.read(&id.to_string()).await.1;
    assert_eq!(serde_json::to_value(&kept).unwrap(), archived);
    assert_eq!(archived, first);
}

#[tokio::test]
async fn a_region_is_unhealthy_only_if_it_cannot_accept_jobs() {
    let cloud = cloud().await;
    for (changed, code, deep, routing) in [
        (("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing"), 200, "degraded", "ok"),
        (("VALKEY_URL", "redis://127.0.0.1:1"), 200, "degraded", "ok"),
        (("LEDGER_TABLE", "no-such-table"), 503, "down", "down"),
    ] {
        let api = cloud.emulator("api", &[changed]);
        for (event, says, stores) in [(DEEP, deep, 6), (ROUTING, routing, 4)] {
            let reply = api.invoke(&serde_json::from_str(event).unwrap()).await.unwrap();
            let body: Value = serde_json::from_str(reply["body"].as_str().unwrap()).unwrap();
            assert_eq!(
                (&reply["statusCode"], &body["status"]),
                (&code.into(), &says.into()),
                "{changed:?}: {body}"
            );
            assert_eq!(body["stores"].as_object().unwrap().len(), stores, "{body}");
        }
    }
}

#[tokio::test]
async fn a_health_check_asks_the_stores_only_now_and_then() {
    let cloud = cloud().await;
    // A database that refuses to talk, and counts how often it was asked.
    let database = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://nobody@{}/nothing", database.local_addr().unwrap());
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counter = asked.clone();
    tokio::spawn(async move {
        while database.accept().await.is_ok() {
            counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let api = cloud.emulator("api", &[("DATABASE_URL", &url)]);
    let ask = async || {
        api.invoke(&serde_json::from_str(DEEP).unwrap()).await.unwrap();
        asked.load(std::sync::atomic::Ordering::Relaxed)
    };
    // An answer is kept for seconds. If this machine is busy, two calls may be further apart.
    comes_true("a check uses the answer of the check before", async || {
        let before = ask().await;
        before > 0 && ask().await == before
    })
    .await;
}

#[tokio::test]
async fn the_ledger_holds_finished_jobs_of_any_size() {
    let region = region().await;
    let (id, _) = written_down(&region, "demo", Document::Inline("One.".into())).await;
    let ledger = Ledger::new(&region.sdk, region.outputs["LedgerTable"].clone());
    let mut finished = ledger.find(&id).await.unwrap().unwrap();
    let now = time::OffsetDateTime::now_utc();
    // Random text, which compression does not make much smaller.
    let words: String = (0..40_000).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    let error = JobError::new(FailureCode::Other("large".to_owned()), words);
    finished.resource.fail(now, error).unwrap();
    ledger.finish(&[&finished, &finished]).await.unwrap();
    assert_eq!(ledger.find(&id).await.unwrap().as_ref(), Some(&finished));
    // Of this job the ledger has lost the second part.
    let mut damaged = finished.clone();
    damaged.resource.id = JobId::new(RegionTag::from_region("us-east-1"), uuid::Uuid::now_v7());
    ledger.finish(&[&damaged]).await.unwrap();
    let delete = aws_sdk_dynamodb::Client::new(&region.sdk)
        .delete_item()
        .table_name(&region.outputs["LedgerTable"]);
    let part = aws_sdk_dynamodb::types::AttributeValue::S(format!("{}#1", damaged.resource.id));
    delete.key("id", part).send().await.unwrap();
    let (mut found, mut lost, mut after) = (false, Vec::new(), None);
    loop {
        let page = ledger.finished_since(now, after.as_deref()).await.unwrap();
        found |= page.jobs.contains(&finished);
        lost.extend(page.damaged);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((found, lost), (true, vec![damaged.resource.id.to_string()]));
    let report = region.invoke("MaintainFunction", &json!({"action": "reconcile", "hours": 1})).await;
    assert_eq!((&report["damaged"], &report["next"]), (&json!(1), &Value::Null), "{report}");
    let id_of_damaged = damaged.resource.id;
    assert!(ledger.find(&id_of_damaged).await.is_err());
    ledger.withdraw(&id_of_damaged).await.unwrap();
    let ask = sqlx::query_scalar("SELECT length(error ->> 'message') FROM summaries WHERE id = $1").bind(id.uuid());
    let entered: i32 = ask.fetch_one(&mut region.database().await).await.unwrap();
    assert_eq!(
        usize::try_from(entered).ok(),
        finished.resource.error().map(|error| error.message.len())
    );
}

#[tokio::test]
async fn rights_are_enforced_here_as_on_aws() {
    let region = region().await;
    // The owner of the local cloud may do everything; a user without any policy may do nothing.
    // That the functions work at all therefore shows that their roles allow what they call.
    let config = aws_sdk_s3::config::Credentials::new("AKIANOBODY0000000000", "none", None, None, "test");
    let without_policy = region
        .sdk
        .to_builder()
        .credentials_provider(aws_sdk_s3::config::SharedCredentialsProvider::new(config))
        .build();
    let table = &region.outputs["LedgerTable"];
    let ask = async |sdk| {
        let request = aws_sdk_dynamodb::Client::new(sdk).get_item().table_name(table);
        request
            .key("id", aws_sdk_dynamodb::types::AttributeValue::S("anything".into()))
            .send()
            .await
    };
    let refused = ask(&without_policy).await;
    assert!(refused.is_err(), "{refused:?}");
    let allowed = ask(&region.sdk).await;
    assert!(allowed.is_ok(), "{allowed:?}");
}
