//! What a client may ask for: the submission on the wire, checked field by field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::summarizer::{Budget, NotOneLength, Sort};

/// The bounds of a submission, as the API documents them.
pub struct Limits;

impl Limits {
    /// Bytes of the text as UTF-8. A Lambda request holds 6 MB, and JSON escapes take their share.
    pub const TEXT_BYTES: usize = 4 * 1024 * 1024;
    /// Bytes of the whole request body.
    pub const BODY_BYTES: usize = 5 * 1024 * 1024;
    /// Sentences of a summary.
    pub const SENTENCES: u32 = 100;
    /// Words of a summary.
    pub const WORDS: u32 = 5_000;
    /// Characters (Unicode scalar values) of a summary.
    pub const CHARACTERS: u32 = 50_000;
    /// Bytes of a result as JSON, its quotes escaped: what Lambda returns may have 6 MB.
    pub const RESULT_BYTES: usize = 5_500_000;
    /// Characters of `focus`.
    pub const FOCUS: usize = 500;
    /// Entries of `metadata`.
    pub const METADATA_ENTRIES: usize = 16;
    /// Characters of a key of `metadata`.
    pub const METADATA_KEY: usize = 64;
    /// Characters of a value of `metadata`.
    pub const METADATA_VALUE: usize = 512;
}

/// How the text is marked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Plain text.
    #[default]
    Text,
    /// CommonMark.
    Markdown,
}

/// How the summary is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Picks whole sentences of the text, word for word.
    #[default]
    Extractive,
    /// Leaves the choice to the service.
    Auto,
}

/// How urgent the job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Someone is waiting; for tenants on the `pro` plan.
    Express,
    /// The usual.
    #[default]
    Standard,
    /// Nobody is waiting.
    Bulk,
}

/// What the result holds besides the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Include {
    /// Keywords of the whole text.
    Keywords,
    /// Score and rank of every sentence, chosen or not.
    Scores,
}

/// The body of `POST /v1/summaries`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SummaryRequest)]
pub struct Submission {
    /// The text to summarise: UTF-8, 1 byte to 4 MiB, at least one letter or digit, no U+0000.
    #[schema(min_length = 1, max_length = 4_194_304)]
    pub text: String,
    #[serde(default)]
    #[schema(inline, default = "text")]
    pub format: Format,
    #[serde(default)]
    pub length: Budget,
    #[serde(default)]
    #[schema(inline, default = "extractive")]
    pub method: Method,
    #[serde(default)]
    #[schema(inline, default = "position")]
    pub sort: Sort,
    /// What the result holds besides the summary.
    #[serde(default)]
    #[schema(inline)]
    pub include: Vec<Include>,
    #[serde(default)]
    #[schema(inline, default = "standard")]
    pub priority: Priority,
    /// `auto`, or the text's language as a BCP 47 tag such as `de` or `pt-BR`.
    #[serde(default = "auto")]
    #[schema(default = "auto")]
    pub language: String,
    /// A question or some words: sentences that have to do with them come first. 1 to 500 characters,
    /// at least one letter or digit.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    pub focus: Option<String>,
    /// Up to 16 strings of your own, returned with the summary. Keys up to 64, values up to 512 characters.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// A checked submission without its text: what is queued, archived and echoed to the client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RequestOptions {
    #[schema(inline)]
    pub format: Format,
    pub length: Budget,
    #[schema(inline)]
    pub method: Method,
    #[schema(inline)]
    pub sort: Sort,
    #[schema(inline)]
    pub include: Vec<Include>,
    #[schema(inline)]
    pub priority: Priority,
    pub language: String,
    /// Absent if none was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focus: Option<String>,
    pub metadata: BTreeMap<String, String>,
}

/// One field that cannot stand, where it is and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct InvalidField {
    /// JSON pointer into the request body, as a URI fragment (RFC 6901 §6).
    #[schema(examples("#/length/sentences"))]
    pub pointer: String,
    /// What is wrong and what is allowed. Never a piece of the document.
    pub detail: String,
}

/// The submission was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmissionError {
    /// The body is not JSON text in UTF-8; says what is wrong and where.
    #[error("{0}")]
    Malformed(String),
    /// The body is JSON, and these fields are not as documented.
    #[error("{} invalid fields", .0.len())]
    Invalid(Vec<InvalidField>),
}

