//! The responses that operations have in common.

use shared::problem::{Kind, Problem};
use utoipa::{
    Modify,
    openapi::{Content, ContentBuilder, ObjectBuilder, OpenApi as Document, Ref, RefOr, Response, ResponseBuilder, Type, path::Operation},
};

use super::operations::operations;

/// A response that operations have in common: its name, its status, what it means, and the kind of
/// its problem.
struct Shared {
    name: &'static str,
    status: &'static str,
    description: &'static str,
    kind: Option<Kind>,
    /// Whether API Gateway may give it too.
    gateway: bool,
    belongs_to: fn(&Operation) -> bool,
}

const SHARED: [Shared; 6] = [
    Shared {
        name: "Unauthorized",
        status: "401",
        description: "The request has no valid API key.",
        kind: Some(Kind::Unauthorized),
        gateway: false,
        belongs_to: needs_key,
    },
    Shared {
        name: "NotAcceptable",
        status: "406",
        description: "The `Accept` of the request excludes the media type of the answer.",
        kind: Some(Kind::NotAcceptable),
        gateway: false,
        belongs_to: answers_json,
    },
    Shared {
        name: "UnsupportedMediaType",
        status: "415",
        description: "The body is not declared as JSON, or has an encoding other than `gzip` and `br`.",
        kind: Some(Kind::UnsupportedMediaType),
        gateway: false,
        belongs_to: has_body,
    },
    Shared {
        name: "TooManyRequests",
        status: "429",
        description: "There are more requests than the service takes at a time. Try again later.",
        kind: None,
        gateway: true,
        belongs_to: |_| true,
    },
    Shared {
        name: "Internal",
        status: "500",
        description: "The service has an internal error.",
        kind: Some(Kind::Internal),
        gateway: true,
        belongs_to: |_| true,
    },
    Shared {
        name: "Unavailable",
        status: "503",
        description: "A part of the service does not answer. Try again after `Retry-After` seconds.",
        kind: Some(Kind::Unavailable),
        gateway: true,
        belongs_to: |_| true,
    },
];

/// An operation without `security` of its own needs the API key of the whole description.
fn needs_key(operation: &Operation) -> bool {
    operation.security.is_none()
}

fn has_body(operation: &Operation) -> bool {
    operation.request_body.is_some()
}

fn answers_json(operation: &Operation) -> bool {
    let mut responses = operation.responses.responses.values();
    responses.any(|response| matches!(response, RefOr::T(response) if response.content.contains_key("application/json")))
}

/// Adds the common responses to every operation that does not describe them itself, and an example
/// to every problem that it describes.
pub(super) struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        for operation in operations(document) {
            for shared in &SHARED {
                if (shared.belongs_to)(operation) {
                    let reference = || RefOr::Ref(Ref::from_response_name(shared.name));
                    operation
                        .responses
                        .responses
                        .entry(shared.status.to_owned())
                        .or_insert_with(reference);
                }
            }
            for (status, response) in &mut operation.responses.responses {
                if let (RefOr::T(response), Some(kind)) = (response, usual_kind(status)) {
                    exemplify(response, kind);
                }
            }
        }
        let components = document.components.get_or_insert_default();
        for shared in SHARED {
            components.responses.insert(shared.name.to_owned(), shared.response().into());
        }
    }
}

impl Shared {
    fn response(&self) -> Response {
        let mut response = ResponseBuilder::new().description(self.description);
        if let Some(kind) = self.kind {
            response = response.content(PROBLEM, problem(Some(kind)));
        }
        if self.kind.is_none() {
            response = response.content(PROBLEM, problem(None));
        }
        if self.gateway {
            let message = ObjectBuilder::new().schema_type(Type::String).description(Some("What happened."));
            let object = ObjectBuilder::new().property("message", message).required("message");
            let object = object.description(Some("What API Gateway answers by itself. It is no problem document."));
            response = response.content("application/json", ContentBuilder::new().schema(Some(object)).build());
        }
        response.build()
    }
}

const PROBLEM: &str = "application/problem+json";

fn problem(kind: Option<Kind>) -> Content {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    let example = kind.and_then(|kind| serde_json::to_value(Problem::of(kind)).ok());
    content.example(example).build()
}

/// The kind of problem that a status usually has.
fn usual_kind(status: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.status().as_str() == status)
}

/// Gives a response an example if it has a problem without one.
fn exemplify(response: &mut Response, kind: Kind) {
    if let Some(RefOr::T(content)) = response.content.get_mut(PROBLEM)
        && content.example.is_none()
        && content.examples.is_empty()
    {
        content.example = serde_json::to_value(Problem::of(kind)).ok();
    }
}
