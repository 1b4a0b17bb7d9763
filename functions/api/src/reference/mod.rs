//! `GET /v1/docs`: the reference of the API for people. It is made of the committed `OpenAPI`
//! description, and is plain HTML without scripts.

mod operations;
mod schemas;
mod text;

use std::sync::LazyLock;

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    response::IntoResponse,
    routing::get,
};
use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

use self::text::{prose, string};
use crate::openapi::COMMITTED;

/// What the page may load: its own stylesheet, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page. It is made when someone asks for it for the first time.
static PAGE: LazyLock<String> = LazyLock::new(|| page(&serde_json::from_str(COMMITTED).unwrap_or_default()).into_string());

/// The routes of the page and its stylesheet.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/v1/docs", get(async || answer("text/html; charset=utf-8", &PAGE)))
        .route(
            "/v1/docs/style.css",
            get(async || answer("text/css; charset=utf-8", include_str!("style.css"))),
        )
}

fn answer(media_type: &'static str, body: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, body)
}

fn page(description: &Value) -> Markup {
    let info = &description["info"];
    let (title, version) = (string(&info["title"]), string(&info["version"]));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " API " (version) }
                link rel="stylesheet" href="docs/style.css";
            }
            body {
                nav aria-label="Contents" {
                    h2 { "Operations" }
                    (operations::contents(description))
                    h2 { "Schemas" }
                    (schemas::contents(description))
                }
                main {
                    h1 { (title) " API " small { (version) } }
                    p { (prose(string(&info["description"]))) }
                    p { "The same as OpenAPI 3.1, for programs: " a href="openapi.json" { "openapi.json" } "." }
                    (operations::all(description))
                    h2 { "Schemas" }
                    (schemas::all(description))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::{
        body::{Body, to_bytes},
        http::Request,
    };
    use lambda_http::tower::ServiceExt;

    use super::{text::entries, *};

    #[tokio::test]
    async fn the_page_and_its_style_are_served_with_a_strict_policy() {
        for (path, media_type, says) in [
            ("/v1/docs", "text/html; charset=utf-8", "Submit a text"),
            ("/v1/docs/style.css", "text/css; charset=utf-8", "prefers-color-scheme"),
        ] {
            let answer = routes::<()>()
                .oneshot(Request::get(path).body(Body::empty()).unwrap())
                .await
                .unwrap();
            assert_eq!(answer.headers()["content-type"], media_type);
            assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
            assert_eq!(answer.headers()["content-security-policy"], POLICY);
            let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            assert!(String::from_utf8(body.to_vec()).unwrap().contains(says), "{path}");
        }
    }

    /// The parts of the page between a beginning and the next quotation mark.
    fn attributes(begin: &str) -> Vec<&'static str> {
        PAGE.split(begin).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }

    #[test]
    fn every_operation_and_schema_has_an_anchor_and_every_link_one_to_lead_to() {
        let description: Value = serde_json::from_str(COMMITTED).unwrap();
        let anchors = attributes(" id=\"");
        let unique: BTreeSet<_> = anchors.iter().copied().collect();
        assert_eq!(unique.len(), anchors.len(), "{anchors:?}");
        let operations = entries(&description["paths"]).flat_map(|(_, methods)| entries(methods));
        for (_, operation) in operations {
            assert!(unique.contains(string(&operation["operationId"])), "{operation}");
        }
        for (name, _) in entries(&description["components"]["schemas"]) {
            assert!(unique.contains(format!("schema-{name}").as_str()), "{name}");
        }
        for link in attributes("href=\"#") {
            assert!(unique.contains(link), "{link}");
        }
    }

    #[test]
    fn the_page_has_no_script_and_no_style_of_its_own() {
        for forbidden in ["<script", " style=", "<style", " onclick", "javascript:", "http://"] {
            assert!(!PAGE.contains(forbidden), "{forbidden}");
        }
    }
}
