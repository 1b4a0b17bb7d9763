//! The methods that every path answers: `HEAD` where there is `GET`, and `OPTIONS`.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use shared::problem::{Kind, Problem};

/// The answer to a method that a path has no handler for. `axum` adds `Allow` with those it has.
pub(crate) async fn other(method: Method) -> Response {
    if method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        Problem::of(Kind::MethodNotAllowed).into_response()
    }
}

/// Handles `HEAD` as `GET`, so that the headers are the same, those of compression included, and
/// leaves the body out. Where `Allow` is sent, it names `OPTIONS` too.
pub(crate) async fn usual(mut request: Request, next: Next) -> Response {
    let is_head = request.method() == Method::HEAD;
    if is_head {
        *request.method_mut() = Method::GET;
    }
    let mut response = next.run(request).await;
    if is_head {
        *response.body_mut() = Body::empty();
    }
    let allowed = response.headers().get(header::ALLOW).and_then(|allowed| allowed.to_str().ok());
    if let Some(Ok(allowed)) = allowed.map(|allowed| HeaderValue::try_from(format!("{allowed},OPTIONS"))) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::{
        Router,
        body::to_bytes,
        http::HeaderMap,
        routing::{get, post},
    };
    use lambda_http::tower::ServiceExt;

    use super::*;
    use crate::middleware::around;

    /// The answer of a router that knows two paths, with whether it has a body.
    async fn answer(method: &str, path: &str, accept_encoding: &str) -> (StatusCode, HeaderMap, bool) {
        let router = Router::new()
            .route("/short", get(|| async { "short" }).post(|| async {}))
            .route("/long", get(|| async { "long ".repeat(1_000) }))
            .route("/post", post(|| async {}))
            .fallback(|| async { Problem::of(Kind::NotFound) })
            .method_not_allowed_fallback(other);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("accept-encoding", accept_encoding);
        let answer = around(router, None).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        (parts.status, parts.headers, !to_bytes(body, usize::MAX).await.unwrap().is_empty())
    }

    #[tokio::test]
    async fn head_has_the_headers_of_get_and_no_body() {
        for (path, accept_encoding) in [
            ("/short", "gzip"),
            ("/long", "gzip"),
            ("/long", "identity"),
            ("/unknown", ""),
            ("/post", ""),
        ] {
            let get = answer("GET", path, accept_encoding).await;
            let head = answer("HEAD", path, accept_encoding).await;
            assert_eq!((head.0, head.1), (get.0, get.1), "{path}");
            assert!(get.2 && !head.2, "{path}");
        }
    }

    #[tokio::test]
    async fn options_and_other_methods_are_told_what_a_path_allows() {
        for (method, path, status, allowed) in [
            ("OPTIONS", "/short", 204, Some("GET,HEAD,POST,OPTIONS")),
            ("OPTIONS", "/post/", 204, Some("POST,OPTIONS")),
            ("OPTIONS", "/unknown", 404, None),
            ("DELETE", "/short", 405, Some("GET,HEAD,POST,OPTIONS")),
            ("BREW", "/long", 405, Some("GET,HEAD,OPTIONS")),
        ] {
            let (got, headers, has_body) = answer(method, path, "").await;
            assert_eq!(got, status, "{method} {path}");
            assert_eq!(
                headers.get("allow").map(HeaderValue::as_bytes),
                allowed.map(str::as_bytes),
                "{method} {path}"
            );
            assert_eq!(has_body, status != 204, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn a_slash_at_the_end_of_a_path_does_not_matter() {
        for path in ["/short", "/short/", "/short//"] {
            assert_eq!(answer("GET", path, "").await.0, 200, "{path}");
        }
    }

    #[tokio::test]
    async fn a_long_answer_is_compressed_for_those_who_take_it() {
        for (path, accept_encoding, is_compressed) in [
            ("/long", "gzip", true),
            ("/long", "deflate, GZIP;q=0.5, *;q=0", true),
            ("/long", "br, x-gzip", true),
            ("/long", "", false),
            ("/long", "br", false),
            ("/long", "gzip;q=0", false),
            ("/long", "gzip;q=0.3, identity;q=0.5", false),
            ("/short", "gzip", false),
        ] {
            let (_, headers, _) = answer("GET", path, accept_encoding).await;
            let encoding = headers.get("content-encoding").map(HeaderValue::as_bytes);
            assert_eq!(encoding, is_compressed.then_some(&b"gzip"[..]), "{accept_encoding}");
            assert_eq!(headers["vary"], "accept-encoding", "{accept_encoding}");
        }
    }
}
