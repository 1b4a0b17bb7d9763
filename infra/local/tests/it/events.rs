//! Every event in `events/`, given to its function in the Runtime Interface Emulator.

use std::{collections::BTreeMap, fs};

use local::checkout::workspace;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::cloud::{Cloud, REGIONS, cloud, region};

fn events(function: &str) -> BTreeMap<String, Value> {
    let files = fs::read_dir(workspace().join("events").join(function))
        .expect("a folder of events")
        .flatten();
    let read = files.map(|file| {
        let name = file.path().file_stem().unwrap().to_string_lossy().into_owned();
        (
            name,
            serde_json::from_str(&fs::read_to_string(file.path()).unwrap()).expect("an event is JSON"),
        )
    });
    read.collect()
}

/// Runs every event of a function. `expect` knows each event by its name and panics at an unknown
/// one.
async fn each(cloud: &Cloud, function: &str, expect: impl Fn(&str, Value)) {
    let emulator = cloud.emulator(function, &[]);
    for (name, event) in events(function) {
        expect(&name, emulator.invoke(&event).await.unwrap());
    }
}

#[tokio::test]
async fn api() {
    each(cloud().await, "api", |name, reply| {
        let (status, says) = match name {
            "submit" => (202, "queued"),
            "submit-malformed" => (400, "malformed-body"),
            "submit-not-utf8" => (400, "not UTF-8"),
            "submit-empty" | "submit-wrong-type" => (422, "#/text"),
            "submit-unknown-field" => (422, "unknown field `lenght`"),
            "submit-no-key" | "submit-wrong-key" => (401, "unauthorized"),
            "submit-wrong-media-type" => (415, "application/json"),
            "read-unknown" | "read-malformed-id" | "no-such-path" => (404, "not-found"),
            "wrong-method" => (405, "method-not-allowed"),
            "health" | "health-deep" | "health-routing" => (200, "\"ok\""),
            "docs" => (200, "Submit a text"),
            "openapi" => (200, "/v1/summaries/{id}"),
            "problems" => (200, "malformed-body"),
            "keys" | "audit" => (200, "\"items\""),
            "key-invalid-name" => (422, "#/name"),
            "session" => (201, "\"token\":\"ses_demo."),
            "tenants-not-admin" => (403, "`admin`"),
            other => panic!("events/api/{other}.json has no expectation"),
        };
        assert_eq!(reply["statusCode"], status, "{name}: {reply}");
        assert!(reply["body"].as_str().unwrap().contains(says), "{name} should say {says}: {reply}");
    })
    .await;
}

#[tokio::test]
async fn summarize() {
    each(cloud().await, "summarize", |name, reply| {
        let failures: Vec<_> = reply["batchItemFailures"]
            .as_array()
            .unwrap_or_else(|| panic!("{name}: {reply}"))
            .clone();
        let expected: &[u8] = match name {
            "one" | "batch" | "document-missing" | "no-sentence" => &[],
            "unreadable" | "newer-version" => &[0],
            "mixed" => &[1],
            other => panic!("events/summarize/{other}.json has no expectation"),
        };
        let expected: Vec<_> = expected
            .iter()
            .map(|number| json!({"itemIdentifier": format!("00000000-0000-4000-8000-00000000000{number}")}))
            .collect();
        assert_eq!(failures, expected, "{name}");
    })
    .await;
}

#[tokio::test]
async fn redrive() {
    each(cloud().await, "redrive", |name, reply| match name {
        "schedule" => assert!(
            ["express", "standard", "bulk"].iter().all(|lane| reply[*lane]["parked"].is_u64()),
            "{reply}"
        ),
        other => panic!("events/redrive/{other}.json has no expectation"),
    })
    .await;
}

#[tokio::test]
async fn maintain() {
    let emulator = cloud().await.emulator("maintain", &[]);
    let stack = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for (name, mut event) in events("maintain") {
        if name.starts_with("stack-") {
            event["ResponseURL"] = format!("http://{}/response", stack.local_addr().unwrap()).into();
            let (reply, received) = tokio::join!(emulator.invoke(&event), received(&stack));
            let reply = reply.unwrap();
            assert_eq!(
                (&received["Status"], &received["RequestId"]),
                (&json!("SUCCESS"), &json!("event")),
                "{name}: {received}"
            );
            assert_eq!(received["Data"]["Digest"].as_str().map(str::len), Some(16), "{name}: {received}");
            assert_eq!(reply["schema"].is_null(), name == "stack-delete", "{name}: {reply}");
            continue;
        }
        let reply = emulator.invoke(&event).await.unwrap();
        match name.as_str() {
            "migrate" => assert_eq!(reply["schema"], shared::archive::Archive::newest_migration()),
            "upkeep" => assert_eq!(
                reply,
                json!({"schema": null, "made": [], "dropped": [], "deleted": 0, "noted": 0, "checked": 0, "entered": 0, "damaged": 0, "next": null})
            ),
            "sweep" => assert!(reply["checked"].is_u64(), "{reply}"),
            "usage" => assert!(reply["noted"].is_u64(), "{reply}"),
            "reconcile" => assert!(reply["entered"].is_u64(), "{reply}"),
            "reconcile-too-long" => assert!(
                reply["errorMessage"].as_str().unwrap().contains("hours must be between 1 and 72"),
                "{reply}"
            ),
            "unknown-action" => assert!(
                reply["errorMessage"]
                    .as_str()
                    .unwrap()
                    .contains("expected one of `migrate`, `upkeep`, `usage`, `sweep`, `reconcile`"),
                "{reply}"
            ),
            other => panic!("events/maintain/{other}.json has no expectation"),
        }
    }
}