fn auto() -> String {
    "auto".to_owned()
}

impl Submission {
    /// Reads and checks a request body; returns the text and the options for it.
    ///
    /// # Errors
    /// [`SubmissionError::Malformed`] for anything but JSON in UTF-8, else every bad field at once
    /// (only the first one where the shape itself is wrong).
    pub fn parse(body: &[u8]) -> Result<(String, RequestOptions), SubmissionError> {
        let body = std::str::from_utf8(body).map_err(|error| {
            let at = error.valid_up_to();
            SubmissionError::Malformed(format!("The body is not UTF-8: byte {at} starts no character. Send UTF-8."))
        })?;
        let mut json = serde_json::Deserializer::from_str(body);
        let submission: Self = serde_path_to_error::deserialize(&mut json).map_err(|error| explain(&error))?;
        json.end().map_err(|error| malformed(&error))?;
        let invalid = submission.invalid_fields();
        if invalid.is_empty() {
            Ok(submission.into_parts())
        } else {
            Err(SubmissionError::Invalid(invalid))
        }
    }

    fn into_parts(mut self) -> (String, RequestOptions) {
        self.include.sort_by_key(|include| *include as u8);
        self.include.dedup();
        let options = RequestOptions {
            format: self.format,
            length: self.length,
            method: self.method,
            sort: self.sort,
            include: self.include,
            priority: self.priority,
            language: self.language,
            focus: self.focus,
            metadata: self.metadata,
        };
        (self.text, options)
    }

    fn invalid_fields(&self) -> Vec<InvalidField> {
        let mut invalid = Vec::new();
        let mut refuse = |pointer: String, detail: String| invalid.push(InvalidField { pointer, detail });
        if self.text.len() > Limits::TEXT_BYTES {
            refuse(
                "#/text".into(),
                format!(
                    "is {} bytes long; at most {} are allowed. Split the document.",
                    self.text.len(),
                    Limits::TEXT_BYTES
                ),
            );
        } else if !self.text.contains(char::is_alphanumeric) {
            refuse(
                "#/text".into(),
                "has no letter or digit; send a text with at least one sentence.".into(),
            );
        } else if let Some(at) = self.text.chars().position(|c| c == '\0') {
            refuse(
                "#/text".into(),
                format!("has U+0000 at character {at}; is it binary? Send text without it."),
            );
        }
        if let Some(detail) = length_problem(self.length) {
            refuse(format!("#/length/{}", self.length.unit()), detail);
        }
        let tag = &self.language;
        let subtags = tag
            .split('-')
            .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
        let primary = tag
            .split('-')
            .next()
            .is_some_and(|part| part.len() >= 2 && part.bytes().all(|b| b.is_ascii_alphabetic()));
        if !(subtags && primary && tag.len() <= 35) {
            refuse(
                "#/language".into(),
                "is no language tag; use `auto` or a BCP 47 tag such as `en` or `pt-BR`.".into(),
            );
        }
        if let Some(focus) = &self.focus
            && (focus.chars().count() > Limits::FOCUS || !focus.contains(char::is_alphanumeric) || focus.contains('\0'))
        {
            refuse(
                "#/focus".into(),
                format!(
                    "needs 1 to {} characters, at least one of them a letter or digit, none U+0000. Leave it out for a summary of the whole text.",
                    Limits::FOCUS
                ),
            );
        }
        if self.metadata.len() > Limits::METADATA_ENTRIES {
            refuse(
                "#/metadata".into(),
                format!(
                    "has {} entries; at most {} are allowed.",
                    self.metadata.len(),
                    Limits::METADATA_ENTRIES
                ),
            );
        }
        for (key, value) in self.metadata.iter().take(Limits::METADATA_ENTRIES) {
            let fits = !key.is_empty() && key.chars().count() <= Limits::METADATA_KEY && value.chars().count() <= Limits::METADATA_VALUE;
            if !fits || key.contains('\0') || value.contains('\0') {
                refuse(
                    format!("#/metadata/{}", pointer_token(key)),
                    format!(
                        "needs a key of 1 to {} and a value of at most {} characters, none of them U+0000.",
                        Limits::METADATA_KEY,
                        Limits::METADATA_VALUE
                    ),
                );
            }
        }
        invalid
    }
}

