//! Reads the body of a request: a JSON document, as it is or compressed, of a bounded size.

use std::error::Error;

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use http_body_util::LengthLimitError;
use serde_json::Value;
use shared::{
    job::Limits,
    problem::{Kind, Problem},
};
use tower_http::decompression::RequestDecompressionLayer;

/// The most bytes that a body may have inside the event in which Lambda gets it. An event may have
/// 6 MB, of which 64 KiB are reserved for the rest: API Gateway takes 10,240 bytes for the request
/// line and all headers, and writes some of them several times into the event.
const EVENT_BYTES: usize = 6 * 1024 * 1024 - 64 * 1024;

/// How many bytes the body of a request has inside its event, as the string of JSON that it is
/// there. A body that is not text is base64.
#[derive(Clone, Copy)]
pub(crate) struct Received(pub(crate) usize);

impl Received {
    pub(crate) fn of(body: &Value) -> Self {
        let length = |byte: u8| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0C => 2,
            0..0x20 => 6,
            _ => 1,
        };
        Self(body.as_str().unwrap_or_default().bytes().map(length).sum())
    }
}

/// Lets the routes of a router read compressed bodies like others.
pub(crate) fn decoded(router: Router) -> Router {
    router
        .layer(RequestDecompressionLayer::new())
        .layer(middleware::from_fn(known_encoding))
        .layer(middleware::from_fn(within_event))
}

/// Refuses a body that Lambda would not have passed on. On AWS, API Gateway answers before this
/// does, so that this is for other ways to the function.
async fn within_event(request: Request, next: Next) -> Response {
    match request.extensions().get() {
        Some(Received(bytes)) if *bytes > EVENT_BYTES => Problem::new(
            Kind::PayloadTooLarge,
            format!(
                "The body takes {bytes} bytes where the limit is {EVENT_BYTES}: what JSON escapes counts double, and what is not text counts four thirds. Send it with `Content-Encoding: gzip`, or split the document."
            ),
        )
        .into_response(),
        _ => next.run(request).await,
    }
}

/// Refuses a body with an encoding that the service does not decode. The names of the others are
/// written as [`RequestDecompressionLayer`] expects them: RFC 9110 §8.4.1 allows capitals, and
/// `x-gzip` for `gzip`.
async fn known_encoding(mut request: Request, next: Next) -> Response {
    let values: Vec<_> = request.headers().get_all(header::CONTENT_ENCODING).iter().collect();
    let encoding = match values.as_slice() {
        [] => return next.run(request).await,
        [value] => value.to_str().unwrap_or_default().trim().to_ascii_lowercase(),
        _ => String::new(),
    };
    let known = match encoding.as_str() {
        "gzip" | "x-gzip" => "gzip",
        "br" => "br",
        "identity" => "identity",
        _ => {
            let mut refused = Problem::of(Kind::UnsupportedEncoding).into_response();
            refused
                .headers_mut()
                .insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, br"));
            return refused;
        }
    };
    request
        .headers_mut()
        .insert(header::CONTENT_ENCODING, HeaderValue::from_static(known));
    next.run(request).await
}

/// Whether a body is declared as JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let mime = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mime = mime.unwrap_or_default().split(';').next().unwrap_or_default();
    let mime = mime.trim().to_ascii_lowercase();
    mime == "application/json" || (mime.starts_with("application/") && mime.ends_with("+json"))
}

/// Reads a body that is declared as JSON. No more of it is decoded than the service takes, however
/// small it was when it came.
pub(crate) async fn json(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    if !is_json(headers) {
        return Err(Problem::of(Kind::UnsupportedMediaType));
    }
    read(body, Limits::BODY_BYTES, "Split the document.").await
}

