//! Makes a request of any event of API Gateway, and answers it.
//!
//! `lambda_http` refuses an event whose headers are not ASCII, and panics if the query or the host
//! does not fit into a URI. In both cases API Gateway answers with status 500 and no problem
//! document. So whatever a client may send and no route needs is taken out of the event before.

use axum::{
    Router,
    http::{HeaderName, HeaderValue},
};
use lambda_http::{
    Adapter, Error, LambdaEvent, Service, aws_lambda_events::apigw::ApiGatewayV2httpRequest, request::LambdaRequest, service_fn,
    tower::ServiceExt,
};
use serde::Serialize;
use serde_json::{Value, json};

/// The longest path. API Gateway takes 10,240 bytes for the request line and all headers.
const PATH_BYTES: usize = 10_240;

/// Answers an event.
///
/// # Errors
/// Never: every problem is a response.
pub async fn answer(router: Router, event: LambdaEvent<Value>) -> Result<impl Serialize, Error> {
    let request = LambdaRequest::ApiGatewayV2(request(event.payload)?);
    let mut adapter = Adapter::from(service_fn(move |request| router.clone().oneshot(request)));
    Ok(adapter.call(LambdaEvent::new(request, event.context)).await?)
}

/// The request in an event. If the event holds none, it is a request for a path that does not exist.
fn request(mut event: Value) -> Result<ApiGatewayV2httpRequest, Error> {
    tidy(&mut event);
    serde_json::from_value(event).or_else(|_| {
        // The cause is not logged, because it may quote the body.
        tracing::warn!("An event is no request of API Gateway. It is answered like an unknown path.");
        let unknown = json!({"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "GET"}}});
        Ok(serde_json::from_value(unknown)?)
    })
}

/// Takes out of an event what does not fit into a request and what no route needs: the query, the
/// host, and headers that are not ASCII.
fn tidy(event: &mut Value) {
    let Some(event) = event.as_object_mut() else { return };
    for unused in ["rawQueryString", "queryStringParameters"] {
        event.remove(unused);
    }
    if let Some(headers) = event.get_mut("headers").and_then(Value::as_object_mut) {
        headers.retain(|name, value| {
            let is_unused = ["host", "x-forwarded-proto"].iter().any(|unused| name.eq_ignore_ascii_case(unused));
            let is_valid = value.as_str().is_some_and(|value| value.parse::<HeaderValue>().is_ok());
            !is_unused && is_valid && name.parse::<HeaderName>().is_ok()
        });
    }
    if let Some(context) = event.get_mut("requestContext").and_then(Value::as_object_mut) {
        context.remove("domainName");
    }
    let path = event.get("rawPath").and_then(Value::as_str);
    if path.is_none_or(|path| !path.starts_with('/') || path.len() > PATH_BYTES) {
        event.insert("rawPath".to_owned(), "/".into());
    }
}

#[cfg(test)]
mod tests {
    use axum::{http::Uri, routing::any};
    use lambda_http::Context;

    use super::*;

    /// The status of the answer of a router that knows one path.
    async fn status(event: Value) -> Value {
        let router = Router::new().route("/known", any(|uri: Uri| async move { uri.to_string() }));
        let answer = answer(router, LambdaEvent::new(event, Context::default())).await.unwrap();
        serde_json::to_value(answer).unwrap()["statusCode"].clone()
    }

    fn event(path: &str) -> Value {
        json!({"version": "2.0", "rawPath": path, "headers": {}, "requestContext": {"http": {"method": "GET"}, "domainName": "api.example"}})
    }

    #[tokio::test]
    async fn what_no_route_needs_does_not_matter() {
        for (field, value) in [
            ("rawQueryString", json!("a=<b>&\"é\"")),
            ("queryStringParameters", json!({"a": 1})),
            ("headers", json!({"host": "not a host", "X-Forwarded-Proto": "::"})),
            ("headers", json!({"x-name": "é", "bad name": "b", "x-number": 1})),
            ("cookies", json!(["é"])),
        ] {
            let mut event = event("/known");
            event[field] = value;
            assert_eq!(status(event.clone()).await, 200, "{event}");
        }
    }

    #[tokio::test]
    async fn any_path_has_an_answer() {
        for path in [
            "",
            "known",
            ":99999",
            "//",
            "/%",
            "/%FF",
            "/%25FF",
            "/%00",
            "/<>",
            "/\u{0}\u{7f}",
            "/é\u{FFFF}",
            "/?#",
            "/\\",
            "/[^|`{}]",
            &"/long".repeat(20_000),
        ] {
            assert_eq!(status(event(path)).await, 404, "{path:.40}");
        }
    }

    #[tokio::test]
    async fn an_event_that_is_no_request_has_an_answer() {
        for event in [
            json!({}),
            json!(null),
            json!([1]),
            json!({"rawPath": "/known"}),
            json!({"version": 2, "requestContext": "a"}),
        ] {
            assert_eq!(status(event.clone()).await, 404, "{event}");
        }
    }
}
