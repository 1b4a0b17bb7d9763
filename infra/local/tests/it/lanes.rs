//! From submission to result, on every lane.

use local::demo;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::Row;

use crate::cloud::{cloud, comes_true, prose, region, submission, valkey};

fn assert_verbatim(text: &str, resource: &Value) {
    let characters: Vec<char> = text.chars().collect();
    let sentences = resource["result"]["sentences"].as_array().expect("sentences");
    assert!(!sentences.is_empty());
    for sentence in sentences {
        let place = |name: &str| usize::try_from(sentence[name].as_u64().unwrap()).unwrap();
        let source: String = characters[place("offset")..place("offset") + place("length")].iter().collect();
        assert_eq!(sentence["text"], source);
    }
}

#[tokio::test]
async fn each_lane_finishes_its_job() {
    let region = region().await;
    for lane in ["express", "standard", "bulk"] {
        let mut body = submission(&format!("the {lane} lane"));
        body["priority"] = lane.into();
        body["metadata"] = json!({"lane": lane});
        let id = region.accepted(&body).await;
        let resource = region.succeeds(&id).await;
        assert_eq!(
            (&resource["lane"], &resource["request"]["metadata"]["lane"]),
            (&lane.into(), &lane.into())
        );
        assert_verbatim(body["text"].as_str().unwrap(), &resource);
        assert_eq!(resource["result"]["output"]["sentences"], 2);
        let times: Vec<_> = ["created_at", "started_at", "finished_at", "expires_at"]
            .map(|name| resource[name].as_str().unwrap().to_owned())
            .into();
        assert!(times.is_sorted(), "{times:?}");
    }
}

