//! The API keeps what its description says.

use local::{cloud::tenant, tools::contract};
use reqwest::Method;
use serde_json::Value;

use crate::cloud::{answer, region};

/// Requests for each operation. `cargo local contract` tries more of them.
const CASES: u32 = 25;

#[tokio::test]
async fn the_api_keeps_what_its_description_says() {
    let url = region().await.url;
    let check = move || {
        let mut printed = String::new();
        let result = contract::check(&url, tenant::KEY, CASES, |line| {
            printed.push_str(line);
            printed.push('\n');
        });
        result.map_err(|error| format!("{printed}{error:#}"))
    };
    if let Err(report) = tokio::task::spawn_blocking(check).await.unwrap() {
        panic!("{report}");
    }
}

/// The examples of the description are requests that the service accepts.
#[tokio::test]
async fn the_examples_of_requests_are_accepted() {
    let region = region().await;
    let (_, description) = answer(region.request(Method::GET, "/v1/openapi.json")).await;
    let mut tried = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let examples = &operation["requestBody"]["content"]["application/json"]["examples"];
            // The example of an id names nothing that exists.
            let examples = examples.as_object().filter(|_| !path.contains('{'));
            let of_operators = ["/v1/tenants", "/v1/dead-letters"];
            let key = if of_operators.iter().any(|part| path.starts_with(part)) {
                tenant::ADMIN_KEY
            } else {
                tenant::KEY
            };
            for (name, example) in examples.into_iter().flatten() {
                let method: Method = method.to_uppercase().parse().unwrap();
                let request = region.request(method, path).bearer_auth(key).json(&example["value"]);
                let (status, body): (_, Value) = answer(request).await;
                assert!(status.is_success(), "{path} {name}: {body}");
                assert!(operation["responses"].get(status.as_str()).is_some(), "{path} {name}: {status}");
                tried += 1;
            }
        }
    }
    assert!(tried >= 5);
}
