//! The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).

use axum::http::{HeaderMap, HeaderName};
use shared::{
    job::{RequestOptions, fingerprint},
    problem::{Kind, Problem},
};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// The most characters of a key.
const LONGEST: usize = 255;

/// The key of a submission, if it has one.
///
/// The draft defines the value as a string of Structured Fields, which stands in quotes. Most clients
/// send it without quotes, so that both forms are taken.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let wrong = || {
        Problem::new(
            Kind::MalformedHeader,
            format!("The header `Idempotency-Key` must be one value of 1 to {LONGEST} printable ASCII characters, such as a UUID."),
        )
    };
    let text = value.to_str().map_err(|_| wrong())?.trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_key = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if values.next().is_some() || !is_key {
        return Err(wrong());
    }
    Ok(Some(text.to_owned()))
}

/// Everything that a submission asks for. It does not depend on how the JSON is written, nor on the
/// version of the engine.
pub(crate) fn body(options: &RequestOptions, text: &str) -> Vec<u8> {
    let lasting = serde_json::to_vec(&(options.expires_in, options.deadline.map(time::OffsetDateTime::unix_timestamp_nanos)));
    let mut body = lasting.unwrap_or_default();
    body.extend_from_slice(fingerprint("", options, text).as_bytes());
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_with_or_without_quotes() {
        let long = "k".repeat(LONGEST + 1);
        for (value, expected) in [
            ("abc", Some("abc")),
            ("\"abc\"", Some("abc")),
            ("a b", Some("a b")),
            ("", None),
            ("\"\"", None),
            (&long, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, value.parse().unwrap());
            assert_eq!(key(&headers).ok().flatten().as_deref(), expected, "{value}");
        }
        let mut twice = HeaderMap::new();
        for value in ["a", "b"] {
            twice.append(HEADER, value.parse().unwrap());
        }
        assert!(key(&twice).is_err());
        assert_eq!(key(&HeaderMap::new()), Ok(None));
    }
}