#[tokio::test]
async fn a_document_too_large_for_a_message_goes_through_s3_on_the_bulk_lane() {
    let region = region().await;
    let body = json!({"text": prose("a long report", 600_000), "priority": "express", "include": ["keywords"]});
    let id = region.accepted(&body).await;
    let resource = region.succeeds(&id).await;
    assert_eq!(resource["lane"], "bulk");
    assert_verbatim(body["text"].as_str().unwrap(), &resource);
    assert!(!resource["result"]["keywords"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_focus_is_what_the_summary_is_about() {
    let region = region().await;
    let id = region
        .accepted(&json!({"text": demo::GERMAN_ARTICLE, "length": {"sentences": 1}, "focus": "Fundorte in Nordamerika"}))
        .await;
    let resource = region.succeeds(&id).await;
    assert_eq!(resource["request"]["focus"], "Fundorte in Nordamerika");
    let text = resource["result"]["text"].as_str().unwrap();
    assert!(text.contains("Nordamerika"), "{text}");
}

#[tokio::test]
async fn a_text_of_code_is_a_failed_job_with_a_reason() {
    let region = region().await;
    let id = region.accepted(&json!({"text": "fn main() {\n    let a = b;\n}\n"})).await;
    let resource = region.reaches(&id, &["failed"]).await;
    assert_eq!(resource["error"]["code"], "no_sentence");
    assert!(resource["error"]["message"].as_str().unwrap().contains("code"), "{resource}");
}

#[tokio::test]
async fn the_same_article_twice_is_answered_from_the_cache() {
    let region = region().await;
    let first = demo::run(&region.url).await.unwrap();
    let second = demo::run(&region.url).await.unwrap();
    assert!(!first.cached && second.cached);
    assert_eq!(first.resource, second.resource);
    let (status, other) = region.submit(&json!({"text": demo::ARTICLE, "length": {"sentences": 4}})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "other options are another result: {other}");
}

#[tokio::test]
async fn the_archive_answers_when_the_cache_has_no_entry() {
    let region = region().await;
    let id = region.accepted(&submission("forgotten")).await;
    let cached = region.succeeds(&id).await;
    let mut valkey = valkey().await;
    let forgotten: u32 = redis::cmd("DEL")
        .arg(format!("{{demo}}:summary:{id}"))
        .query_async(&mut valkey)
        .await
        .unwrap();
    assert_eq!(forgotten, 1);
    let (_, archived) = region.read(&id).await;
    assert_eq!(archived, cached);
}

/// A client that polls while a store fails must not be told that its finished job has changed.
#[tokio::test]
async fn a_finished_job_has_the_same_entity_tag_from_every_store() {
    let (cloud, region) = (cloud().await, region().await);
    let id = region.accepted(&submission("tagged")).await;
    region.succeeds(&id).await;
    let no_cache = ("VALKEY_URL", "redis://127.0.0.1:9");
    let no_archive = ("DATABASE_URL", "postgres://nobody@127.0.0.1:9/none");
    let mut event: Value = serde_json::from_str(include_str!("../../../../events/api/read-unknown.json")).unwrap();
    event["rawPath"] = format!("/v1/summaries/{id}").into();
    let mut tags = Vec::new();
    for changed in [&[] as &[_], &[no_cache], &[no_cache, no_archive]] {
        let api = cloud.emulator("api", changed);
        let mut tag = Value::Null;
        comes_true("the store has the finished job", async || {
            let reply = api.invoke(&event).await.unwrap();
            tag = reply["headers"]["etag"].clone();
            reply["body"].as_str().is_some_and(|body| body.contains(r#""status":"succeeded""#))
        })
        .await;
        tags.push(tag);
    }
    assert!(tags[0].is_string(), "{tags:?}");
    assert_eq!((&tags[0], &tags[0]), (&tags[1], &tags[2]));
}

#[tokio::test]
async fn every_valkey_key_has_a_time_to_live_and_the_ledger_has_the_final_result() {
    let region = region().await;
    let id = region.accepted(&submission("kept for a while")).await;
    let resource = region.succeeds(&id).await;
    let mut valkey = valkey().await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut valkey).await.unwrap();
    assert!(keys.iter().any(|key| key.ends_with(&id)));
    for key in keys {
        // The value is -1 if a key never expires, and -2 if it has just expired.
        let ttl: i64 = redis::cmd("TTL").arg(&key).query_async(&mut valkey).await.unwrap();
        assert_ne!(ttl, -1, "{key} never expires");
    }
    let ledger = shared::ledger::Ledger::new(&region.sdk, region.outputs["LedgerTable"].clone());
    comes_true("the ledger has the final result", async || {
        let job = ledger.find(&id.parse().unwrap()).await.unwrap().expect("it is still there");
        serde_json::to_value(job.resource).unwrap() == resource
    })
    .await;
}

#[tokio::test]
async fn a_result_that_no_response_can_hold_is_a_failed_job() {
    let region = region().await;
    let text = "It rained. ".repeat(90_000);
    let id = region.accepted(&json!({"text": text, "include": ["scores"]})).await;
    let resource = region.reaches(&id, &["failed", "succeeded"]).await;
    assert_eq!(resource["error"]["code"], "result_too_large", "{}", resource["status"]);
    assert!(resource["error"]["message"].as_str().unwrap().contains("`scores`"), "{resource}");
}

#[tokio::test]
async fn usage_is_counted_once_per_job() {
    let region = region().await;
    let key = region.other_tenant("counted", shared::job::Plan::Free).await;
    for seed in ["one", "two", "three"] {
        let request = region
            .request(reqwest::Method::POST, "/v1/summaries")
            .bearer_auth(secrecy::ExposeSecret::expose_secret(&key));
        let (status, resource) = crate::cloud::answer(request.json(&submission(seed))).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{resource}");
    }
    let mut database = region.database().await;
    let mut characters = None;
    comes_true("usage is counted", async || {
        let query = "SELECT sum(succeeded)::bigint AS n, sum(input_characters)::bigint AS c FROM usage_by_key WHERE tenant = 'counted'";
        let row = sqlx::query(query).fetch_one(&mut database).await.unwrap();
        characters = row.get::<Option<i64>, _>("c");
        row.get::<Option<i64>, _>("n") == Some(3)
    })
    .await;
    let expected: usize = ["one", "two", "three"].iter().map(|seed| prose(seed, 1_000).chars().count()).sum();
    assert_eq!(characters, i64::try_from(expected).ok());
}
