//! `summarease serve`: the router of the API over HTTP/1.1, for many requests at once.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, Response, header},
    response::IntoResponse,
};
use clap::Args;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use lambda_http::{Context as Invocation, RequestExt, tower::ServiceExt};
use shared::{
    job::Limits,
    problem::{Kind, Problem},
    telemetry,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

use crate::{room::Room, stop::Stop};

/// How long a connection may have no request, and the head of one may take to come. A load balancer of AWS
/// keeps a connection for a minute, and has to be the one that closes it
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html>).
const HEAD_TIME: Duration = Duration::from_secs(75);
/// How long the body of a request may take to come.
const BODY_TIME: Duration = Duration::from_secs(20);
/// How long a request waits for free memory.
const ROOM_TIME: Duration = Duration::from_secs(3);
/// The most connections at the same time. Others wait until one is closed.
const CONNECTIONS: usize = 4096;
/// How many bytes of memory a request needs at most for each byte of its body: the body, the text in it,
/// its message, and a copy that is being sent.
const COPIES: usize = 4;
/// How long requests may take to end after the process was told to stop. A request that waits for its
/// summary takes ten seconds.
const END_TIME: Duration = Duration::from_secs(30);

#[derive(Args)]
pub struct Serve {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Megabytes of memory for the bodies of requests.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(24..))]
    memory: u32,
}

/// What every connection shares.
struct Server {
    router: Router,
    room: Room,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<()> {
        telemetry::init("api");
        let context = api::Context::for_many_requests().await?;
        let listener = TcpListener::bind(self.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", self.listen))?;
        let stop = Stop::on_signals()?;
        tracing::info!(address = %listener.local_addr()?, "The API answers requests.");
        let server = Arc::new(Server {
            router: api::router(Arc::new(context)),
            room: Room::of_megabytes(self.memory),
        });
        let connections = GracefulShutdown::new();
        let free = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                () = stop.told() => break,
                accepted = accept(&listener, &free) => accepted,
            };
            let (stream, place) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Usually the process has too many open files. They become fewer.
                    tracing::error!(%error, "A connection could not be accepted.");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let server = Arc::clone(&server);
            let answer = service_fn(move |request| Arc::clone(&server).answer(request));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME)
                .serve_connection(TokioIo::new(stream), answer);
            let connection = connections.watch(connection);
            tokio::spawn(async move {
                // A client that has gone away is no error of the service.
                let _ = connection.await;
                drop(place);
            });
        }
        drop(listener);
        if timeout(END_TIME, connections.shutdown()).await.is_err() {
            tracing::warn!("Some requests had not ended after 30 seconds. Their connections are closed.");
        }
        telemetry::flush();
        Ok(())
    }
}

async fn accept(listener: &TcpListener, free: &Arc<Semaphore>) -> Result<(TcpStream, impl Send + use<>)> {
    let place = Arc::clone(free).acquire_owned().await?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

impl Server {
    /// Answers a request when its whole body is there, as a Lambda function does.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        let declared = parts
            .headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok());
        let is_encoded = parts.headers.contains_key(header::CONTENT_ENCODING);
        // A body that is decoded, or of which nobody knows the length, may become as long as is allowed.
        let bytes = declared
            .filter(|_| !is_encoded)
            .unwrap_or(Limits::BODY_BYTES)
            .min(Limits::BODY_BYTES);
        let has_body = declared != Some(0) && (declared.is_some() || parts.headers.contains_key(header::TRANSFER_ENCODING));
        let _place = if has_body {
            match timeout(ROOM_TIME, self.room.take(bytes * COPIES)).await {
                Ok(place) => place,
                Err(_) => {
                    return Ok(refused(Problem::new(
                        Kind::Unavailable,
                        "The service holds too many large bodies at this moment. Send the request again after `Retry-After` seconds.",
                    )));
                }
            }
        } else {
            None
        };
        let body = match collect(body).await {
            Ok(body) => body,
            Err(problem) => return Ok(refused(problem)),
        };
        let mut invocation = Invocation::default();
        invocation.request_id = uuid::Uuid::new_v4().to_string();
        let request = Request::from_parts(parts, Body::from(body)).with_lambda_context(invocation);
        // A client that goes away must not stop a request halfway, as it cannot on Lambda.
        match tokio::spawn(self.router.clone().oneshot(request)).await {
            Ok(Ok(response)) => Ok(response),
            Err(_) => Ok(refused(Problem::of(Kind::Internal))),
        }
    }
}

/// A body of which the service takes no more than a Lambda function would.
async fn collect(body: Incoming) -> Result<Bytes, Problem> {
    let body = Limited::new(body, Limits::BODY_BYTES + 1024 * 1024);
    match timeout(BODY_TIME, body.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::of(Kind::PayloadTooLarge)),
        Ok(Err(_)) => Err(Problem::new(Kind::MalformedBody, "The body is not complete. Send it again.")),
        Err(_) => Err(Problem::of(Kind::RequestTimeout)),
    }
}

/// The answer to a request that was not read to its end, so that its connection cannot be used again.
fn refused(problem: Problem) -> Response<Body> {
    let mut response = problem.into_response();
    let close = header::HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}
