//! The messages in the lanes. Each is one JSON object with a type and a version.
//!
//! SQS takes messages of up to 1 MiB, and only of the characters that XML 1.0 allows ("Amazon SQS
//! message quotas" in its Developer Guide). JSON writes all other characters as escapes except
//! U+FFFE and U+FFFF, which are escaped here.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    ended::Ended,
    id::JobId,
    request::{Limits, RequestOptions},
    resource::SummaryResource,
    routing::{INLINE_DOCUMENT_BYTES, Lane},
    tenant::{KeyId, TenantId},
};

/// The newest version that this service reads.
const VERSION: u8 = 3;

/// The most bytes that a document may have inside its message, as JSON writes it. The rest of a
/// message has its own limits, so that a whole message stays far below the 1 MiB of SQS.
const ENCODED_DOCUMENT_BYTES: usize = 256 * 1024;

/// The body of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// Asks a worker for one summary.
    Summarize(SummarizeMessage),
    /// Asks a worker to record a job that the API has finished itself. It has version 2, because
    /// version 0.2.0 does not know it.
    Record(Box<RecordMessage>),
    /// Asks a worker to count a job of which nothing may be kept. It has version 2 too.
    Count(Ended),
    /// Asks a worker to look whether a job that has been unfinished for long still has a message. It has
    /// version 3, because workers of before do not know it.
    Check(CheckMessage),
    /// Asks a worker to erase a job once more: a worker that was recording it at that moment may have
    /// written it again. It has version 2 too.
    Erase(EraseMessage),
}

/// A job that is checked. This message waits in the lane of the job, behind the message of the job
/// itself if that is still there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckMessage {
    pub job: JobId,
    pub tenant: TenantId,
    pub lane: Lane,
    /// How many seconds must lie between two checks.
    pub between: u32,
}

/// A job that was erased.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EraseMessage {
    pub job: JobId,
    pub tenant: TenantId,
    pub lane: Lane,
}

/// A finished job that a worker has to record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordMessage {
    pub tenant: TenantId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    pub resource: SummaryResource,
    /// The fingerprint under which the cache keeps the result for reuse. Absent if the result must not
    /// be reused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The fingerprint under which the API has claimed the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// The id of the trace that the submission belongs to, for the logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// A job that a worker has to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SummarizeMessage {
    pub job: JobId,
    pub tenant: TenantId,
    /// The key that submitted the job. Version 0.2.0 did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    pub lane: Lane,
    /// Whether the job was accepted although its tenant was over its rate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deferred: bool,
    /// Whether the job had a message before, so that attempts may have failed already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    pub options: RequestOptions,
    pub document: Document,
    /// How many bytes the text of a stored document has. Version 0.2.0 did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_bytes: Option<usize>,
    /// The fingerprint of the submission for the engine of the function that wrote this message. A
    /// worker of version 0.2.0 keeps its result under it. Later workers make the fingerprint of
    /// their own engine.
    pub fingerprint: String,
    /// The id of the trace that the submission belongs to, for the logs. Version 0.2.0 did not write
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

impl SummarizeMessage {
    /// How many bytes the text has. If the message does not say it, the text has the most bytes that
    /// are allowed.
    pub fn bytes(&self) -> usize {
        match &self.document {
            Document::Inline(text) => text.len(),
            Document::Stored(_) => self.document_bytes.unwrap_or(Limits::TEXT_BYTES),
        }
    }
}

/// The text of a job, or where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Document {
    /// The text itself.
    Inline(String),
    /// The key of the text in the documents bucket.
    Stored(String),
}

impl Document {
    /// Whether a text is sent inside its message. A text is longer there than it is by itself: a
    /// control character, for example, becomes six bytes.
    pub fn fits_message(text: &str) -> bool {
        text.len() <= INLINE_DOCUMENT_BYTES && encode(text).len() <= ENCODED_DOCUMENT_BYTES
    }
}

/// The body is not a message that this version can read.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// A newer version of the service has written the message.
    #[error("the message has version {0}, but this worker reads version {VERSION}")]
    Newer(u8),
    /// The message does not have the documented fields. The cause is not kept, because it may quote
    /// the document.
    #[error("the message does not have the fields of version {VERSION}")]
    Shape,
}

