//! What travels through the lanes: one tagged, versioned JSON object per message.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{id::JobId, request::RequestOptions, routing::Lane, tenant::TenantId};

const VERSION: u8 = 1;

/// A message body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// Make one summary.
    Summarize(SummarizeMessage),
}

/// A job on its way to a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SummarizeMessage {
    pub job: JobId,
    pub tenant: TenantId,
    pub lane: Lane,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    pub options: RequestOptions,
    pub document: Document,
    /// Where the result is cached for the same text and options.
    pub fingerprint: String,
}

/// Where the text is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Document {
    /// Here.
    Inline(String),
    /// In the documents bucket, under this key.
    Stored(String),
}

/// The body is no message that this version understands.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Written by a newer version of the service, or by a stranger.
    #[error("message version {0} is not {VERSION}")]
    Version(u8),
    /// Not the documented shape. The cause may quote the document: never log it.
    #[error("the message has not the shape of version {VERSION}")]
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
    /// The body to send.
    pub fn to_body(&self) -> String {
        // A map with string keys and no failing serializer inside always becomes JSON.
        serde_json::to_string(&Envelope { v: VERSION, message: self }).unwrap_or_default()
    }

    /// Reads a received body.
    ///
    /// # Errors
    /// If the version is another one or the shape is wrong.
    pub fn from_body(body: &str) -> Result<Self, MessageError> {
        let version: Version = serde_json::from_str(body).map_err(|_| MessageError::Shape)?;
        if version.v != VERSION {
            return Err(MessageError::Version(version.v));
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
            fingerprint: "f00d".into(),
        });
        let body = message.to_body();
        insta::assert_snapshot!(body);
        assert_eq!(Message::from_body(&body).unwrap(), message);
    }

    #[test]
    fn strangers_are_told_apart() {
        assert!(matches!(
            Message::from_body(r#"{"v":99,"type":"summarize"}"#),
            Err(MessageError::Version(99))
        ));
        for body in [
            "",
            "{",
            "[]",
            "null",
            r#"{"v":1}"#,
            r#"{"v":1,"type":"dance"}"#,
            r#"{"v":1,"type":"summarize"}"#,
        ] {
            assert!(matches!(Message::from_body(body), Err(MessageError::Shape)), "{body}");
        }
    }
}
