//! The usage that a tenant reads agrees with what its client has counted, to the last job.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    access::operator,
    cloud::{answer, comes_true, prose, region, valkey},
};

/// The counts that are compared.
const COUNTS: [&str; 9] = [
    "accepted", "deferred", "refused", "cached", "succeeded", "failed", "canceled", "input_characters", "output_characters",
];

#[tokio::test]
async fn usage_agrees_with_what_the_client_has_counted() {
    let (region, admin) = (region().await, operator().await);
    let few = json!({"per_minute": 1, "burst": 6});
    let tenant = json!({"id": "metered", "plan": "free", "limits": {"key": few, "tenant": few, "deferred": few}});
    assert_eq!(admin.post("/v1/tenants", tenant).await.0, StatusCode::CREATED);
    let key = json!({"name": "Load", "scopes": ["summaries:read", "summaries:write", "usage:read"]});
    let key = admin.done(Method::POST, "/v1/tenants/metered/keys", Some(key)).await;
    let secret = key["key"].as_str().unwrap();
    let ask = async |method: Method, path: &str| answer(region.request(method, path).bearer_auth(secret)).await;

    let mut counted: BTreeMap<&str, u64> = COUNTS.into_iter().map(|name| (name, 0)).collect();
    let mut ids = Vec::new();
    // A job that fails, one that is repeated after it has finished, and more than are allowed.
    let code = json!({"text": "fn main() {\n    let a = b;\n}\n"});
    let mut texts = vec![code, json!({"text": prose("metered", 900)}), json!({"text": prose("metered", 900)})];
    texts.extend((0..14).map(|number| json!({"text": prose(&format!("metered {number}"), 500)})));
    for (number, text) in texts.iter().enumerate() {
        let request = region.request(Method::POST, "/v1/summaries").bearer_auth(secret).json(text);
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body: Value = response.json().await.unwrap();
        let mut count = |name: &'static str| *counted.entry(name).or_default() += 1;
        match status {
            StatusCode::OK => {
                assert_eq!(headers["summarease-cache"], "hit");
                count("cached");
            }
            StatusCode::ACCEPTED => {
                count("accepted");
                if headers.contains_key("summarease-admission") {
                    count("deferred");
                }
                ids.push(body["id"].as_str().unwrap().to_owned());
            }
            StatusCode::TOO_MANY_REQUESTS => count("refused"),
            other => panic!("{other}: {body}"),
        }
        if number == 1 {
            comes_true("the text is known", async || {
                ask(Method::GET, &format!("/v1/summaries/{}", ids[1])).await.1["status"] == "succeeded"
            })
            .await;
        }
    }
    assert!(
        ["deferred", "refused", "cached"].iter().all(|name| counted[name] > 0),
        "{counted:?}"
    );
    for id in &ids {
        let mut end = Value::Null;
        comes_true("each job ends", async || {
            end = ask(Method::GET, &format!("/v1/summaries/{id}")).await.1;
            end["finished_at"].is_string()
        })
        .await;
        *counted.get_mut(end["status"].as_str().unwrap()).unwrap() += 1;
        for (name, size) in [("input_characters", "input"), ("output_characters", "output")] {
            *counted.get_mut(name).unwrap() += end["result"][size]["characters"].as_u64().unwrap_or_default();
        }
    }
    assert!(counted["succeeded"] > 0 && counted["failed"] == 1, "{counted:?}");

    let usage = async || {
        let (status, usage) = ask(Method::GET, "/v1/usage").await;
        assert_eq!(status, StatusCode::OK, "{usage}");
        let mut sums: BTreeMap<&str, u64> = COUNTS.into_iter().map(|name| (name, 0)).collect();
        for row in usage["items"].as_array().unwrap() {
            assert_eq!(row["key"], key["id"], "{row}");
            for name in COUNTS {
                *sums.get_mut(name).unwrap() += row[name].as_u64().unwrap();
            }
        }
        sums
    };
    comes_true("the usage agrees", async || usage().await == counted).await;

    // The tallies of the cache are copied into the archive, where they survive it.
    region.invoke("MaintainFunction", &json!({"action": "usage"})).await;
    let mut valkey = valkey().await;
    let tallies: Vec<String> = redis::cmd("KEYS").arg("{metered}:tally:*").query_async(&mut valkey).await.unwrap();
    assert!(!tallies.is_empty());
    let () = redis::AsyncCommands::del(&mut valkey, tallies).await.unwrap();
    assert_eq!(usage().await, counted);
}
