//! What a client says about a request comes back to it, and stands in the logs of everything that
//! is done for this request.

use local::cloud::tenant;
use reqwest::{Method, RequestBuilder, header::HeaderMap};

use crate::cloud::{Region, cloud, comes_true, region, submission};

const TRACE: &str = "7d1e5c3a9b2f48d6a0c4e8f1b3579ace";

fn submit(region: &Region) -> RequestBuilder {
    let request = region.request(Method::POST, "/v1/summaries").bearer_auth(tenant::KEY);
    request.json(&submission("traced"))
}

async fn headers(request: RequestBuilder) -> HeaderMap {
    request.send().await.unwrap().headers().clone()
}

#[tokio::test]
async fn a_request_has_an_id_of_the_service_and_one_of_the_client() {
    let region = region().await;
    let health = || region.request(Method::GET, "/v1/health");
    let answer = headers(health().header("x-request-id", "order-17")).await;
    assert_eq!(answer["x-client-request-id"], "order-17");
    assert_ne!(answer["x-request-id"], "order-17");
    for unusual in ["two words", &"a".repeat(129)] {
        let answer = headers(health().header("x-request-id", unusual)).await;
        assert!(!answer.contains_key("x-client-request-id"), "{unusual}");
        assert!(!answer["x-request-id"].is_empty(), "{unusual}");
    }
}

#[tokio::test]
async fn the_logs_of_a_delivery_name_the_trace_of_its_submission() {
    let (cloud, region) = (cloud().await, region().await);
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let answer = headers(submit(&region).header("traceparent", parent)).await;
    let id = answer["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
    region.succeeds(&id).await;
    // MiniStack writes what the workers log into its own log.
    let log = cloud.instance.log("ministack");
    comes_true("the worker logs the trace", async || {
        let log = String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
        log.lines()
            .any(|line| line.contains(TRACE) && line.contains(&id) && line.contains("A job has finished."))
    })
    .await;
}
