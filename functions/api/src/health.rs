//! The three health checks. The shallow one is for load balancers and asks no store. The one for
//! routing is for Route 53, and asks the stores that are needed to accept a job. The deep one is for
//! people, and asks every store.
//!
//! Anyone may call them, so that they keep the answers of the stores for a moment: however often
//! they are called, each process asks a store only now and then.

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

use crate::{
    context::Context,
    last_answers::{DEEP, ROUTING, StoreHealth, Stores},
};

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

/// Health of the stores that were asked.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeepHealth {
    #[serde(flatten)]
    health: Health,
    /// The health of each store, by its name.
    #[schema(value_type = BTreeMap<String, StoreHealth>)]
    stores: Stores,
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
/// Asks every store and waits at most two seconds for all of them. An answer is used again for five
/// seconds.
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
    let ask = async {
        let (mut stores, archive, cache) = tokio::join!(
            needed(&context, DEEP.0),
            timed(Store::Archive, DEEP.0, context.archive.ping()),
            timed(Store::Cache, DEEP.0, context.cache.ping()),
        );
        stores.extend([archive, cache]);
        stores
    };
    let stores = context.health.deep.get_with((), Box::pin(ask)).await;
    answer(&context, stores)
}

/// Check whether a region should get traffic
///
/// Asks the stores that are needed to accept a job, and waits at most one second for all of them. It
/// is for the health checks of Route 53.
#[utoipa::path(
    get,
    path = "/v1/health/routing",
    operation_id = "routingHealth",
    security(()),
    responses(
        (status = 200, description = "Jobs are accepted.", body = DeepHealth),
        (status = 503, description = "Jobs are not accepted. `status` is `down`, because a store does not answer.", body = DeepHealth),
    )
)]
pub(crate) async fn routing(State(context): State<Arc<Context>>) -> (StatusCode, Json<DeepHealth>) {
    let ask = needed(&context, ROUTING.0);
    let stores = context.health.routing.get_with((), Box::pin(ask)).await;
    answer(&context, stores)
}

/// Asks the stores that are needed to accept a job.
async fn needed(context: &Context, timeout: Duration) -> Stores {
    let stores = tokio::join!(
        timed(Store::Directory, timeout, context.directory.ping()),
        timed(Store::Documents, timeout, context.documents.ping()),
        timed(Store::Lanes, timeout, context.lanes[Lane::Standard].ping()),
        timed(Store::Ledger, timeout, context.ledger.ping()),
    );
    BTreeMap::from([stores.0, stores.1, stores.2, stores.3])
}

fn answer(context: &Context, stores: Stores) -> (StatusCode, Json<DeepHealth>) {
    let is_down = NEEDED.iter().any(|store| stores.get(store.as_str()).is_none_or(|store| !store.ok));
    let (code, status) = if is_down {
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

async fn timed(store: Store, timeout: Duration, ping: impl Future<Output = Result<(), StoreError>>) -> (&'static str, StoreHealth) {
    let started = Instant::now();
    let result = tokio::time::timeout(timeout, ping).await;
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
