//! The schemas of the reference.

use maud::{Markup, html};
use serde_json::Value;

use super::text::{entries, prose, string};

pub(super) fn contents(description: &Value) -> Markup {
    html! {
        ul {
            @for (name, _) in entries(&description["components"]["schemas"]) {
                li { a href={ "#schema-" (name) } { (name) } }
            }
        }
    }
}

pub(super) fn all(description: &Value) -> Markup {
    html! {
        @for (name, schema) in entries(&description["components"]["schemas"]) {
            section id={ "schema-" (name) } {
                h3 { (name) }
                (body(schema))
            }
        }
    }
}

/// A schema with its description, its bounds and its properties.
fn body(schema: &Value) -> Markup {
    let parts = ["allOf", "oneOf", "anyOf"]
        .into_iter()
        .filter_map(|word| Some((word, schema[word].as_array()?)));
    html! {
        p { (prose(string(&schema["description"]))) }
        @if schema["properties"].is_null() { p.kind { (kind(schema)) } }
        @for (word, parts) in parts {
            p { (meaning(word)) }
            ul {
                @for part in parts {
                    li { @if part["$ref"].is_string() { (kind(part)) } @else { (body(part)) } }
                }
            }
        }
        @if let Some(properties) = schema["properties"].as_object() {
            dl {
                @for (name, property) in properties {
                    dt {
                        code { (name) } ": " (kind(property))
                        @if is_required(schema, name) { " " em { "required" } }
                    }
                    dd { (prose(string(&property["description"]))) }
                }
            }
        }
    }
}

fn is_required(schema: &Value, name: &str) -> bool {
    schema["required"]
        .as_array()
        .is_some_and(|names| names.iter().any(|required| required == name))
}

fn meaning(word: &str) -> &'static str {
    match word {
        "allOf" => "All of these together:",
        "oneOf" => "Exactly one of these:",
        _ => "Any of these:",
    }
}

/// The type of a value in one line.
pub(super) fn kind(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return html! { a href={ "#schema-" (name) } { (name) } };
    }
    let options = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().map(string).collect::<Vec<_>>().join(" or "),
        other => string(other).to_owned(),
    };
    html! {
        @if let Some(options) = options {
            @for (number, option) in options.iter().enumerate() { @if number > 0 { " or " } (kind(option)) }
        } @else if types == "array" {
            "list of " (kind(&schema["items"]))
        } @else if schema["additionalProperties"].is_object() {
            "object of " (kind(&schema["additionalProperties"]))
        } @else {
            (types)
        }
        @for value in schema["enum"].as_array().into_iter().flatten() { " " code { (value) } }
        (bounds(schema))
    }
}

fn bounds(schema: &Value) -> Markup {
    let words = [
        ("format", "format"),
        ("minimum", "at least"),
        ("exclusiveMinimum", "above"),
        ("maximum", "at most"),
        ("minLength", "characters at least"),
        ("maxLength", "characters at most"),
        ("maxItems", "items at most"),
        ("maxProperties", "entries at most"),
        ("pattern", "pattern"),
        ("default", "default"),
    ];
    html! {
        @for (word, meaning) in words {
            @if let Some(value) = schema.get(word) { ", " (meaning) " " code { (value) } }
        }
    }
}
