//! The HTTP API. A client submits a text, reads its summary, or asks for the health of the service.
//!
//! A submission uses the directory, the cache, the documents bucket, the ledger and a lane. It
//! never uses Postgres, so that a database that is slow or down does not stop the intake of jobs.

mod accept;
mod acceptance;
mod auth;
mod body;
mod conditional;
mod context;
mod estimate;
mod event;
mod fields;
mod health;
mod idempotency;
mod inline;
mod last_answers;
mod list;
mod methods;
mod middleware;
mod openapi;
mod page;
mod preference;
mod problems;
mod rates;
mod read;
mod remove;
mod submit;
mod trace;
mod usage;

use std::sync::Arc;

use axum::Router;
use shared::problem::{Kind, Problem};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use context::Context;
pub use event::answer;

/// The router with every route of the API.
pub fn router(context: Arc<Context>) -> Router {
    let (router, document) = routes().split_for_parts();
    let document = Arc::new(document);
    let router = router
        .route(
            "/v1/openapi.json",
            axum::routing::get(move || async move { axum::Json((*document).clone()) }),
        )
        .route_layer(axum::middleware::from_fn(accept::json))
        .fallback(|| async { Problem::of(Kind::NotFound) })
        .method_not_allowed_fallback(methods::other)
        .with_state(Arc::clone(&context));
    middleware::around(middleware::with_rates(router, context))
}

/// The `OpenAPI` description of the routes, which clients read.
pub fn document() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::with_openapi(openapi::Description::openapi())
        .routes(routes!(submit::submit, list::list))
        .routes(routes!(read::read, remove::remove))
        .routes(routes!(usage::read))
        .routes(routes!(health::shallow))
        .routes(routes!(health::deep))
        .routes(routes!(health::routing))
        .routes(routes!(problems::list))
}

#[cfg(test)]
mod tests {
    /// Generators of client code read the committed copy. `UPDATE_OPENAPI=1 cargo test --lib`
    /// writes it again.
    #[test]
    fn the_committed_description_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let current = super::document().to_pretty_json().unwrap() + "\n";
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == current,
            "functions/api/openapi.json is out of date. Run `UPDATE_OPENAPI=1 cargo test --lib` to write it again."
        );
    }
}