#[derive(Deserialize)]
struct Version {
    v: u8,
}

#[derive(Serialize)]
struct Envelope<'a> {
    v: u8,
    #[serde(flatten)]
    message: &'a Message,
}

impl Message {
    /// The body that is sent.
    pub fn to_body(&self) -> String {
        let v = match self {
            Self::Summarize(_) => 1,
            Self::Record(_) | Self::Count(_) | Self::Erase(_) => 2,
            Self::Check(_) => 3,
        };
        encode(&Envelope { v, message: self })
    }

    /// A body as it is sent to its lane once more. A body that this version cannot read stays as it is.
    pub fn again(body: &str) -> String {
        match Self::from_body(body) {
            Ok(Self::Summarize(mut message)) => {
                message.again = true;
                Self::Summarize(message).to_body()
            }
            _ => body.to_owned(),
        }
    }

    /// The job that the message is about.
    pub fn job(&self) -> &JobId {
        match self {
            Self::Summarize(message) => &message.job,
            Self::Record(message) => &message.resource.id,
            Self::Count(ended) => &ended.id,
            Self::Check(message) => &message.job,
            Self::Erase(message) => &message.job,
        }
    }

    /// The tenant of the job.
    pub fn tenant(&self) -> &TenantId {
        match self {
            Self::Summarize(message) => &message.tenant,
            Self::Record(message) => &message.tenant,
            Self::Count(ended) => &ended.tenant,
            Self::Check(message) => &message.tenant,
            Self::Erase(message) => &message.tenant,
        }
    }

    /// The lane of the job.
    pub fn lane(&self) -> Lane {
        match self {
            Self::Summarize(message) => message.lane,
            Self::Record(message) => message.resource.lane,
            Self::Count(ended) => ended.lane,
            Self::Check(message) => message.lane,
            Self::Erase(message) => message.lane,
        }
    }

    /// The id of the trace that the submission belongs to.
    pub fn trace(&self) -> Option<&str> {
        match self {
            Self::Summarize(message) => message.trace.as_deref(),
            Self::Record(message) => message.trace.as_deref(),
            Self::Count(_) | Self::Check(_) | Self::Erase(_) => None,
        }
    }

    /// How many bytes the text has that is to be worked on.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Summarize(message) => message.bytes(),
            Self::Record(_) | Self::Count(_) | Self::Check(_) | Self::Erase(_) => 0,
        }
    }

    /// Reads a received body.
    ///
    /// # Errors
    /// If the message has a newer version or does not have the documented fields.
    pub fn from_body(body: &str) -> Result<Self, MessageError> {
        let version: Version = serde_json::from_str(body).map_err(|_| MessageError::Shape)?;
        if version.v > VERSION {
            return Err(MessageError::Newer(version.v));
        }
        serde_json::from_str(body).map_err(|_| MessageError::Shape)
    }
}

