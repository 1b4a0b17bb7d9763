//! What happens to every request: an id, a count, a log line, and no panic that gets out.

use std::{any::Any, time::Instant};

use axum::{
    Router,
    extract::Request,
    http::HeaderValue,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use lambda_http::RequestExt;
use shared::{
    problem::{Kind, Problem},
    telemetry::metric,
};
use tower_http::catch_panic::CatchPanicLayer;

pub(crate) fn around(router: Router) -> Router {
    router.layer(CatchPanicLayer::custom(panicked)).layer(middleware::from_fn(account))
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a request handler panicked");
    Problem::of(Kind::Internal).into_response()
}

/// Logs method, path and status (no query, no body, no key) and tells the client the request's id.
async fn account(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request
        .lambda_context_ref()
        .map(|context| context.request_id.clone())
        .unwrap_or_default();
    let (method, path) = (request.method().clone(), request.uri().path().chars().take(200).collect::<String>());
    let mut response = next.run(request).await;
    let status = response.status().as_u16();
    metrics::counter!(metric::REQUESTS, "status" => format!("{}xx", status / 100)).increment(1);
    tracing::info!(%method, path, status, request_id = id, milliseconds = started.elapsed().as_millis(), "request");
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}
