//! Makes a request of any event of API Gateway, and answers it.
//!
//! `lambda_http` refuses an event whose headers are not ASCII, and panics if the query or the host
//! does not fit into a URI. In both cases API Gateway answers with status 500 and no problem
//! document. So whatever a client may send and no route needs is taken out of the event before, and
//! what does not fit into the query of a URI is percent-encoded.

use axum::{
    Router,
    http::{HeaderName, HeaderValue},
};
use lambda_http::{
    Adapter, Error, LambdaEvent, Request, Service, aws_lambda_events::apigw::ApiGatewayV2httpRequest, request::LambdaRequest, service_fn,
    tower::ServiceExt,
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::body::Received;

/// The longest path and the longest query. API Gateway takes 10,240 bytes for the request line and
/// all headers. Percent-encoding makes each of them three times as long at most, so that both
/// together fit into the 65,534 bytes of [`axum::http::Uri`].
const LONGEST: usize = 10_240;

/// The ASCII characters that a query may not contain as they are (RFC 3986 §3.4). The percent sign
/// is looked at apart.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The ASCII characters that a URL loses if they are in its path as they are: those of control, and a space at
/// its end.
const LOST: &AsciiSet = &CONTROLS.add(b' ');

/// Answers an event.
///
/// # Errors
/// Never: every problem is a response.
pub async fn answer(router: Router, event: LambdaEvent<Value>) -> Result<impl Serialize, Error> {
    let received = Received::of(&event.payload["body"]);
    let request = LambdaRequest::ApiGatewayV2(request(event.payload)?);
    let mut adapter = Adapter::from(service_fn(move |mut request: Request| {
        request.extensions_mut().insert(received);
        router.clone().oneshot(request)
    }));
    Ok(adapter.call(LambdaEvent::new(request, event.context)).await?)
}

/// The request in an event. If the event holds none, it is a request for a path that does not
/// exist.
fn request(mut event: Value) -> Result<ApiGatewayV2httpRequest, Error> {
    tidy(&mut event);
    serde_json::from_value(event).or_else(|_| {
        // The cause is not logged, because it may quote the body.
        tracing::warn!("An event is no request of API Gateway. It is answered like an unknown path.");
        let unknown = json!({"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "GET"}}});
        Ok(serde_json::from_value(unknown)?)
    })
}

/// Takes out of an event what does not fit into a request and what no route needs: the host,
/// headers that are not ASCII, and the second form of the query. The query itself is encoded.
fn tidy(event: &mut Value) {
    let Some(event) = event.as_object_mut() else { return };
    event.remove("queryStringParameters");
    let query = event.remove("rawQueryString");
    let query = query.as_ref().and_then(Value::as_str).unwrap_or_default();
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
    let path = event.get("rawPath").and_then(Value::as_str).unwrap_or_default();
    if is_plain(path) && path.len() <= LONGEST && query.len() <= LONGEST {
        let path = utf8_percent_encode(path, LOST).to_string();
        event.insert("rawPath".to_owned(), path.into());
        event.insert("rawQueryString".to_owned(), encoded(query).into());
    } else {
        event.insert("rawPath".to_owned(), "/".into());
    }
}

/// Whether a path names what it seems to name. In a URL, an empty segment at the end is lost, and a segment of
/// dots leads to another path.
fn is_plain(path: &str) -> bool {
    let is_dots = |segment: &str| [".", ".."].contains(&segment.to_ascii_lowercase().replace("%2e", ".").as_str());
    path.starts_with('/') && !path.contains("//") && !path.split('/').any(is_dots)
}

/// The query of a URI. What is encoded already stays as it is, and a percent sign that begins no
/// encoded byte is encoded itself.
fn encoded(query: &str) -> String {
    let mut encoded = String::with_capacity(query.len());
    for (number, piece) in query.split('%').enumerate() {
        let is_byte = piece
            .as_bytes()
            .first_chunk()
            .is_some_and(|[a, b]| a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
        encoded.push_str(match (number, is_byte) {
            (0, _) => "",
            (_, true) => "%",
            (_, false) => "%25",
        });
        encoded.extend(utf8_percent_encode(piece, ENCODED));
    }
    encoded
}

#[cfg(test)]
mod tests {
    use axum::{Extension, http::Uri, routing::any};
    use lambda_http::Context;
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    /// The answer of a router that knows one path, and repeats the URI that it got.
    async fn reply(event: Value) -> Value {
        let router = Router::new().route("/known", any(|uri: Uri| async move { uri.to_string() }));
        let answer = answer(router, LambdaEvent::new(event, Context::default())).await.unwrap();
        serde_json::to_value(answer).unwrap()
    }

    async fn status(event: Value) -> Value {
        reply(event).await["statusCode"].clone()
    }

    fn event(path: &str) -> Value {
        json!({"version": "2.0", "rawPath": path, "headers": {}, "requestContext": {"http": {"method": "GET"}, "domainName": "api.example"}})
    }

    #[tokio::test]
    async fn what_no_route_needs_does_not_matter() {
        for (field, value) in [
            ("rawQueryString", json!(1)),
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
    async fn a_query_reaches_its_route_in_a_form_that_a_uri_may_have() {
        for (query, expected) in [
            ("", ""),
            ("fields=id,status&limit=10", "fields=id,status&limit=10"),
            ("a=%C3%A9+b&c=%2f", "a=%C3%A9+b&c=%2f"),
            ("a=<b>&\"é\"", "a=%3Cb%3E&%22%C3%A9%22"),
            ("100%", "100%25"),
            ("%%41%4", "%25%41%254"),
            ("%é", "%25%C3%A9"),
            ("a#b?c=[d]|^`{}\\", "a%23b?c=%5Bd%5D%7C%5E%60%7B%7D%5C"),
            ("\u{0}\n \u{7f}\u{FFFF}", "%00%0A%20%7F%EF%BF%BF"),
        ] {
            let mut event = event("/known");
            event["rawQueryString"] = query.into();
            let reply = reply(event).await;
            let uri = reply["body"].as_str().unwrap();
            assert_eq!(uri.split_once('?').map_or("", |(_, query)| query), expected, "{query:?}: {uri}");
        }
    }

    #[tokio::test]
    async fn path_and_query_are_bounded_together_with_what_encoding_adds() {
        let longest = "é".repeat(LONGEST / 2);
        for (path, query, status) in [
            ("/known".to_owned(), longest.clone(), 200),
            ("/known".to_owned(), format!("{longest}a"), 404),
            (format!("/{}", &longest[2..]), longest, 404),
        ] {
            let mut event = event(&path);
            event["rawQueryString"] = query.into();
            assert_eq!(self::status(event).await, status, "{path:.40}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_one_of_a_uri_and_is_encoded_once(query in proptest::prelude::any::<String>()) {
            let once = encoded(&query);
            prop_assert!(format!("/known?{once}").parse::<Uri>().is_ok(), "{}", once);
            prop_assert_eq!(encoded(&once), once);
        }
    }

    #[tokio::test]
    async fn a_route_knows_how_long_the_body_was_in_the_event() {
        for body in ["", "text", "a \"b\" \\ \n\t\u{8}\u{1}\u{1f}\u{7f}é", "e30="] {
            let router = Router::new().route("/known", any(async |Extension(Received(bytes))| bytes.to_string()));
            let mut event = event("/known");
            event["body"] = body.into();
            event["isBase64Encoded"] = (body == "e30=").into();
            let answer = answer(router, LambdaEvent::new(event, Context::default())).await.unwrap();
            let in_json = serde_json::to_string(body).unwrap().len() - 2;
            assert_eq!(serde_json::to_value(answer).unwrap()["body"], in_json.to_string(), "{body:?}");
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
    async fn a_path_is_no_other_one() {
        for path in [
            "/known//", "/known/\u{0}", "/known/ ", "/kno\nwn", "/known\u{1f}", "/known/%00", "/other/../known", "/other/%2E./known",
            "/./known",
        ] {
            assert_eq!(status(event(path)).await, 404, "{path:?}");
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