/// JSON in the characters that SQS takes.
fn encode(value: &(impl Serialize + ?Sized)) -> String {
    // This cannot fail: all keys are strings, and every value becomes JSON.
    let json = serde_json::to_string(value).unwrap_or_default();
    // Outside of its strings, JSON has neither of them.
    if json.contains(['\u{FFFE}', '\u{FFFF}']) {
        json.replace('\u{FFFE}', "\\ufffe").replace('\u{FFFF}', "\\uffff")
    } else {
        json
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Submission;

    fn message(text: String, options: RequestOptions) -> Message {
        Message::Summarize(SummarizeMessage {
            job: "sum_use1_01JDCR0W00E05BQ75SEB3D7PSV".parse().unwrap(),
            tenant: String::from("demo").try_into().unwrap(),
            key: None,
            deferred: false,
            again: false,
            lane: Lane::Standard,
            created_at: time::macros::datetime!(2026-11-23 10:00 UTC),
            options,
            document: Document::Inline(text),
            document_bytes: None,
            fingerprint: "f00d".into(),
            trace: None,
        })
    }

    /// The characters that the Developer Guide of SQS lists.
    fn sqs_takes(c: char) -> bool {
        matches!(c, '\u{9}' | '\u{A}' | '\u{D}' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
    }

    /// Options with as much of `character` as they may have.
    fn options(character: char) -> RequestOptions {
        let many = |count: usize| character.to_string().repeat(count);
        let entries = (0..Limits::METADATA_ENTRIES).map(|number| (format!("k{number}"), many(Limits::METADATA_VALUE).into()));
        let metadata: serde_json::Map<_, serde_json::Value> = entries.collect();
        let focus = format!("a{}", many(Limits::FOCUS - 1));
        let body = serde_json::json!({"text": "One. Two.", "focus": focus, "metadata": metadata});
        Submission::parse(body.to_string().as_bytes()).unwrap().1
    }

    #[test]
    fn a_message_has_only_characters_that_sqs_takes_and_loses_none() {
        for character in [
            '\u{1}', '\u{8}', '\u{1F}', '\u{7F}', '\u{FFFE}', '\u{FFFF}', '\u{1FFFE}', '\u{10FFFF}', 'é',
        ] {
            let message = message(format!("One {character} two."), options(character));
            let body = message.to_body();
            assert!(body.chars().all(sqs_takes), "{character:?}: {body}");
            assert_eq!(Message::from_body(&body).unwrap(), message, "{character:?}");
        }
    }

    #[test]
    fn the_longest_message_is_far_below_the_limit_of_sqs() {
        let mut longest = 0;
        for character in ['\u{1}', '"', 'a', '\u{FFFF}', '水'] {
            let least = INLINE_DOCUMENT_BYTES / 6 / character.len_utf8();
            for length in [least, 2 * least, 4 * least, 6 * least] {
                let text = character.to_string().repeat(length);
                let fits = Document::fits_message(&text);
                let body = message(text, options('\u{1}')).to_body();
                if fits {
                    longest = longest.max(body.len());
                }
            }
        }
        assert!((200 * 1024..400 * 1024).contains(&longest), "{longest}");
        assert!(!Document::fits_message(&"\u{1}".repeat(INLINE_DOCUMENT_BYTES)));
        assert!(Document::fits_message(&"a".repeat(INLINE_DOCUMENT_BYTES)));
        assert!(!Document::fits_message(&"a".repeat(INLINE_DOCUMENT_BYTES + 1)));
    }

    proptest! {
        #[test]
        fn any_text_comes_through(text in any::<String>()) {
            let (_, options) = Submission::parse(br#"{"text":"One. Two."}"#).unwrap();
            let message = message(text, options);
            let body = message.to_body();
            prop_assert!(body.chars().all(sqs_takes));
            prop_assert_eq!(Message::from_body(&body).unwrap(), message);
        }
    }

    #[test]
    fn the_wire_form_is_pinned() {
        let (text, options) = Submission::parse(br#"{"text":"One. Two."}"#).unwrap();
        let message = message(text, options);
        let body = message.to_body();
        insta::assert_snapshot!(body);
        assert_eq!(Message::from_body(&body).unwrap(), message);
    }

    #[test]
    fn the_id_of_a_trace_is_one_more_field() {
        let (_, options) = Submission::parse(br#"{"text":"One. Two."}"#).unwrap();
        let without = message("One. Two.".to_owned(), options);
        let Message::Summarize(mut job) = without.clone() else {
            unreachable!()
        };
        job.trace = Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned());
        let with = Message::Summarize(job);
        let body = with.to_body();
        assert_eq!(Message::from_body(&body).unwrap(), with);
        let field = r#","trace":"4bf92f3577b34da6a3ce929d0e0e4736""#;
        assert_eq!(body.replace(field, ""), without.to_body());
    }

    #[test]
    fn a_newer_version_and_another_shape_are_different_errors() {
        assert!(matches!(
            Message::from_body(r#"{"v":99,"type":"summarize"}"#),
            Err(MessageError::Newer(99))
        ));
        for body in [
            "",
            "{",
            "[]",
            "null",
            r#"{"v":0}"#,
            r#"{"v":1}"#,
            r#"{"v":1,"type":"dance"}"#,
            r#"{"v":1,"type":"summarize"}"#,
        ] {
            assert!(matches!(Message::from_body(body), Err(MessageError::Shape)), "{body}");
        }
    }
}
