//! The AWS of load runs: the parts of SQS, S3 and DynamoDB that the service uses, in one process that
//! needs little processor time, so that a load run measures the service.
//!
//! SQS and S3 are served here. DynamoDB is served by the crate `dynoxide`, which keeps its tables in
//! `SQLite`. Everything that was acknowledged is on disk: it survives the end of this process, though not
//! always a power failure. Signatures and rights are not checked; for that there is the local cloud.

mod journal;
mod objects;
mod queues;
mod sqs;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result, anyhow};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, Uri},
    response::{IntoResponse, Response},
};
use dynoxide::{Database, DynoxideError};
use tokio::net::TcpListener;

use objects::Objects;
use queues::Queues;

/// The largest body of a request.
const BODY: usize = 16 * 1024 * 1024;

struct Plane {
    queues: Queues,
    objects: Objects,
    /// How often each call was made. `GET /_calls` shows it.
    calls: Mutex<BTreeMap<String, u64>>,
}

impl Plane {
    fn calls(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves SQS and S3 on one listener and DynamoDB on the other, with the data in `dir`, until one of them
/// fails.
///
/// # Errors
/// If the data cannot be read or written.
pub async fn serve(dir: &Path, aws: TcpListener, dynamodb: TcpListener) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let plane = Arc::new(Plane {
        queues: Queues::open(&dir.join("queues.jsonl"))?,
        objects: Objects::open(&dir.join("objects"))?,
        calls: Mutex::default(),
    });
    let tables = dir.join("tables.sqlite");
    let tables = Database::new(tables.to_str().context("the folder has a name that is not UTF-8")?);
    let failed = |error: DynoxideError| anyhow!("cannot open the tables: {error}");
    let tables = tables.map_err(failed)?;
    // This sets SQLite's `synchronous` to NORMAL. A change is then in the files when it is acknowledged, but
    // not always on the disk. Otherwise each item of a batch would wait for the disk.
    tables.disable_bulk_loading().map_err(failed)?;
    let router = Router::new().fallback(answer).layer(DefaultBodyLimit::max(BODY)).with_state(plane);
    tokio::select! {
        ended = axum::serve(aws, router) => Ok(ended?),
        () = dynoxide::server::serve_on(dynamodb, tables) => Err(anyhow!("DynamoDB has stopped")),
    }
}

/// A request with a target is one of SQS, any other one is one of S3.
async fn answer(State(plane): State<Arc<Plane>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    if uri.path() == "/_calls" {
        return Json(&*plane.calls()).into_response();
    }
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let action = target.and_then(|target| target.strip_prefix("AmazonSQS."));
    let call = action.map_or_else(|| format!("S3 {method}"), |action| format!("SQS {action}"));
    *plane.calls().entry(call).or_default() += 1;
    match action {
        Some(action) => sqs::answer(&plane.queues, action, &body).await,
        None => plane.objects.answer(&method, uri.path(), &headers, &body),
    }
}
