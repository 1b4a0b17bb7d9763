//! What the API answers to good and bad requests.

use local::cloud::tenant;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use shared::job::Plan;

use crate::cloud::{answer, cloud, json_of, prose, region, submission};

fn assert_problem(status: StatusCode, problem: &Value, expected: u16, slug: &str, says: &str) {
    assert_eq!(status.as_u16(), expected, "{problem}");
    assert_eq!(problem["type"], format!("/v1/problems#{slug}"), "{problem}");
    assert_eq!(problem["status"], expected);
    assert!(problem.to_string().contains(says), "{problem} should say {says}");
}

#[tokio::test]
async fn bad_bodies_get_a_problem_that_says_what_to_do() {
    let region = region().await;
    let text = "A fine text.";
    let cases: Vec<(Vec<u8>, u16, &str, &str)> = vec![
        (b"".to_vec(), 400, "malformed-body", "The body is empty"),
        (b"{\"text\":".to_vec(), 400, "malformed-body", "line 1 column 8"),
        (b"[\"One.\"]".to_vec(), 400, "malformed-body", "not a JSON object"),
        (b"\x89PNG\r\n\x1a\n\x00\x00".to_vec(), 400, "malformed-body", "body is not"),
        (json!({}).to_string().into(), 422, "invalid-request", "missing field `text`"),
        (json!({"text": ""}).to_string().into(), 422, "invalid-request", "#/text"),
        (json!({"text": "a\u{0}b"}).to_string().into(), 422, "invalid-request", "U+0000"),
        (json!({"text": 5}).to_string().into(), 422, "invalid-request", "It must be a string"),
        (
            json!({"text": text, "lenght": 1}).to_string().into(),
            422,
            "invalid-request",
            "unknown field `lenght`",
        ),
        (
            json!({"text": text, "length": {"sentences": 0}}).to_string().into(),
            422,
            "invalid-request",
            "#/length/sentences",
        ),
        (
            json!({"text": text, "length": {"sentences": 1, "words": 1}}).to_string().into(),
            422,
            "invalid-request",
            "exactly one",
        ),
        (
            json!({"text": text, "metadata": {"k": "v".repeat(513)}}).to_string().into(),
            422,
            "invalid-request",
            "#/metadata/k",
        ),
        (
            json!({"text": prose("huge", 4 * 1024 * 1024 + 1)}).to_string().into(),
            422,
            "invalid-request",
            "4194304",
        ),
        (
            json!({"text": prose("vast", 5 * 1024 * 1024)}).to_string().into(),
            413,
            "payload-too-large",
            "5242880",
        ),
    ];
    for (body, status, slug, says) in cases {
        let request = region.request(Method::POST, "/v1/summaries").bearer_auth(tenant::KEY);
        let response = request.header("content-type", "application/json").body(body).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let (got, problem) = json_of(response).await;
        assert_problem(got, &problem, status, slug, says);
    }
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_is_refused() {
    let region = region().await;
    for mime in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let request = region
            .request(Method::POST, "/v1/summaries")
            .bearer_auth(tenant::KEY)
            .header("content-type", mime);
        let (status, problem) = answer(request.body(r#"{"text":"A fine text."}"#)).await;
        assert_problem(status, &problem, 415, "unsupported-media-type", "application/json");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let region = region().await;
    let (status, problem) = answer(region.request(Method::GET, "/v2/summaries")).await;
    assert_problem(status, &problem, 404, "not-found", "path");
    let (status, problem) = answer(region.request(Method::DELETE, "/v1/summaries")).await;
    assert_problem(status, &problem, 405, "method-not-allowed", "Allow");
}

/// API Gateway passes on whatever a client sends. No client may see anything but a problem document.
#[tokio::test]
async fn odd_requests_get_a_problem_too() {
    let api = cloud().await.emulator("api", &[]);
    let usual: Value = serde_json::from_str(include_str!("../../../../events/api/read-unknown.json")).unwrap();
    let long = format!("/v1/summaries/{}", "x".repeat(9_000));
    let mut events: Vec<Value> = [
        "/v1/summaries/%FF", "/v1/summaries/%25FF", "/v1/summaries/%", "/v1/summaries/é", "/%FF", &long,
    ]
    .into_iter()
    .map(|path| {
        let mut event = usual.clone();
        event["rawPath"] = path.into();
        event
    })
    .collect();
    for (field, value) in [
        ("rawQueryString", json!("a=<b>&c=\"d\"")),
        ("rawQueryString", json!("é=%&%FF=%4&\u{0}#[]{}|\\^`\n")),
        ("rawQueryString", json!("é".repeat(5_120))),
        ("rawQueryString", json!("a".repeat(100_000))),
        ("rawQueryString", json!(["a"])),
        ("queryStringParameters", json!({"a": ["<b>"]})),
        ("headers", json!({"x-api-key": tenant::KEY, "x-name": "é", "host": "no host"})),
    ] {
        let mut event = usual.clone();
        event[field] = value;
        events.push(event);
    }
    events.push(json!({}));
    for event in events {
        let reply = api.invoke(&event).await.unwrap();
        assert!(reply["statusCode"] == 404 || reply["statusCode"] == 422, "{event}: {reply}");
        assert_eq!(reply["headers"]["content-type"], "application/problem+json", "{event}: {reply}");
    }
    // The same over HTTP, as far as a client sends it.
    let region = region().await;
    for path in [
        "/v1/summaries/%FF", "/v1/summaries/%25FF", "/v1/summaries/a%00b", "/v1/summaries/x?a=%3Cb", "/v1/summaries/x?%FF&%00=%",
        "/v1/summaries/x?a=^|\\[{}]",
    ] {
        let response = region.request(Method::GET, path).bearer_auth(tenant::KEY).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        let (status, problem) = json_of(response).await;
        assert_problem(status, &problem, 404, "not-found", "path");
    }
}

#[tokio::test]
async fn a_request_without_a_valid_key_is_unauthorized() {
    let region = region().await;
    let id = region.accepted(&submission("secret of the demo tenant")).await;
    let path = format!("/v1/summaries/{id}");
    for request in [
        region.request(Method::GET, &path),
        region.request(Method::GET, &path).bearer_auth("sk_wrong"),
        region.request(Method::GET, &path).header("x-api-key", ""),
        region.request(Method::GET, &path).basic_auth("demo", Some(tenant::KEY)),
        region.request(Method::POST, "/v1/summaries").json(&submission("unpaid")),
        region.request(Method::GET, &path).bearer_auth("k".repeat(5_000)),
    ] {
        let (status, problem) = answer(request).await;
        assert_problem(status, &problem, 401, "unauthorized", "Bearer");
    }
}

#[tokio::test]
async fn a_job_of_another_tenant_looks_like_a_missing_job() {
    let region = region().await;
    let key = region.other_tenant("stranger", Plan::Free).await;
    let id = region.accepted(&submission("not for strangers")).await;
    let ask = |id: String| {
        let request = region
            .request(Method::GET, &format!("/v1/summaries/{id}"))
            .bearer_auth(key.expose_secret());
        answer(request)
    };
    let missing = ask("sum_use1_01JDCR0W00E05BQ75SEB3D7PSV".to_owned()).await;
    assert_problem(missing.0, &missing.1, 404, "not-found", "id");
    assert_eq!(ask(id.clone()).await, missing, "while the job waits in the ledger");
    region.succeeds(&id).await;
    assert_eq!(ask(id.clone()).await, missing, "when the job has finished");
    assert_eq!(ask("42".to_owned()).await, missing);

    // The same text from another tenant is a new job. The cached result of the first tenant is not
    // used.
    let request = region
        .request(Method::POST, "/v1/summaries")
        .header("x-api-key", key.expose_secret());
    let (status, resource) = answer(request.json(&submission("not for strangers"))).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_ne!(resource["id"], id);
}

#[tokio::test]
async fn polling_gives_retry_after_and_an_etag() {
    let region = region().await;
    let response = region
        .request(Method::POST, "/v1/summaries")
        .bearer_auth(tenant::KEY)
        .json(&submission("polled"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    assert!(!response.headers()["x-request-id"].is_empty());
    let id = location.rsplit('/').next().unwrap().to_owned();
    region.succeeds(&id).await;
    let done = region
        .request(Method::GET, &location)
        .bearer_auth(tenant::KEY)
        .send()
        .await
        .unwrap();
    assert!(!done.headers().contains_key("retry-after"));
    let tag = done.headers()["etag"].to_str().unwrap().to_owned();
    let again = region
        .request(Method::GET, &location)
        .bearer_auth(tenant::KEY)
        .header("if-none-match", &tag)
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(again.text().await.unwrap(), "");
}

#[tokio::test]
async fn health_names_every_store() {
    let region = region().await;
    let (status, health) = answer(region.request(Method::GET, "/v1/health")).await;
    assert_eq!((status, &health), (StatusCode::OK, &json!({"status": "ok", "region": "us-east-1"})));
    let (status, health) = answer(region.request(Method::GET, "/v1/health/deep")).await;
    assert_eq!(status, StatusCode::OK, "{health}");
    let stores: Vec<_> = health["stores"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, store)| (name.as_str(), store["ok"] == true))
        .collect();
    assert_eq!(
        stores,
        ["archive", "cache", "directory", "documents", "lanes", "ledger"].map(|name| (name, true))
    );
}

#[tokio::test]
async fn the_served_description_is_the_committed_one() {
    let region = region().await;
    let (_, served) = answer(region.request(Method::GET, "/v1/openapi.json")).await;
    let committed: Value = serde_json::from_str(include_str!("../../../../functions/api/openapi.json")).unwrap();
    assert_eq!(served, committed);
    let (_, problems) = answer(region.request(Method::GET, "/v1/problems")).await;
    assert!(problems.as_array().unwrap().len() >= 9);
}
