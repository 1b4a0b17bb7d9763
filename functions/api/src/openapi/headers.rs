//! What the headers of the responses mean. A route only names those that it sends.

use serde_json::Value;
use utoipa::{
    Modify,
    openapi::{Header, HeaderBuilder, KnownFormat, ObjectBuilder, OpenApi as Document, RefOr, Response, SchemaFormat, Type},
};

use super::operations::operations;

/// The headers of every response of the service.
const EVERYWHERE: [&str; 2] = ["X-Request-Id", "X-Client-Request-Id"];

/// The headers of every response to a request with a valid key.
const OF_KEYS: [&str; 2] = ["RateLimit", "RateLimit-Policy"];

/// Type, example and meaning of a header.
fn row(name: &str) -> Option<(Type, Value, &'static str)> {
    let (example, meaning) = match name {
        "Accept-Encoding" => (
            "gzip, br",
            "The encodings that a body may have. Only sent if the encoding of the body was refused.",
        ),
        "Allow" => ("GET,HEAD,OPTIONS", "The methods that the path supports."),
        "ETag" => (
            "W/\"0f343b0931126a20f133d67c\"",
            "The state of the job. Send it as `If-None-Match`. It is weak, because the answer may be compressed or not.",
        ),
        "Last-Modified" => (
            "Tue, 24 Nov 2026 10:00:01 GMT",
            "When the job finished, rounded up to a second. Absent while the job is unfinished. Send it as `If-Modified-Since`.",
        ),
        "Location" => (
            "/v1/summaries/sum_use1_01JDCR0W00E05BQ75SEB3D7PSV",
            "The address of the job, relative to the base URL of the API.",
        ),
        "Retry-After" => {
            let meaning = "Seconds to wait before the next request. Absent if there is nothing to wait for.";
            return Some((Type::Integer, 1.into(), meaning));
        }
        "Preference-Applied" => (
            "wait=10",
            "For how many seconds the request would have waited. Absent if it did not ask to wait, or if the service has too much work.",
        ),
        "RateLimit" => (
            "\"key\";r=199;t=1, \"tenant\";r=199;t=1",
            "How many submissions the key and the tenant have left (`r`), and after how many seconds all of them (`t`). Absent while the cache does not answer.",
        ),
        "RateLimit-Policy" => (
            "\"key\";q=200;w=10, \"tenant\";q=200;w=10",
            "How many submissions are allowed at once (`q`), and within how many seconds as many are allowed again (`w`), by key and by tenant.",
        ),
        "Summarease-Admission" => (
            "deferred",
            "`deferred` if the job was accepted into the bulk lane because the key or the tenant is over its rate. Absent otherwise.",
        ),
        "Summarease-Cache" => (
            "miss",
            "`hit` if the summary of an earlier submission is the answer, `miss` otherwise.",
        ),
        "WWW-Authenticate" => ("Bearer", "How the API key is sent."),
        "X-Client-Request-Id" => (
            "order-17",
            "The `X-Request-Id` of the request. Absent if there was none, or an unusual one.",
        ),
        "X-Request-Id" => (
            "7c4a1b2e-5f0d-4c43-9f0e-3a9d1f6b2c11",
            "The id of the request. Name it when you report an error.",
        ),
        _ => return None,
    };
    Some((Type::String, example.into(), meaning))
}

/// Describes every header of every response.
pub(super) struct Headers;

impl Modify for Headers {
    fn modify(&self, document: &mut Document) {
        for operation in operations(document).filter(|operation| operation.security.is_none()) {
            for response in operation.responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    for name in OF_KEYS {
                        response.headers.entry(name.to_owned()).or_insert_with(|| Header::default().into());
                    }
                }
            }
        }
        let of_operations: Vec<&mut RefOr<Response>> = operations(document)
            .flat_map(|operation| operation.responses.responses.values_mut())
            .collect();
        of_operations.into_iter().for_each(describe);
        let shared = document.components.iter_mut().flat_map(|components| &mut components.responses);
        for (name, response) in shared {
            if let (RefOr::T(response), Some(own)) = (&mut *response, own(name)) {
                response.headers.insert(own.to_owned(), Header::default().into());
            }
            describe(response);
        }
    }
}

/// The header that a common response has for itself.
fn own(response: &str) -> Option<&'static str> {
    match response {
        "Unauthorized" => Some("WWW-Authenticate"),
        "UnsupportedMediaType" => Some("Accept-Encoding"),
        "TooManyRequests" | "Unavailable" => Some("Retry-After"),
        _ => None,
    }
}

fn describe(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    for name in EVERYWHERE {
        response.headers.entry(name.to_owned()).or_insert_with(|| Header::default().into());
    }
    for (name, header) in &mut response.headers {
        if let (RefOr::T(header), Some((kind, example, meaning))) = (header, row(name)) {
            let description = header.description.take().unwrap_or_else(|| meaning.to_owned());
            *header = described(kind, example, &description);
        }
    }
}

fn described(kind: Type, example: Value, description: &str) -> Header {
    let schema = ObjectBuilder::new();
    let schema = match kind {
        Type::Integer => schema.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32))).minimum(Some(0)),
        _ => schema,
    };
    HeaderBuilder::new()
        .schema(Some(schema.schema_type(kind)))
        .description(Some(description))
        .example(Some(example))
        .build()
}