fn length_problem(length: Budget) -> Option<String> {
    let (value, most) = match length {
        Budget::Sentences(n) => (n, Limits::SENTENCES),
        Budget::Words(n) => (n, Limits::WORDS),
        Budget::Characters(n) => (n, Limits::CHARACTERS),
        Budget::Ratio(ratio) if ratio > 0.0 && ratio <= 1.0 => return None,
        Budget::Ratio(ratio) => return Some(format!("is {ratio}; it must be above 0 and at most 1.")),
    };
    (!(1..=most).contains(&value)).then(|| format!("is {value}; it must be from 1 to {most}."))
}

fn malformed(error: &serde_json::Error) -> SubmissionError {
    SubmissionError::Malformed(format!("The body is not one JSON object: {error}."))
}

fn explain(error: &serde_path_to_error::Error<serde_json::Error>) -> SubmissionError {
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
        detail: without_values(&inner.to_string()),
    }])
}

/// Keeps the part of a serde message that speaks of the schema and drops what it quotes from the input.
fn without_values(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(what, _)| what);
    let expected = message.rfind(", expected ").map(|at| &message[at + 2..]);
    if let Some(rest) = message.strip_prefix("invalid ") {
        let kind = rest.split_once(": ").map_or("", |(_, found)| found);
        let kind: String = kind.chars().take_while(|c| c.is_ascii_alphabetic() || *c == ' ').collect();
        return match expected {
            Some(expected) => format!("is of the wrong type or value ({}); {expected}.", kind.trim()),
            None => "is of the wrong type or value.".to_owned(),
        };
    }
    if message.starts_with("unknown variant") {
        return expected.map_or("is none of the allowed values.".to_owned(), |expected| {
            format!("is none of the allowed values; {expected}.")
        });
    }
    if message.starts_with("unknown field") {
        let name = message.split('`').nth(1).unwrap_or_default();
        let name: String = name.chars().take(64).collect();
        return expected.map_or(format!("unknown field `{name}`."), |expected| {
            format!("unknown field `{name}`; {expected}.")
        });
    }
    if message == NotOneLength.to_string() {
        return format!("{message}.");
    }
    if message.starts_with("missing field") || message.starts_with("duplicate field") {
        return format!("{message}.");
    }
    expected.map_or("is not as documented.".to_owned(), |expected| {
        format!("is not as documented; {expected}.")
    })
}

