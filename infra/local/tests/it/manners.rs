//! HTTP as a client of the service meets it: compressed bodies, conditional requests, `HEAD`,
//! `OPTIONS` and `Accept`, over API Gateway and as events.

use std::io::{Read, Write};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use local::cloud::tenant;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::cloud::{Region, cloud, comes_true, prose, region, submission};

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

fn with_key(region: &Region, method: Method, path: &str) -> RequestBuilder {
    region.request(method, path).bearer_auth(tenant::KEY)
}

/// A job that has finished, with its address.
async fn finished(region: &Region, seed: &str) -> (String, Value) {
    let id = region.accepted(&submission(seed)).await;
    let job = region.succeeds(&id).await;
    (format!("/v1/summaries/{id}"), job)
}

#[tokio::test]
async fn a_compressed_submission_is_a_submission() {
    let region = region().await;
    let text = prose("compressed", 300_000);
    let body = gzip(&json!({"text": text}).to_string());
    assert!(body.len() < 50_000);
    // API Gateway hands on a body of `application/json` as text, which a compressed one is not.
    let request = with_key(&region, Method::POST, "/v1/summaries").header("content-type", "application/vnd.summarease+json");
    let response = request.header("content-encoding", "gzip").body(body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let id = response.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
    region.succeeds(&id).await;
}

/// The same as events, in which Lambda gets and gives compressed bodies as base64.
#[tokio::test]
async fn events_hold_compressed_bodies_as_base64() {
    let api = cloud().await.emulator("api", &[]);
    let mut event: Value = serde_json::from_str(include_str!("../../../../events/api/submit.json")).unwrap();
    event["headers"]["content-encoding"] = "gzip".into();
    event["headers"]["accept-encoding"] = "gzip".into();
    event["isBase64Encoded"] = true.into();
    let metadata: Value = (0..16).map(|number| (format!("key{number}"), "v".repeat(100))).collect();
    let body = json!({"text": prose("event", 2_000), "metadata": metadata});
    event["body"] = BASE64_STANDARD.encode(gzip(&body.to_string())).into();
    let reply = api.invoke(&event).await.unwrap();
    assert_eq!(reply["statusCode"], 202, "{reply}");
    assert_eq!(reply["headers"]["content-encoding"], "gzip");
    assert_eq!(reply["isBase64Encoded"], true);
    let answer = BASE64_STANDARD.decode(reply["body"].as_str().unwrap()).unwrap();
    let answer: Value = serde_json::from_str(&gunzip(&answer)).unwrap();
    assert_eq!(answer["request"]["metadata"], body["metadata"]);

    for (encoding, body, status, says) in [
        ("gzip", "e30=", 400, "Content-Encoding"),
        ("zstd", "e30=", 415, "unsupported-encoding"),
    ] {
        event["headers"]["content-encoding"] = encoding.into();
        event["body"] = body.into();
        let reply = api.invoke(&event).await.unwrap();
        assert_eq!(reply["statusCode"], status, "{reply}");
        assert!(reply["body"].as_str().unwrap().contains(says), "{reply}");
    }
}

#[tokio::test]
async fn a_long_answer_is_compressed_and_a_short_one_is_not() {
    let region = region().await;
    let ask = |path, encoding| region.request(Method::GET, path).header("accept-encoding", encoding).send();
    let plain = ask("/v1/openapi.json", "identity").await.unwrap();
    assert_eq!(
        (plain.headers().get("content-encoding"), &plain.headers()["vary"]),
        (None, &"accept-encoding".parse().unwrap())
    );
    let plain = plain.text().await.unwrap();
    let packed = ask("/v1/openapi.json", "gzip, br").await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let packed = packed.bytes().await.unwrap();
    assert!(packed.len() < plain.len() / 3);
    assert_eq!(gunzip(&packed), plain);
    let short = ask("/v1/health", "gzip").await.unwrap();
    assert!(!short.headers().contains_key("content-encoding"));
}

#[tokio::test]
async fn a_client_that_has_the_answer_gets_no_body() {
    let region = region().await;
    let (path, job) = finished(&region, "conditional").await;
    let read = |name: &'static str, value: String| with_key(&region, Method::GET, &path).header(name, value).send();
    let first = read("accept", "*/*".to_owned()).await.unwrap();
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    assert!(tag.starts_with("W/\""), "{tag}");
    let is_unchanged = |response: Response| response.status() == StatusCode::NOT_MODIFIED && response.headers()["etag"] == tag.as_str();
    assert!(is_unchanged(read("if-none-match", tag.clone()).await.unwrap()));
    assert!(is_unchanged(read("if-none-match", tag.replace("W/", "")).await.unwrap()));
    assert!(!is_unchanged(read("if-none-match", "W/\"other\"".to_owned()).await.unwrap()));
    // The year after the job was made, and the year before.
    assert!(
        is_unchanged(read("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT".to_owned()).await.unwrap()),
        "{job}"
    );
    assert!(
        !is_unchanged(read("if-modified-since", "Wed, 01 Jan 2020 00:00:00 GMT".to_owned()).await.unwrap()),
        "{job}"
    );
}

#[tokio::test]
async fn head_and_a_slash_at_the_end_are_understood() {
    let region = region().await;
    let (path, _) = finished(&region, "headed").await;
    // It is sent from the next whole second on.
    comes_true("the job has a time of its last change", async || {
        let read = with_key(&region, Method::GET, &path).send().await.unwrap();
        read.headers().contains_key("last-modified")
    })
    .await;
    for path in [path.as_str(), "/v1/health", "/v1/problems", "/v1/openapi.json"] {
        let head = with_key(&region, Method::HEAD, path).send().await.unwrap();
        let get = with_key(&region, Method::GET, path).send().await.unwrap();
        assert_eq!(head.status(), StatusCode::OK, "{path}");
        for name in ["content-type", "etag", "last-modified", "vary", "cache-control"] {
            assert_eq!(head.headers().get(name), get.headers().get(name), "{path}: {name}");
        }
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
        let slash = with_key(&region, Method::GET, &format!("{path}/")).send().await.unwrap();
        assert_eq!(slash.status(), StatusCode::OK, "{path}/");
    }
}

/// As an event, because MiniStack answers `OPTIONS` itself.
#[tokio::test]
async fn options_names_the_methods_of_a_path() {
    let api = cloud().await.emulator("api", &[("CORS_ORIGINS", "https://www.example.com")]);
    let mut event: Value = serde_json::from_str(include_str!("../../../../events/api/submit.json")).unwrap();
    event["requestContext"]["http"]["method"] = "OPTIONS".into();
    let reply = api.invoke(&event).await.unwrap();
    assert_eq!(
        (&reply["statusCode"], &reply["headers"]["allow"]),
        (&json!(204), &json!("POST,GET,HEAD,OPTIONS")),
        "{reply}"
    );
    // This is the question of a browser.
    event["headers"]["origin"] = "https://www.example.com".into();
    event["headers"]["access-control-request-method"] = "POST".into();
    let reply = api.invoke(&event).await.unwrap();
    assert_eq!(
        reply["headers"]["access-control-allow-origin"], "https://www.example.com",
        "{reply}"
    );
    assert!(reply["headers"]["x-request-id"].is_string(), "{reply}");
}

#[tokio::test]
async fn a_client_that_takes_no_json_is_told_so_before_anything_is_done() {
    let region = region().await;
    let post = |accept| {
        with_key(&region, Method::POST, "/v1/summaries")
            .json(&submission("unwanted"))
            .header("accept", accept)
            .send()
    };
    let response = post("text/html").await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.status(), StatusCode::NOT_ACCEPTABLE);
    assert!(response.text().await.unwrap().contains("not-acceptable"));
    // No job was made of the first one, so that this one is new.
    assert_eq!(
        post("text/html, application/*;q=0.1").await.unwrap().headers()["summarease-cache"],
        "miss"
    );
}
