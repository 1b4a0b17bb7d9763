//! The fingerprint of a submission. Two submissions with the same fingerprint ask for the same
//! result.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::request::RequestOptions;

/// The SHA-256 hash of engine version, options and text in lower-case hex. The priority is one of
/// the options. It does not change a result, but it is shown in the resource that is reused, and
/// therefore it is part of the hash. The deadline and the time for which a job is kept are not.
pub fn fingerprint(engine: &str, options: &RequestOptions, text: &str) -> String {
    let mut hash = Sha256::new();
    let lasting = RequestOptions {
        expires_in: None,
        deadline: None,
        ..options.clone()
    };
    let options = serde_json::to_string(&lasting).unwrap_or_default();
    for part in [engine, &options, text] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize())
}

/// Writes bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Submission;

    #[test]
    fn every_part_changes_the_fingerprint() {
        let parse = |body: &str| Submission::parse(body.as_bytes()).unwrap();
        let (text, options) = parse(r#"{"text":"One. Two.","include":["scores","keywords"]}"#);
        let same = parse(r#"{"include":["keywords","scores","keywords"],"text":"One. Two."}"#);
        let (_, other) = parse(r#"{"text":"One. Two.","length":{"words":9}}"#);
        let (_, focused) = parse(r#"{"text":"One. Two.","include":["scores","keywords"],"focus":"two"}"#);
        let print = fingerprint("e/1", &options, &text);
        assert_ne!(print, fingerprint("e/1", &focused, &text));
        assert_eq!(print, fingerprint("e/1", &same.1, &same.0));
        assert_ne!(print, fingerprint("e/2", &options, &text));
        assert_ne!(print, fingerprint("e/1", &other, &text));
        assert_ne!(print, fingerprint("e/1", &options, "One. Two!"));
        assert_eq!(print.len(), 64);
    }
}
