//! What is done for every request. Its id is returned to the client, it is counted and logged, and
//! a panic becomes a response with status 500.

use std::{any::Any, sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{Request, State},
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

use crate::{
    context::Context,
    rates::{self, Noted, Rates},
};

pub(crate) fn around(router: Router, context: Arc<Context>) -> Router {
    router
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(context, rate))
        .layer(middleware::from_fn(account))
}

/// Shows the rates of the key in the answer. A handler that has asked the cache has noted them.
async fn rate(State(context): State<Arc<Context>>, mut request: Request, next: Next) -> Response {
    let rates = Rates::default();
    request.extensions_mut().insert(rates.clone());
    let mut response = next.run(request).await;
    let Noted { holder, standing } = rates.noted();
    if let Some(holder) = holder {
        let standing = match standing {
            Some(standing) => Some(standing),
            None => context.cache.standing(&holder.tenant.id, &holder.key, &holder.limits).await.ok(),
        };
        rates::show(response.headers_mut(), &holder, standing);
    }
    response
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("A request handler panicked. The client receives status 500.");
    Problem::of(Kind::Internal).into_response()
}

/// Logs method, path and status of a request, and returns the id of the request to the client. The
/// query, the body and the API key are never logged, because they may hold secrets or document
/// text.
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
    tracing::info!(%method, path, status, request_id = id, milliseconds = started.elapsed().as_millis(), "A request was answered.");
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}
