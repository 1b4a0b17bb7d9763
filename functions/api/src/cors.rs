//! Which web pages may call the API from a browser (CORS, as the Fetch standard has it). Without
//! the variable `CORS_ORIGINS`, none may.

use std::time::Duration;

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, Uri, header},
};
use lambda_http::tower::ServiceExt;
use shared::config::{self, ConfigError};
use tower_http::cors::{AllowOrigin, CorsLayer};

const VARIABLE: &str = "CORS_ORIGINS";

/// How long a browser keeps the answer to its question.
const KEPT: Duration = Duration::from_hours(1);

const METHODS: [Method; 5] = [Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE];

/// The headers that a web page may send.
const SENT: [HeaderName; 9] = [
    header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    header::CONTENT_TYPE,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("prefer"),
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("x-request-id"),
];

/// The headers of an answer that a web page may read, besides those that it always may.
const READ: [HeaderName; 10] = [
    header::ETAG,
    header::LOCATION,
    header::RETRY_AFTER,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("preference-applied"),
    HeaderName::from_static("summarease-cache"),
    HeaderName::from_static("summarease-admission"),
    HeaderName::from_static("x-request-id"),
    header::LINK,
];

/// The origins of web pages that may call the API, or all of them.
#[derive(Clone)]
pub(crate) struct Origins(AllowOrigin);

impl Origins {
    /// # Errors
    /// If the variable is neither `*` nor a list of origins.
    pub(crate) fn from_env() -> Result<Option<Self>, ConfigError> {
        let expected = "`*`, or origins such as https://www.example.com with commas between them";
        let wrong = ConfigError::Invalid { name: VARIABLE, expected };
        config::optional(VARIABLE).map(|value| Self::parse(&value).ok_or(wrong)).transpose()
    }

    fn parse(value: &str) -> Option<Self> {
        if value == "*" {
            return Some(Self(AllowOrigin::any()));
        }
        let origins: Option<Vec<_>> = value.split(',').map(origin).collect();
        Some(Self(AllowOrigin::list(origins?)))
    }
}

/// An origin as browsers write it: scheme, host and perhaps port, without a slash at its end.
fn origin(text: &str) -> Option<HeaderValue> {
    let origin = text.trim();
    let uri: Uri = origin.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let is_origin = format!("{scheme}://{authority}") == origin && origin == origin.to_ascii_lowercase();
    (is_origin && matches!(scheme, "http" | "https")).then(|| origin.parse().ok())?
}

/// Lets the web pages of these origins call a router. Their API key is a header that they add
/// themselves, so that no cookies or other credentials of the browser are allowed.
pub(crate) fn open(router: Router, origins: Option<&Origins>) -> Router {
    let Some(Origins(origins)) = origins.cloned() else { return router };
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods(METHODS)
        .allow_headers(SENT)
        .expose_headers(READ)
        .max_age(KEPT);
    let opened = router.clone().layer(cors);
    // The layer answers every `OPTIONS` as if a browser had asked for the rights of a page. One
    // that does not ask for them is for the router.
    Router::new().fallback(move |request: Request| {
        let is_plain = request.method() == Method::OPTIONS && !request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        (if is_plain { router } else { opened }).oneshot(request)
    })
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::HeaderMap, routing::post};

    use super::*;

    async fn answer(origins: Option<&str>, method: Method, headers: &[(&str, &str)]) -> (u16, HeaderMap) {
        let origins = origins.map(|origins| Origins::parse(origins).unwrap());
        let router = open(Router::new().route("/", post(|| async {})), origins.as_ref());
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        (answer.status().as_u16(), answer.headers().clone())
    }

    fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
        headers.get(name).map(|value| value.to_str().unwrap())
    }

    const PAGE: (&str, &str) = ("origin", "https://www.example.com");

    #[tokio::test]
    async fn a_browser_learns_what_a_page_of_an_allowed_origin_may_do() {
        let question = [
            PAGE,
            ("access-control-request-method", "PATCH"),
            ("access-control-request-headers", "authorization,content-type"),
        ];
        for origins in ["https://other.example:8443, https://www.example.com", "*"] {
            let (status, headers) = answer(Some(origins), Method::OPTIONS, &question).await;
            assert_eq!(status, 200);
            let allowed = if origins == "*" { "*" } else { PAGE.1 };
            assert_eq!(text(&headers, "access-control-allow-origin"), Some(allowed));
            assert_eq!(text(&headers, "access-control-allow-methods"), Some("GET,HEAD,POST,PATCH,DELETE"));
            assert!(text(&headers, "access-control-allow-headers").unwrap().contains("idempotency-key"));
            assert_eq!(text(&headers, "access-control-max-age"), Some("3600"));
            assert_eq!(text(&headers, "access-control-allow-credentials"), None);
        }
    }

    #[tokio::test]
    async fn only_pages_of_allowed_origins_read_answers() {
        let (status, headers) = answer(Some("https://www.example.com"), Method::POST, &[PAGE]).await;
        assert_eq!((status, text(&headers, "access-control-allow-origin")), (200, Some(PAGE.1)));
        assert!(text(&headers, "access-control-expose-headers").unwrap().contains("x-request-id"));
        for origins in [None, Some("https://www.example.org")] {
            let (status, headers) = answer(origins, Method::POST, &[PAGE]).await;
            assert_eq!((status, text(&headers, "access-control-allow-origin")), (200, None), "{origins:?}");
        }
    }

    #[tokio::test]
    async fn a_plain_options_is_for_the_router() {
        let (status, headers) = answer(Some("*"), Method::OPTIONS, &[]).await;
        assert_eq!((status, text(&headers, "allow")), (405, Some("POST")));
    }

    #[test]
    fn only_origins_are_taken() {
        for origins in ["*", "https://a.example", "http://localhost:8080,https://b.example"] {
            assert!(Origins::parse(origins).is_some(), "{origins}");
        }
        for wrong in [
            "a.example", "https://a.example/", "https://a.example/path", "https://*.example,*", "ftp://a.example", "https://A.example", ",",
        ] {
            assert!(Origins::parse(wrong).is_none(), "{wrong}");
        }
    }
}
