//! The operations of the reference.

use maud::{Markup, html};
use serde_json::Value;

use super::{
    schemas::kind,
    text::{entries, prose, resolved, string},
};

/// Method, path and description of every operation.
fn operations(description: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    entries(&description["paths"])
        .flat_map(|(path, methods)| entries(methods).map(move |(method, operation)| (method.as_str(), path.as_str(), operation)))
}

pub(super) fn contents(description: &Value) -> Markup {
    html! {
        ul {
            @for (_, _, operation) in operations(description) {
                li { a href={ "#" (string(&operation["operationId"])) } { (string(&operation["summary"])) } }
            }
        }
    }
}

pub(super) fn all(description: &Value) -> Markup {
    html! {
        @for (method, path, operation) in operations(description) {
            section id=(string(&operation["operationId"])) {
                h2 { (string(&operation["summary"])) }
                p.route { span.method { (method.to_uppercase()) } " " code { (path) } }
                p { (prose(string(&operation["description"]))) }
                @if operation["security"].is_null() { p { "It needs an API key." } } @else { p { "Anyone may call it." } }
                (parameters(operation))
                @if let Some(body) = operation.get("requestBody") {
                    h3 { "Request body" }
                    (body_of(description, body))
                }
                h3 { "Responses" }
                @for (status, response) in entries(&operation["responses"]) {
                    (answer(description, status, resolved(description, response)))
                }
            }
        }
    }
}

fn parameters(operation: &Value) -> Markup {
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    html! {
        @if !parameters.is_empty() {
            h3 { "Parameters" }
            dl {
                @for parameter in parameters {
                    dt { code { (string(&parameter["name"])) } " in the " (string(&parameter["in"])) ": " (kind(&parameter["schema"])) }
                    dd { (prose(string(&parameter["description"]))) }
                }
            }
        }
    }
}

fn answer(description: &Value, status: &str, response: &Value) -> Markup {
    html! {
        details {
            summary { strong { (status) } " " (prose(string(&response["description"]))) }
            (body_of(description, response))
            @if let Some(headers) = response["headers"].as_object() {
                h4 { "Headers" }
                dl {
                    @for (name, header) in headers {
                        dt { code { (name) } ": " (kind(&header["schema"])) }
                        dd { (prose(string(&header["description"]))) }
                    }
                }
            }
        }
    }
}

/// The media types of a request or response, with their examples.
fn body_of(description: &Value, body: &Value) -> Markup {
    html! {
        @for (media_type, content) in entries(&body["content"]) {
            p { code { (media_type) } ": " (kind(&content["schema"])) }
            @if let Some(example) = content.get("example") { (code(example)) }
            @for (_, example) in entries(&content["examples"]) {
                @let example = resolved(description, example);
                p.example { (string(&example["summary"])) ":" }
                (code(&example["value"]))
            }
        }
    }
}

fn code(value: &Value) -> Markup {
    html! { pre { code { (serde_json::to_string_pretty(value).unwrap_or_default()) } } }
}
