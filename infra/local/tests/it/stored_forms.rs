//! What version 0.2.0 has queued and stored is read by this version. A deployment replaces the
//! functions while such messages wait in the lanes and such items lie in the stores.
//!
//! `stored_forms/0.2.0.json` was written by the code of 0.2.0. It must never be changed: a new form
//! gets a file of its own. Only the times of expiry are moved, so that the test does not expire.

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use base64::{Engine, prelude::BASE64_STANDARD};
use redis::AsyncCommands;
use reqwest::StatusCode;
use serde_json::{Value, json};
use shared::job::Message;

use crate::cloud::{Region, region, valkey};

/// The statement with which 0.2.0 has entered finished jobs into the archive.
const ENTER: &str = "
INSERT INTO summaries
SELECT id, tenant, region, status, lane, created_at, started_at, finished_at, now() + interval '1 day',
       request, nullif(result, 'null'), nullif(error, 'null'), attempts
FROM jsonb_to_recordset($1) AS row(
    id uuid, tenant text, region text, status text, lane text, created_at timestamptz, started_at timestamptz,
    finished_at timestamptz, expires_at timestamptz, request jsonb, result jsonb, error jsonb, attempts jsonb)";

fn stored() -> Value {
    serde_json::from_str(include_str!("stored_forms/0.2.0.json")).unwrap()
}

/// The resource that 0.2.0 has written as text. It knew no deferred jobs.
fn resource(text: &Value) -> Value {
    let mut resource: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
    resource["deferred"] = false.into();
    resource
}

fn attribute(value: &Value) -> AttributeValue {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "S" => AttributeValue::S(value.as_str().unwrap().to_owned()),
        "N" => AttributeValue::N(value.as_str().unwrap().to_owned()),
        "B" => AttributeValue::B(Blob::new(BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap())),
        "L" => AttributeValue::L(value.as_array().unwrap().iter().map(attribute).collect()),
        other => panic!("no attribute of type {other} is stored"),
    }
}

/// Puts items into the ledger as they are; they expire tomorrow.
async fn put(region: &Region, items: &[Value]) {
    let tomorrow = (time::OffsetDateTime::now_utc() + time::Duration::DAY).unix_timestamp();
    let client = aws_sdk_dynamodb::Client::new(&region.sdk);
    for item in items {
        let mut item: HashMap<String, AttributeValue> = item
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), attribute(value)))
            .collect();
        item.insert("expires_at".to_owned(), AttributeValue::N(tomorrow.to_string()));
        let put = client.put_item().table_name(&region.outputs["LedgerTable"]).set_item(Some(item));
        put.send().await.unwrap();
    }
}

async fn forget(region: &Region, id: &str) {
    let client = aws_sdk_dynamodb::Client::new(&region.sdk);
    let delete = client.delete_item().table_name(&region.outputs["LedgerTable"]);
    delete.key("id", AttributeValue::S(id.to_owned())).send().await.unwrap();
}

async fn read(region: &Region, id: &str) -> Value {
    let (status, resource) = region.read(id).await;
    assert_eq!(status, StatusCode::OK, "{resource}");
    resource
}

#[tokio::test]
async fn messages_and_stored_jobs_of_the_version_before_are_read() {
    let (region, stored) = (region().await, stored());

    // Two messages: with the document inside, and with the key of a stored one.
    for body in stored["messages"].as_array().unwrap() {
        let body = body.as_str().unwrap();
        assert_eq!(Message::from_body(body).unwrap().to_body(), body);
    }

    // A job that was accepted, and had one failed attempt.
    put(&region, &[stored["ledger"]["waiting"].clone()]).await;
    let id = stored["ledger"]["waiting"]["id"]["S"].as_str().unwrap();
    let waiting = read(&region, id).await;
    assert_eq!(
        (&waiting["status"], &waiting["attempts"][0]["code"]),
        (&json!("queued"), &json!("commit_failed"))
    );
    // Its message is worked on.
    let queue = aws_sdk_sqs::Client::new(&region.sdk);
    let send = queue
        .send_message()
        .queue_url(&region.outputs["StandardQueue"])
        .message_group_id("demo");
    send.message_body(stored["messages"][0].as_str().unwrap()).send().await.unwrap();
    let done = region.succeeds(id).await;
    assert_eq!(done["request"], waiting["request"]);
    assert_eq!(done["result"]["sentences"].as_array().map(Vec::len), Some(2), "{done}");

    // Finished jobs in the ledger; one of them in several items.
    for name in ["succeeded", "failed"] {
        let expected = resource(&stored["cache"][name]);
        put(&region, stored["ledger"][name].as_array().unwrap()).await;
        let id = expected["id"].as_str().unwrap();
        assert_eq!(read(&region, id).await, expected, "from the ledger");
        forget(&region, id).await;
    }
    let parts = stored["ledger"]["parts"].as_array().unwrap();
    assert!(parts.len() > 1);
    put(&region, parts).await;
    let id = parts[0]["id"]["S"].as_str().unwrap();
    assert_eq!(read(&region, id).await["result"], stored["archive"][2]["result"]);
    forget(&region, id).await;

    // Rows of the archive. 0.2.0 gave PostgreSQL nanoseconds, which it rounds, so that times are not compared.
    let enter = sqlx::query(ENTER).bind(sqlx::types::Json(&stored["archive"]));
    enter.execute(&mut region.database().await).await.unwrap();
    for row in stored["archive"].as_array().unwrap() {
        let id = row["links"]["self"].as_str().unwrap().trim_start_matches("/v1/summaries/");
        let archived = read(&region, id).await;
        for field in ["status", "lane", "region", "request", "result", "error", "attempts", "links"] {
            assert_eq!(archived[field], row[field], "{field} from the archive");
        }
    }

    // Entries of the cache. The keys are those of 0.2.0.
    let mut valkey = valkey().await;
    for name in ["queued", "succeeded", "failed"] {
        let text = stored["cache"][name].as_str().unwrap();
        let expected = resource(&stored["cache"][name]);
        let id = expected["id"].as_str().unwrap();
        let () = valkey.set_ex(format!("{{demo}}:summary:{id}"), text, 60).await.unwrap();
        assert_eq!(read(&region, id).await, expected, "from the cache");
    }
    let id = resource(&stored["cache"]["queued"])["id"].as_str().unwrap().to_owned();
    let started = "2026-11-24T10:00:05.123456789Z";
    let () = valkey.set_ex(format!("{{demo}}:started:{id}"), started, 60).await.unwrap();
    let running = read(&region, &id).await;
    assert_eq!(
        (&running["status"], &running["started_at"]),
        (&json!("running"), &json!("2026-11-24T10:00:05.123456Z"))
    );
}
