//! What a client says about a request so that it finds it again: an id of its own, and the trace
//! that the request belongs to.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, request::Parts},
};

/// The id that the client gave the request in `X-Request-Id`, if it has 1 to 128 of the characters
/// `A-Z`, `a-z`, `0-9`, `.`, `_` and `-`. Any other id is ignored.
pub(crate) fn client_request_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    let is_usual = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    headers
        .get("x-request-id")
        .filter(|id| (1..=128).contains(&id.len()) && id.as_bytes().iter().all(is_usual))
}

/// The id of the trace that a request belongs to, from the header `traceparent`. A header that is
/// not as W3C Trace Context §3.2 says is ignored.
#[derive(Debug)]
pub(crate) struct TraceId(pub(crate) Option<String>);

impl TraceId {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let parent = headers.get("traceparent").and_then(|value| value.to_str().ok());
        Self(parent.and_then(trace_id).map(str::to_owned))
    }
}

impl<S: Sync> FromRequestParts<S> for TraceId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// The id of the trace in a `traceparent`: version, id of the trace, id of the caller's step, and
/// flags. A version after 00 may have more parts.
fn trace_id(parent: &str) -> Option<&str> {
    let is_hex = |text: &str, length| text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |text: &str, length| is_hex(text, length) && text.bytes().any(|byte| byte != b'0');
    let mut parts = parent.splitn(5, '-');
    let (version, trace, step, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_known = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    (is_known && is_id(trace, 32) && is_id(step, 16) && is_hex(flags, 2)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn only_a_valid_traceparent_names_a_trace() {
        for valid in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-later",
        ] {
            assert_eq!(trace_id(valid), Some(TRACE), "{valid}");
        }
        for invalid in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01,00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert_eq!(trace_id(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn an_id_of_the_client_has_1_to_128_usual_characters() {
        let longest = "a".repeat(128);
        for (id, is_taken) in [
            ("order-17.b_2", true),
            (&longest, true),
            (&format!("{longest}a"), false),
            ("", false),
            ("a b", false),
            ("a,b", false),
            ("<b>", false),
        ] {
            let headers = HeaderMap::from_iter([("x-request-id".parse().unwrap(), id.parse().unwrap())]);
            assert_eq!(client_request_id(&headers).is_some(), is_taken, "{id}");
        }
    }
}
