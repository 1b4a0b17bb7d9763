//! Explains to a client why a submission is refused. An explanation never quotes the document.

use serde::Serialize;
use utoipa::ToSchema;

use summarizer::NotOneLength;

/// One invalid field: where it is, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct InvalidField {
    /// The place of the field in the request body: a JSON pointer as a URI fragment (RFC 6901 §6).
    #[schema(examples("#/length/sentences"))]
    pub pointer: String,
    /// What is wrong, and what is allowed. It never contains a part of the document.
    pub detail: String,
}

/// The submission was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmissionError {
    /// The body is not JSON in UTF-8. The text says what is wrong, and where.
    #[error("{0}")]
    Malformed(String),
    /// The body is JSON, but these fields are invalid.
    #[error("the submission has {} invalid fields", .0.len())]
    Invalid(Vec<InvalidField>),
}

pub(super) fn malformed(error: &serde_json::Error) -> SubmissionError {
    SubmissionError::Malformed(format!("The body is not one JSON object: {error}."))
}

pub(super) fn explain(error: &serde_path_to_error::Error<serde_json::Error>) -> SubmissionError {
    let inner = error.inner();
    if inner.is_syntax() || inner.is_eof() {
        return malformed(inner);
    }
    let mut tokens = vec!["#".to_owned()];
    for segment in error.path() {
        use serde_path_to_error::Segment;
        match segment {
            Segment::Seq { index } => tokens.push(index.to_string()),
            Segment::Map { key } => tokens.push(pointer_token(key)),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    let pointer = tokens.join("/");
    SubmissionError::Invalid(vec![InvalidField {
        pointer,
        detail: explained(&inner.to_string()),
    }])
}

/// Explains a message of serde to a client. It keeps the part about what is expected, and leaves out the
/// part that quotes the input.
pub fn explained(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(what, _)| what);
    let expected = message.rfind(", expected ").map(|at| &message[at + 2..]);
    if let Some((kind, found)) = message.strip_prefix("invalid ").and_then(|rest| rest.split_once(": ")) {
        let found: String = found.chars().take_while(|c| c.is_ascii_alphabetic() || *c == ' ').collect();
        let expected = expected
            .and_then(|expected| expected.strip_prefix("expected "))
            .unwrap_or("a value as documented");
        let expected = in_json(expected);
        let found = match found.trim() {
            // Another number may be possible there.
            "integer" if kind == "value" || expected == "a whole number" => "a whole number outside the allowed range",
            "floating point" if kind == "value" || expected.contains("number") => "a number that is not allowed here",
            other => in_json(other),
        };
        return format!("The value is {found}. It must be {expected}.");
    }
    if message.starts_with("unknown variant") {
        return expected.map_or("The value is none of the allowed values.".to_owned(), |expected| {
            format!("The value is none of the allowed values ({expected}).")
        });
    }
    if message.starts_with("unknown field") {
        let name = message.split('`').nth(1).unwrap_or_default();
        let name: String = name.chars().take(64).collect();
        return expected.map_or(format!("The object has an unknown field `{name}`. Remove it."), |expected| {
            format!("The object has an unknown field `{name}` ({expected}).")
        });
    }
    if message == NotOneLength.to_string() {
        return format!("The length has no unit or several units; {message}.");
    }
    if message.starts_with("missing field") || message.starts_with("duplicate field") {
        return format!("The object has a {message}.");
    }
    expected.map_or("The value is not as documented.".to_owned(), |expected| {
        format!("The value is not possible ({expected}).")
    })
}

/// The name in JSON of a type as serde calls it.
fn in_json(name: &str) -> &str {
    match name {
        "u32" | "u64" | "integer" => "a whole number",
        "f64" | "floating point" => "a number",
        "string" => "a string",
        "boolean" => "true or false",
        "null" => "null",
        "map" | "a map" => "an object",
        name if name.starts_with("struct ") => "an object",
        "sequence" | "a sequence" => "a list",
        other => other,
    }
}

/// Escapes one reference token of a JSON pointer (RFC 6901 §3). It is cut after 64 characters, so
/// that the answer stays short.
pub(super) fn pointer_token(key: &str) -> String {
    key.chars().take(64).collect::<String>().replace('~', "~0").replace('/', "~1")
}
