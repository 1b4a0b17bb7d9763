//! The two health checks. The shallow one is for load balancers and asks no store. The deep one is
//! for Route 53 and for people, and asks every store.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use shared::{
    job::Lane,
    store::{Chain, Store, StoreError},
};
use utoipa::ToSchema;

use crate::context::Context;

/// How long the deep health check waits for one store.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The stores that are needed to accept a job. Postgres and Valkey are not needed: if a region
/// fails over its database, it must stay in service for its clients.
const NEEDED: [Store; 4] = [Store::Directory, Store::Documents, Store::Lanes, Store::Ledger];

/// Health of the API itself.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    status: &'static str,
    /// The AWS region that answered.
    region: String,
}

/// Health of every store that the API depends on.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeepHealth {
    #[serde(flatten)]
    health: Health,
    /// The health of each store, by its name.
    stores: BTreeMap<&'static str, StoreHealth>,
}

/// Health of one store.
#[derive(Serialize, ToSchema)]
pub(crate) struct StoreHealth {
    ok: bool,
    /// How long the store took to answer, in milliseconds.
    milliseconds: u64,
}

/// Check the API
///
/// Asks no store. `GET /v1/health/deep` asks all of them.
#[utoipa::path(get, path = "/v1/health", operation_id = "health", security(()), responses((status = 200, description = "The API answers requests.", body = Health)))]
pub(crate) async fn shallow(State(context): State<Arc<Context>>) -> Json<Health> {
    Json(Health {
        status: "ok",
        region: context.region.clone(),
    })
}

/// Check the API and its stores
///
/// Asks every store and waits at most two seconds for each.
#[utoipa::path(
    get,
    path = "/v1/health/deep",
    operation_id = "deepHealth",
    security(()),
    responses(
        (status = 200, description = "Jobs are accepted. `status` is `ok`, or `degraded` if a store does not answer that is not needed to accept a job.", body = DeepHealth),
        (status = 503, description = "Jobs are not accepted. `status` is `down`, because a store does not answer that is needed to accept a job.", body = DeepHealth),
    )
)]
pub(crate) async fn deep(State(context): State<Arc<Context>>) -> (StatusCode, Json<DeepHealth>) {
    let stores = tokio::join!(
        timed(Store::Archive, context.archive.ping()),
        timed(Store::Cache, context.cache.ping()),
        timed(Store::Directory, context.directory.ping()),
        timed(Store::Documents, context.documents.ping()),
        timed(Store::Lanes, context.lanes[Lane::Standard].ping()),
        timed(Store::Ledger, context.ledger.ping()),
    );
    let stores = BTreeMap::from([stores.0, stores.1, stores.2, stores.3, stores.4, stores.5]);
    let answers = |names: &[Store]| names.iter().all(|store| stores[store.as_str()].ok);
    let (code, status) = if !answers(&NEEDED) {
        (StatusCode::SERVICE_UNAVAILABLE, "down")
    } else if stores.values().all(|store| store.ok) {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::OK, "degraded")
    };
    (
        code,
        Json(DeepHealth {
            health: Health {
                status,
                region: context.region.clone(),
            },
            stores,
        }),
    )
}

async fn timed(store: Store, ping: impl Future<Output = Result<(), StoreError>>) -> (&'static str, StoreHealth) {
    let started = Instant::now();
    let result = tokio::time::timeout(TIMEOUT, ping).await;
    if let Ok(Err(error)) = &result {
        tracing::warn!(store = store.as_str(), error = %Chain(error), "A store did not answer the health check.");
    }
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    (
        store.as_str(),
        StoreHealth {
            ok: matches!(result, Ok(Ok(()))),
            milliseconds,
        },
    )
}