/// Escapes one reference token (RFC 6901 §3), cut to a length fit for an error body.
fn pointer_token(key: &str) -> String {
    key.chars().take(64).collect::<String>().replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn refused(body: &serde_json::Value) -> Vec<InvalidField> {
        match Submission::parse(body.to_string().as_bytes()) {
            Err(SubmissionError::Invalid(fields)) => fields,
            other => panic!("{body} gave {other:?}"),
        }
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let (text, options) = Submission::parse(br#"{"text":"One. Two."}"#).unwrap();
        assert_eq!(text, "One. Two.");
        insta::assert_json_snapshot!(options, @r#"
        {
          "format": "text",
          "length": {
            "sentences": 3
          },
          "method": "extractive",
          "sort": "position",
          "include": [],
          "priority": "standard",
          "language": "auto",
          "metadata": {}
        }
        "#);
    }

    #[test]
    fn each_bad_field_is_named_with_its_limit() {
        let text = "Fine.";
        for (body, pointer, says) in [
            (json!({}), "#", "missing field `text`"),
            (json!({"text": 5}), "#/text", "expected a string"),
            (json!({"text": null}), "#/text", "expected a string"),
            (json!({"text": ""}), "#/text", "no letter or digit"),
            (json!({"text": " \n.!?"}), "#/text", "no letter or digit"),
            (json!({"text": "a\u{0}b"}), "#/text", "U+0000 at character 1"),
            (json!({"text": "a".repeat(Limits::TEXT_BYTES + 1)}), "#/text", "at most 4194304"),
            (json!({"text": text, "lenght": 3}), "#/lenght", "unknown field `lenght`"),
            (
                json!({"text": text, "length": {"sentences": 0}}),
                "#/length/sentences",
                "from 1 to 100",
            ),
            (
                json!({"text": text, "length": {"sentences": 101}}),
                "#/length/sentences",
                "from 1 to 100",
            ),
            (
                json!({"text": text, "length": {"sentences": -1}}),
                "#/length/sentences",
                "expected u32",
            ),
            (json!({"text": text, "length": {"words": 5001}}), "#/length/words", "from 1 to 5000"),
            (
                json!({"text": text, "length": {"characters": 0}}),
                "#/length/characters",
                "from 1 to 50000",
            ),
            (
                json!({"text": text, "length": {"ratio": 1.5}}),
                "#/length/ratio",
                "above 0 and at most 1",
            ),
            (
                json!({"text": text, "length": {"pages": 1}}),
                "#/length",
                "unknown field `pages`; expected one of `sentences`",
            ),
            (
                json!({"text": text, "length": {"words": 5, "sentences": 1}}),
                "#/length",
                "exactly one",
            ),
            (json!({"text": text, "length": {}}), "#/length", "exactly one"),
            (json!({"text": text, "method": "magic"}), "#/method", "`extractive` or `auto`"),
            (
                json!({"text": text, "include": ["scores", "secrets"]}),
                "#/include/1",
                "`keywords` or `scores`",
            ),
            (json!({"text": text, "language": "english please"}), "#/language", "BCP 47"),
            (json!({"text": text, "focus": ""}), "#/focus", "a letter or digit"),
            (json!({"text": text, "focus": "?!"}), "#/focus", "a letter or digit"),
            (json!({"text": text, "focus": "é".repeat(501)}), "#/focus", "1 to 500 characters"),
            (json!({"text": text, "focus": "a\u{0}"}), "#/focus", "none U+0000"),
            (json!({"text": text, "focus": ["a"]}), "#/focus", "expected a string"),
            (
                json!({"text": text, "metadata": {"a/b": "x".repeat(513)}}),
                "#/metadata/a~1b",
                "at most 512",
            ),
            (json!({"text": text, "metadata": {"n": 1}}), "#/metadata/n", "expected a string"),
        ] {
            let fields = refused(&body);
            assert_eq!(fields.len(), 1, "{fields:?}");
            assert!(fields[0].pointer.starts_with(pointer), "{fields:?} should be at {pointer}");
            assert!(fields[0].detail.contains(says), "{fields:?} should say {says}");
        }
    }

    #[test]
    fn what_was_queued_before_there_was_a_focus_still_reads() {
        let (_, options) = Submission::parse(r#"{"text":"One.","focus":"the bridge"}"#.as_bytes()).unwrap();
        assert_eq!(options.focus.as_deref(), Some("the bridge"));
        let mut old = serde_json::to_value(&options).unwrap();
        old.as_object_mut().unwrap().remove("focus");
        assert_eq!(serde_json::from_value::<RequestOptions>(old).unwrap().focus, None);
    }

    #[test]
    fn every_bad_value_is_reported_at_once() {
        let fields = refused(&json!({"text": "", "length": {"words": 0}, "language": ""}));
        let pointers: Vec<_> = fields.iter().map(|field| field.pointer.as_str()).collect();
        assert_eq!(pointers, ["#/text", "#/length/words", "#/language"]);
    }

    #[test]
    fn bodies_that_are_not_json_say_where() {
        for (body, says) in [
            (&b""[..], "EOF"),
            (b"{\"text\":", "line 1 column 8"),
            (b"{\"text\":\"a\"} trailing", "trailing characters"),
            (b"\xff\xfe", "byte 0"),
            (b"{\"text\":\"\xc3\x28\"}", "byte 9"),
            (b"{\"text\":\"\\ud800\"}", "line 1"),
        ] {
            match Submission::parse(body) {
                Err(SubmissionError::Malformed(detail)) => assert!(detail.contains(says), "{detail}"),
                other => panic!("{body:?} gave {other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn no_body_panics(body: Vec<u8>) {
            let _ = Submission::parse(&body);
        }

        #[test]
        fn errors_never_quote_a_value(secret in "[a-z]{12}") {
            for body in [
                json!({"text": "A.", "length": secret}),
                json!({"text": "A.", "length": {"sentences": secret}}),
                json!({"text": "A.", "method": secret}),
                json!({"text": "A.", "include": [secret]}),
                json!({"text": "A.", "metadata": secret}),
                json!({"text": "A.", "language": format!("{secret} {secret}")}),
                json!(secret),
            ] {
                prop_assert!(!format!("{:?}", refused(&body)).contains(&secret), "{body}");
            }
        }
    }
}