/// Reads a body of up to `most` bytes. `advice` is what to do with a longer one.
pub(crate) async fn read(body: Body, most: usize, advice: &str) -> Result<Bytes, Problem> {
    to_bytes(body, most).await.map_err(|error| {
        let is_too_long = error.source().is_some_and(<dyn Error>::is::<LengthLimitError>);
        if is_too_long {
            Problem::new(
                Kind::PayloadTooLarge,
                format!("The body, when it is decoded, is longer than the limit of {most} bytes. {advice}"),
            )
        } else {
            Problem::new(
                Kind::MalformedBody,
                "The body cannot be decoded, because it is not what `Content-Encoding` says, or is not complete. Send it with `Content-Type: application/vnd.summarease+json`: gateways on the way may take a body of `application/json` for text and damage it.",
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use axum::{http::StatusCode, routing::post};
    use brotli::CompressorWriter;
    use flate2::{Compression, write::GzEncoder};
    use lambda_http::tower::ServiceExt;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn brotli(text: &[u8]) -> Vec<u8> {
        let mut encoder = CompressorWriter::new(Vec::new(), 4096, 5, 22);
        encoder.write_all(text).unwrap();
        encoder.into_inner()
    }

    /// The answer of a route that repeats the body it has read.
    async fn answer(encoding: Option<&str>, body: Vec<u8>) -> (StatusCode, HeaderMap, String) {
        let echo = async |headers: HeaderMap, body: Body| json(&headers, body).await;
        let mut request = Request::post("/").header("content-type", "application/json");
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        let router = decoded(Router::new().route("/", post(echo)));
        let response = router.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_body_is_read_in_each_encoding_that_is_offered() {
        let text = br#"{"a":1}"#;
        for (encoding, body) in [
            (None, text.to_vec()),
            (Some("identity"), text.to_vec()),
            (Some("gzip"), gzip(text)),
            (Some(" X-GZIP "), gzip(text)),
            (Some("br"), brotli(text)),
        ] {
            let (status, _, body) = answer(encoding, body).await;
            assert_eq!((status, body.as_bytes()), (StatusCode::OK, &text[..]), "{encoding:?}");
        }
    }

    #[tokio::test]
    async fn another_encoding_is_refused_with_those_that_are_offered() {
        for encoding in ["zstd", "deflate", "gzip, br", "*", "", "é"] {
            let (status, headers, body) = answer(Some(encoding), Vec::new()).await;
            assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{encoding}");
            assert_eq!(headers["accept-encoding"], "gzip, br");
            assert!(body.contains("unsupported-encoding"), "{body}");
        }
    }

    #[tokio::test]
    async fn a_body_that_is_not_what_its_encoding_says_is_malformed() {
        let whole = gzip(&[b'a'; 1000]);
        let mut damaged = whole.clone();
        damaged[12] ^= 0xFF;
        for (encoding, body) in [
            ("gzip", b"{}".to_vec()),
            ("gzip", whole[..whole.len() - 4].to_vec()),
            ("gzip", damaged),
            ("br", gzip(b"{}")),
            ("br", brotli(b"{}")[..3].to_vec()),
        ] {
            let (status, _, body) = answer(Some(encoding), body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{encoding}: {body}");
            assert!(body.contains("Content-Encoding"), "{body}");
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_fit_into_an_event_is_refused() {
        for (bytes, status) in [(EVENT_BYTES, StatusCode::OK), (EVENT_BYTES + 1, StatusCode::PAYLOAD_TOO_LARGE)] {
            let mut request = Request::post("/").body(Body::empty()).unwrap();
            request.extensions_mut().insert(Received(bytes));
            let router = decoded(Router::new().route("/", post(|| async {})));
            assert_eq!(router.oneshot(request).await.unwrap().status(), status, "{bytes}");
        }
    }

    #[tokio::test]
    async fn a_body_counts_as_long_as_it_is_when_it_is_decoded() {
        let longest = vec![b' '; Limits::BODY_BYTES];
        let (status, _, body) = answer(Some("gzip"), gzip(&longest)).await;
        assert_eq!((status, body.len()), (StatusCode::OK, Limits::BODY_BYTES));
        let bomb = gzip(&vec![b' '; 20 * Limits::BODY_BYTES]);
        assert!(bomb.len() < Limits::BODY_BYTES / 8);
        for (encoding, body) in [(None, [longest, b" ".to_vec()].concat()), (Some("gzip"), bomb)] {
            let (status, _, body) = answer(encoding, body).await;
            assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{encoding:?}");
            assert!(body.contains("when it is decoded") && body.contains("5242880"), "{body}");
        }
    }
}
