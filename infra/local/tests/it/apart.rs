//! A tenant can do nothing with the work of another tenant, and learns nothing about it: each verb has
//! the same answer as for what does not exist. Keys, sessions and the audit log are in `tenants` and
//! `sessions`.

use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use crate::{
    access::{Client, operator},
    cloud::{comes_true, submission},
};

const SCOPES: [&str; 3] = ["summaries:read", "summaries:write", "usage:read"];
const UNKNOWN: &str = "/v1/summaries/sum_use1_01JDCR0W00E05BQ75SEB3D7PSV";

/// An answer without what is new in every answer: the ids of the request, and the rates of the caller.
async fn asked(client: &Client, method: Method, path: &str) -> (StatusCode, Vec<(String, String)>, Value) {
    let request = client
        .region
        .request(method, path)
        .bearer_auth(&client.key)
        .header("prefer", "wait=1");
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.json().await.unwrap_or_default();
    (status, lasting(&headers), body)
}

fn lasting(headers: &HeaderMap) -> Vec<(String, String)> {
    let changes = ["x-request-id", "apigw-requestid", "date", "ratelimit"];
    let lasting = headers.iter().filter(|(name, _)| !changes.contains(&name.as_str()));
    lasting
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
}

#[tokio::test]
async fn the_work_of_another_tenant_does_not_exist() {
    let admin = operator().await;
    let (owner, _) = admin.tenant("apart-owner", &SCOPES).await;
    let (stranger, _) = admin.tenant("apart-stranger", &SCOPES).await;
    let mut body = submission("kept apart");
    body["metadata"] = json!({"order": "4711"});
    let (status, job) = owner.post("/v1/summaries", body.clone()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{job}");
    let path = job["links"]["self"].as_str().unwrap().to_owned();
    for is_finished in [false, true] {
        if is_finished {
            comes_true("the job finishes", async || owner.get(&path).await.1["status"] == "succeeded").await;
        }
        for method in [Method::GET, Method::DELETE] {
            let unknown = asked(&stranger, method.clone(), UNKNOWN).await;
            assert_eq!(unknown.0, StatusCode::NOT_FOUND);
            assert_eq!(asked(&stranger, method, &path).await, unknown);
        }
        for query in ["", "?metadata_key=order&metadata_value=4711", "?status=succeeded"] {
            let (_, page) = stranger.get(&format!("/v1/summaries{query}")).await;
            assert_eq!(page["items"], json!([]), "{query}");
        }
    }
    // The owner still has it, and its usage belongs to the owner alone.
    assert_eq!(owner.get(&path).await.0, StatusCode::OK);
    assert_eq!(stranger.get("/v1/usage").await.1["items"], json!([]));

    // A known result of the owner is not known to the stranger.
    assert_eq!(owner.post("/v1/summaries", body.clone()).await.0, StatusCode::OK);
    assert_eq!(stranger.post("/v1/summaries", body).await.0, StatusCode::ACCEPTED);

    // A cursor of the owner shows the stranger nothing.
    let (_, page) = owner.get("/v1/summaries?limit=1").await;
    if let Some(cursor) = page["next_cursor"].as_str() {
        let (status, page) = stranger.get(&format!("/v1/summaries?cursor={cursor}")).await;
        assert_eq!((status, &page["items"]), (StatusCode::OK, &json!([])));
    }
}

#[tokio::test]
async fn each_verb_needs_its_scope() {
    let admin = operator().await;
    let (reader, _) = admin.tenant("apart-scopes", &["summaries:read"]).await;
    let (writer, _) = admin.key("apart-scopes", &["summaries:write"]).await;
    let forbidden = async |client: &Client, method: Method, path: &str, scope: &str| {
        let (status, problem) = client.send(method, path, Some(submission("scopes"))).await;
        assert_eq!(
            (status, &problem["type"]),
            (StatusCode::FORBIDDEN, &json!("/v1/problems#forbidden")),
            "{problem}"
        );
        assert!(problem["detail"].as_str().unwrap().contains(scope), "{problem}");
    };
    forbidden(&reader, Method::POST, "/v1/summaries", "summaries:write").await;
    forbidden(&reader, Method::DELETE, UNKNOWN, "summaries:write").await;
    forbidden(&reader, Method::GET, "/v1/usage", "usage:read").await;
    forbidden(&writer, Method::GET, UNKNOWN, "summaries:read").await;
    forbidden(&writer, Method::GET, "/v1/summaries", "summaries:read").await;
}
