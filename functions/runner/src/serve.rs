//! `summarease serve`: the router of the API over HTTP/1.1, for many requests at once.

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Request, Response, header},
    response::IntoResponse,
};
use bytes::BytesMut;
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
    memory::{Memory, Place},
    problem::{Kind, Problem},
    telemetry,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};

use tokio_io_timeout::TimeoutStream;

use crate::stop::Stop;

const MEGABYTE: usize = 1024 * 1024;
/// How long a connection may have no request, and the head of one may take to come. A load balancer of AWS
/// keeps a connection for a minute, and has to be the one that closes it
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html>).
const HEAD_TIME: Duration = Duration::from_secs(75);
/// The most bytes of the head of a request. API Gateway takes 10 KiB.
const HEAD_BYTES: usize = 64 * 1024;
/// How long the body of a request may take to come, and how long the next part of it.
const BODY_TIME: Duration = Duration::from_secs(20);
const PART_TIME: Duration = Duration::from_secs(5);
/// How long a client may take to read more of an answer.
const READ_TIME: Duration = Duration::from_secs(20);
/// How often the end of requests is looked for after the process was told to stop.
const TICK: Duration = Duration::from_millis(50);
/// How long a request waits for free memory.
const MEMORY_TIME: Duration = Duration::from_secs(3);
/// The most connections at the same time. Others wait until one is closed.
const CONNECTIONS: usize = 4096;
/// The most bytes of a body as it comes. One that is not compressed is refused from [`Limits`] on.
const MOST_BYTES: usize = Limits::BODY_BYTES + MEGABYTE;
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
    memory: Memory,
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
            memory: Memory::of_bytes(self.memory as usize * MEGABYTE),
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
                .max_buf_size(HEAD_BYTES)
                .serve_connection(TokioIo::new(patient(stream)), answer);
            let connection = connections.watch(connection);
            tokio::spawn(async move {
                // A client that has gone away is no error of the service.
                let _ = connection.await;
                drop(place);
            });
        }
        drop(listener);
        let ended = async {
            connections.shutdown().await;
            // Requests whose clients have gone away go on.
            while Arc::strong_count(&server) > 1 {
                tokio::time::sleep(TICK).await;
            }
        };
        if timeout(END_TIME, ended).await.is_err() {
            tracing::warn!("Some requests had not ended after 30 seconds. Their connections are closed.");
        }
        telemetry::flush();
        Ok(())
    }
}

/// A connection that is closed if its client does not read.
fn patient(stream: TcpStream) -> Pin<Box<TimeoutStream<TcpStream>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(READ_TIME));
    Box::pin(stream)
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
        let (body, places) = match self.collect(&parts.headers, body).await {
            Ok(collected) => collected,
            Err(problem) => return Ok(refused(problem)),
        };
        let mut invocation = Invocation::default();
        invocation.request_id = uuid::Uuid::new_v4().to_string();
        let request = Request::from_parts(parts, Body::from(body)).with_lambda_context(invocation);
        // A client that goes away must not stop a request halfway, as it cannot on Lambda.
        let answer = tokio::spawn(async move {
            let answer = self.router.clone().oneshot(request).await;
            drop(places);
            answer
        });
        match answer.await {
            Ok(Ok(response)) => Ok(response),
            Err(_) => Ok(refused(Problem::of(Kind::Internal))),
        }
    }

    /// A body of which the service takes no more than a Lambda function would, and the memory for it. Memory
    /// is taken for what has come, so that a client that sends nothing holds none.
    async fn collect(&self, headers: &HeaderMap, body: Incoming) -> Result<(Bytes, Vec<Place>), Problem> {
        let (mut body, mut bytes, mut places) = (Limited::new(body, MOST_BYTES), BytesMut::new(), Vec::new());
        let until = Instant::now() + BODY_TIME;
        loop {
            let part = timeout_at(until.min(Instant::now() + PART_TIME), body.frame()).await;
            let part = match part {
                Err(_) => return Err(Problem::of(Kind::RequestTimeout)),
                Ok(None) => break,
                Ok(Some(Err(error))) if error.is::<LengthLimitError>() => return Err(Problem::of(Kind::PayloadTooLarge)),
                Ok(Some(Err(_))) => return Err(Problem::new(Kind::MalformedBody, "The body is not complete. Send it again.")),
                Ok(Some(Ok(part))) => part,
            };
            if let Ok(part) = part.into_data() {
                places.push(self.place(part.len()).await?);
                bytes.extend_from_slice(&part);
            }
        }
        if headers.contains_key(header::CONTENT_ENCODING) {
            // A body that is decoded may become as long as is allowed.
            places.push(self.place(Limits::BODY_BYTES.saturating_sub(bytes.len())).await?);
        }
        Ok((bytes.freeze(), places))
    }

    async fn place(&self, bytes: usize) -> Result<Place, Problem> {
        let place = timeout(MEMORY_TIME, self.memory.take(bytes * COPIES)).await.ok().flatten();
        place.ok_or_else(|| {
            Problem::new(
                Kind::Unavailable,
                "The service holds too many large bodies at this moment. Send the request again after `Retry-After` seconds.",
            )
        })
    }
}

/// The answer to a request that was not read to its end, so that its connection cannot be used again.
fn refused(problem: Problem) -> Response<Body> {
    let mut response = problem.into_response();
    let close = header::HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}
