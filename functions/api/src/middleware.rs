//! What is done for every request. Its id is returned to the client, it is counted and logged, and
//! a panic becomes a response with status 500.

use std::{any::Any, sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use lambda_http::RequestExt;
use shared::{
    problem::{Kind, Problem},
    telemetry::metric,
};
use tower_http::{
    CompressionLevel,
    catch_panic::CatchPanicLayer,
    compression::{CompressionLayer, predicate::SizeAbove},
    normalize_path::NormalizePath,
    set_header::SetResponseHeaderLayer,
};
use tracing::Instrument;

use crate::{
    body,
    context::Context,
    cors::{self, Origins},
    methods,
    rates::{self, Noted, Rates},
    trace::{TraceId, client_request_id},
};

/// What an answer depends on besides its path and the API key.
const VARY: HeaderValue = HeaderValue::from_static("accept-encoding");

/// A shorter answer is not compressed. It fits into one packet of the network, and compressing it
/// takes more time than sending it.
const COMPRESSED_FROM: u16 = 1024;

/// Everything that is done around the routes of a router.
pub(crate) fn around(router: Router, origins: Option<&Origins>) -> Router {
    let compression = CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(COMPRESSED_FROM));
    // A path is the same with a slash at its end. The path has to be changed before it is matched.
    let router = Router::new().fallback_service(NormalizePath::trim_trailing_slash(router));
    let router = body::decoded(router)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(compression)
        .layer(SetResponseHeaderLayer::if_not_present(header::VARY, VARY));
    cors::open(router, origins)
        .layer(middleware::from_fn(methods::usual))
        .layer(middleware::from_fn(account))
}

/// Adds the rates of the key to every answer.
pub(crate) fn with_rates(router: Router, context: Arc<Context>) -> Router {
    router.layer(middleware::from_fn_with_state(context, rate))
}

/// Shows the rates of the key in the answer. A handler that has asked the cache has noted them.
async fn rate(State(context): State<Arc<Context>>, mut request: Request, next: Next) -> Response {
    let rates = Rates::default();
    request.extensions_mut().insert(rates.clone());
    let mut response = next.run(request).await;
    let Noted { holder, left } = rates.noted();
    if let Some(holder) = holder {
        let left = match left {
            Some(left) => Some(left),
            None => context.cache.left(&holder.tenant.id, &holder.key, &holder.limits).await.ok(),
        };
        rates::show(response.headers_mut(), &holder.limits, left);
    }
    response
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("A request handler panicked. The client receives status 500.");
    Problem::of(Kind::Internal).into_response()
}

/// Logs method, path and status of a request, and returns its id to the client, together with the
/// id that the client gave it. The query, the body and the API key are never logged, because they
/// may hold secrets or document text.
async fn account(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request
        .lambda_context_ref()
        .map(|context| context.request_id.clone())
        .unwrap_or_default();
    let TraceId(trace_id) = TraceId::of(request.headers());
    let client_id = client_request_id(request.headers()).cloned();
    let (method, path) = (request.method().clone(), request.uri().path().chars().take(200).collect::<String>());
    let span = tracing::info_span!("request", request_id = id, trace_id);
    let mut response = next.run(request).instrument(span).await;
    let status = response.status().as_u16();
    metrics::counter!(metric::REQUESTS, "status" => format!("{}xx", status / 100)).increment(1);
    let client_request_id = client_id.as_ref().and_then(|id| id.to_str().ok());
    tracing::info!(
        %method,
        path,
        status,
        request_id = id,
        client_request_id,
        trace_id,
        milliseconds = started.elapsed().as_millis(),
        "A request was answered."
    );
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", id);
    }
    if let Some(id) = client_id {
        response.headers_mut().insert("x-client-request-id", id);
    }
    response
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use axum::{body::Body, routing::get};
    use lambda_http::tower::ServiceExt;
    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn every_line_of_a_request_names_its_trace_and_the_last_one_names_both_ids() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_writer(move || writer.clone())
            .finish();
        // It gets the lines of all tests of this process. A subscriber of this thread alone may get none,
        // because tracing remembers for each line of code whether anybody wants it.
        tracing::subscriber::set_global_default(subscriber).unwrap();
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let handler = get(|| async { tracing::info!("The handler was called.") });
        let request = Request::get("/known/")
            .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
            .header("x-request-id", "order-17");
        let answer = around(Router::new().route("/known", handler), None).oneshot(request.body(Body::empty()).unwrap());
        let answer = answer.await.unwrap();
        assert_eq!(answer.headers()["x-client-request-id"], "order-17");
        let log = log.0.lock().unwrap();
        let lines = serde_json::Deserializer::from_slice(&log).into_iter().map(Result::unwrap);
        let lines: Vec<Value> = lines.filter(|line: &Value| line.to_string().contains(trace)).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0]["span"]["trace_id"], trace);
        assert_eq!(lines[1]["trace_id"], trace);
        assert_eq!(
            (&lines[1]["status"], &lines[1]["client_request_id"]),
            (&200.into(), &"order-17".into())
        );
    }
}
