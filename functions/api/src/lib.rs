//! The HTTP API. A client submits a text, reads its summary, or asks for the health of the service.
//! A tenant manages its keys and sessions, and an admin all tenants.
//!
//! A submission uses the directory, the cache, the documents bucket, the ledger and a lane. It
//! never uses Postgres, so that a database that is slow or down does not stop the intake of jobs.

mod accept;
mod acceptance;
mod answers;
mod audit;
mod auth;
mod body;
mod conditional;
mod context;
mod cors;
mod dead_letters;
mod estimate;
mod event;
mod fields;
mod health;
mod idempotency;
mod inline;
mod keys;
mod last_answers;
mod last_callers;
mod last_estimates;
mod list;
mod methods;
mod middleware;
mod object;
mod openapi;
mod page;
mod paging;
mod preference;
mod problems;
mod rates;
mod read;
mod reference;
mod remove;
mod selections;
mod sessions;
mod submit;
mod tenant_keys;
mod tenants;
mod trace;
mod usage;

use std::sync::Arc;

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use openapi::COMMITTED;
use shared::problem::{Kind, Problem};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use context::Context;
pub use event::answer;

/// The router with every route of the API.
pub fn router(context: Arc<Context>) -> Router {
    let origins = context.origins.clone();
    let router = Router::from(routes())
        .route(
            "/v1/openapi.json",
            get(|| async { ([(CONTENT_TYPE, "application/json")], COMMITTED) }),
        )
        .route_layer(axum::middleware::from_fn(accept::json))
        .merge(reference::routes())
        .fallback(|| async { Problem::of(Kind::NotFound) })
        .method_not_allowed_fallback(methods::other)
        .with_state(Arc::clone(&context));
    middleware::around(middleware::with_rates(router, context), origins.as_ref())
}

/// The `OpenAPI` description of the routes, which clients read.
pub fn document() -> utoipa::openapi::OpenApi {
    openapi::complete(routes().into_openapi())
}

fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::with_openapi(openapi::Description::openapi())
        .routes(routes!(submit::submit, list::list))
        .routes(routes!(read::read, remove::remove))
        .routes(routes!(usage::read))
        .routes(routes!(sessions::open, sessions::list, sessions::end_all))
        .routes(routes!(sessions::end))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(tenants::create, tenants::list))
        .routes(routes!(tenants::read, tenants::change))
        .routes(routes!(tenant_keys::create, tenant_keys::list))
        .routes(routes!(tenant_keys::revoke))
        .routes(routes!(tenant_keys::rotate))
        .routes(routes!(audit::list))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::read, dead_letters::purge))
        .routes(routes!(dead_letters::replay))
        .routes(routes!(selections::create))
        .routes(routes!(selections::read))
        .routes(routes!(selections::confirm))
        .routes(routes!(health::shallow))
        .routes(routes!(health::deep))
        .routes(routes!(health::routing))
        .routes(routes!(problems::list))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    /// The description, in which every reference can be followed.
    fn description() -> Value {
        serde_json::to_value(super::document()).unwrap()
    }

    /// The values of all examples of a media type.
    fn examples(content: &Value) -> Vec<&Value> {
        let named = content["examples"].as_object().into_iter().flat_map(|examples| examples.values());
        named.map(|example| &example["value"]).chain(content.get("example")).collect()
    }

    /// Every media type with a schema, with the place where it stands.
    fn contents(value: &Value, place: &str, found: &mut Vec<(String, Value)>) {
        let Some(object) = value.as_object() else { return };
        for (name, inner) in object {
            let place = format!("{place}/{name}");
            if name.contains('/') && inner.get("schema").is_some() {
                found.push((place, inner.clone()));
            } else {
                contents(inner, &place, found);
            }
        }
    }

    #[test]
    fn every_example_is_as_its_schema_says() {
        let description = description();
        let mut found = Vec::new();
        contents(&description["paths"], "", &mut found);
        contents(&description["components"]["responses"], "", &mut found);
        assert!(found.len() > 10);
        for (place, content) in found {
            let mut schema = json!({"components": description["components"]});
            schema["allOf"] = json!([content["schema"]]);
            let validator = jsonschema::draft202012::new(&schema).unwrap();
            for example in examples(&content) {
                let errors: Vec<_> = validator.iter_errors(example).map(|error| error.to_string()).collect();
                assert!(errors.is_empty(), "{place}: {errors:?}");
                let unknown = json!({"unknown": example});
                assert!(!validator.is_valid(&unknown), "{place} takes anything");
            }
        }
    }

    #[test]
    fn every_operation_has_examples_and_describes_its_headers() {
        let description = description();
        let mut statuses = BTreeSet::new();
        for (path, methods) in description["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let place = format!("{method} {path}");
                if let Some(body) = operation.get("requestBody") {
                    assert!(!examples(&body["content"]["application/json"]).is_empty(), "{place}: body");
                }
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    assert!(parameter.get("example").is_some(), "{place}: {parameter}");
                }
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let pointer = response["$ref"].as_str().map(|reference| reference.trim_start_matches('#'));
                    let response = pointer.map_or(response, |pointer| description.pointer(pointer).unwrap());
                    for (name, header) in response["headers"].as_object().unwrap() {
                        assert!(header["description"].is_string(), "{place}: {status} {name}");
                    }
                    for content in response["content"].as_object().into_iter().flat_map(|contents| contents.values()) {
                        assert!(
                            !examples(content).is_empty() || status == "429" || pointer.is_some(),
                            "{place}: {status}"
                        );
                    }
                    statuses.insert(status.clone());
                }
            }
        }
        assert!(["406", "415", "429", "500"].iter().all(|status| statuses.contains(*status)));
    }

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
