//! The `OpenAPI` description: what belongs to no single route, and what belongs to all of them.

mod dead_letter_examples;
mod examples;
mod headers;
mod operations;
mod responses;
mod tenant_examples;

use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

/// The committed description, which the service serves. A test compares it with what the code says.
pub(crate) const COMMITTED: &str = include_str!("../../openapi.json");

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

/// Adds to the description of the routes what all of them have: the responses that every operation
/// may give, what the headers mean, and examples. It takes some milliseconds, so that the service
/// does not do it: it serves the committed description, which a test compares with this one.
pub(crate) fn complete(mut document: Document) -> Document {
    for part in [&responses::Common as &dyn Modify, &examples::Examples, &headers::Headers] {
        part.modify(&mut document);
    }
    document
}
