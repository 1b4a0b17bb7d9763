//! What API Gateway makes from a request. Functions that ask the API by invoking it send the same.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// The path that says which stores answer.
pub const DEEP_HEALTH: &str = "/v1/health/deep";

/// The event that API Gateway makes from a request, with the fields that the API reads.
pub fn event(method: &str, path: &str, key: Option<&SecretString>, body: Option<&Value>) -> Value {
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": { "host": "summarease", "content-type": "application/json" },
        "requestContext": {
            "accountId": "summarease",
            "apiId": "summarease",
            "domainName": "summarease",
            "domainPrefix": "summarease",
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "summarease" },
            "requestId": "summarease",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": OffsetDateTime::now_utc().unix_timestamp() * 1000,
        },
        "body": body.map(Value::to_string),
        "isBase64Encoded": false,
    });
    if let Some(key) = key {
        event["headers"]["authorization"] = format!("Bearer {}", key.expose_secret()).into();
    }
    event
}

/// Whether the database answers, as the answer to `GET /v1/health/deep` says it.
pub fn database_answers(health: &Value) -> Option<bool> {
    health["stores"]["archive"]["ok"].as_bool()
}
