//! The messages in the lanes. Each is one JSON object with a type and a version.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    id::JobId,
    request::{Limits, RequestOptions},
    routing::Lane,
    tenant::TenantId,
};

const VERSION: u8 = 1;

/// The body of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// Asks a worker for one summary.
    Summarize(SummarizeMessage),
}

/// A job that a worker has to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SummarizeMessage {
    pub job: JobId,
    pub tenant: TenantId,
    pub lane: Lane,
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
        // This cannot fail: all keys are strings, and every value becomes JSON.
        serde_json::to_string(&Envelope { v: VERSION, message: self }).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Submission;

    #[test]
    fn the_wire_form_is_pinned() {
        let (text, options) = Submission::parse(br#"{"text":"One. Two."}"#).unwrap();
        let message = Message::Summarize(SummarizeMessage {
            job: "sum_use1_01JDCR0W00E05BQ75SEB3D7PSV".parse().unwrap(),
            tenant: String::from("demo").try_into().unwrap(),
            lane: Lane::Standard,
            created_at: time::macros::datetime!(2026-11-23 10:00 UTC),
            options,
            document: Document::Inline(text),
            document_bytes: None,
            fingerprint: "f00d".into(),
        });
        let body = message.to_body();
        insta::assert_snapshot!(body);
        assert_eq!(Message::from_body(&body).unwrap(), message);
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