#[tokio::test]
async fn canary() {
    let codedeploy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", codedeploy.local_addr().unwrap());
    let emulator = cloud().await.emulator("canary", &[("AWS_ENDPOINT_URL_CODEDEPLOY", &endpoint)]);
    let summaries = |reply: &Value| reply["summaries"].as_array().map(Vec::len);
    for (name, event) in events("canary") {
        if name == "hook" {
            let (reply, received) = tokio::join!(emulator.invoke(&event), received(&codedeploy));
            assert_eq!(summaries(reply.as_ref().unwrap()), Some(4), "{reply:?}");
            assert_eq!(
                (&received["deploymentId"], &received["status"]),
                (&event["DeploymentId"], &json!("Succeeded"))
            );
            continue;
        }
        let reply = emulator.invoke(&event).await.unwrap();
        match name.as_str() {
            "probe" => assert_eq!(summaries(&reply), Some(1), "{reply}"),
            "versions" => assert_eq!(summaries(&reply), Some(4), "{reply}"),
            "unknown-action" => assert!(
                reply["errorMessage"].as_str().unwrap().contains("expected `probe` or `versions`"),
                "{reply}"
            ),
            other => panic!("events/canary/{other}.json has no expectation"),
        }
    }
}

/// A version that makes no summaries must get no traffic.
#[tokio::test]
async fn the_canary_stops_a_bad_version() {
    let cloud = cloud().await;
    let outputs = &cloud.region(REGIONS[0]).outputs;
    let codedeploy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", codedeploy.local_addr().unwrap());
    for variable in ["WORKER_VERSIONS", "API_VERSION"] {
        let changed = [
            ("AWS_ENDPOINT_URL_CODEDEPLOY", endpoint.as_str()),
            (variable, &outputs["MaintainFunction"]),
        ];
        let emulator = cloud.emulator("canary", &changed);
        let event = &events("canary")["hook"];
        let (reply, received) = tokio::join!(emulator.invoke(event), received(&codedeploy));
        let reply = reply.unwrap();
        assert!(
            reply["errorMessage"]
                .as_str()
                .is_some_and(|message| message.contains("missing field `action`")),
            "{reply}"
        );
        assert_eq!(received["status"], "Failed");
    }
}

/// Here the canary runs with the role and the versions that the template gives it.
#[tokio::test]
async fn the_deployed_canary_tries_the_deployed_versions() {
    let report = region().await.invoke("CanaryFunction", &json!({"action": "versions"})).await;
    let by: Vec<_> = report["summaries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["by"].as_str().unwrap())
        .collect();
    assert_eq!(by.len(), 4, "{report}");
    for (one, part) in by
        .iter()
        .zip(["-Api-", "-SummarizeExpress-", "-SummarizeStandard-", "-SummarizeBulk-"])
    {
        let (function, version) = one.rsplit_once(':').expect("a version");
        assert!(function.contains(part) && version.parse::<u32>().is_ok(), "{one}");
    }
}

/// The table is its own, because every test would notice a service level of the shared region.
#[tokio::test]
async fn prescale() {
    let table = region().await.table("prescale-events").await;
    let emulator = cloud().await.emulator("prescale", &[("LEDGER_TABLE", &table)]);
    for (name, event) in events("prescale") {
        let reply = emulator.invoke(&event).await.unwrap();
        let error = reply["errorMessage"].as_str().unwrap_or_default();
        match name.as_str() {
            "dry-run" | "plan" => {
                assert_eq!(reply["dry_run"], name == "dry-run", "{reply}");
                assert!(
                    reply["desired"]["standard"] == 2.0 && reply["reasons"]["standard"].is_string(),
                    "{reply}"
                );
            }
            "pin" => assert!(reply["level"] == 1 && reply["until"].is_string(), "{reply}"),
            "unpin" => assert_eq!(reply["level"], 0, "{reply}"),
            "malformed-moment" => assert!(error.contains("as year"), "{reply}"),
            "pin-no-such-level" => assert!(error.contains("a level is 0, 1, 2 or 3"), "{reply}"),
            "pin-too-long" => assert!(error.contains("between 1 and 1440") && reply["errorType"] == "Failed", "{reply}"),
            other => panic!("events/prescale/{other}.json has no expectation"),
        }
    }
}

/// The message that the function sends to CloudFormation or `CodeDeploy`.
async fn received(stack: &TcpListener) -> Value {
    let (mut stream, _) = stack.accept().await.unwrap();
    let mut request = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.unwrap();
        request.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let body = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
        if let Some(body) = body {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
            return body;
        }
        assert_ne!(read, 0, "the request ended early: {text}");
    }
}
