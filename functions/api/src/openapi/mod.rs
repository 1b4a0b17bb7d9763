//! The parts of the `OpenAPI` description that belong to no single route.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

/// Title, version and security schemes of the API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "SummarEase",
        description = "Summarises documents with sentences of the document itself. Errors are problem documents (RFC 9457). `GET /v1/problems` lists every kind of problem.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    modifiers(&Keys),
    security(("bearer" = []), ("key" = [])),
)]
pub(crate) struct Description;

struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "bearer",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        );
        components.add_security_scheme("key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key"))));
    }
}
