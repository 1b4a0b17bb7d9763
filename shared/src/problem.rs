//! Problem documents (RFC 9457). This is the only place that turns an error into one.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    directory::ActError,
    job::{InvalidField, Scope, SubmissionError},
    store::{Chain, StoreError},
};

/// Every kind of problem that the API answers with. The name of a kind never changes, because
/// clients compare it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    MalformedBody,
    MalformedHeader,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    RequestTimeout,
    Conflict,
    PayloadTooLarge,
    UnsupportedMediaType,
    UnsupportedEncoding,
    InvalidRequest,
    IdempotencyKeyReused,
    TooManyRequests,
    Internal,
    Unavailable,
}

impl Kind {
    /// All kinds, ordered by HTTP status.
    pub const ALL: [Self; 17] = [
        Self::MalformedBody,
        Self::MalformedHeader,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::RequestTimeout,
        Self::Conflict,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::UnsupportedEncoding,
        Self::InvalidRequest,
        Self::IdempotencyKeyReused,
        Self::TooManyRequests,
        Self::Internal,
        Self::Unavailable,
    ];

    /// The HTTP status, the name, the title, and what the client can do next.
    #[expect(clippy::too_many_lines, reason = "it is one table")]
    const fn row(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            Self::MalformedBody => (
                StatusCode::BAD_REQUEST,
                "malformed-body",
                "The body is not JSON",
                "Send one JSON object in UTF-8.",
            ),
            Self::MalformedHeader => (
                StatusCode::BAD_REQUEST,
                "malformed-header",
                "A header has a wrong value",
                "Correct the header that `detail` names.",
            ),
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "No valid API key",
                "Send your key as `Authorization: Bearer KEY` or `x-api-key: KEY`.",
            ),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "forbidden",
                "The key may not do this",
                "Use a key that has the scope which `detail` names.",
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "not-found",
                "There is no such resource",
                "Check the path and the id. What has expired or was deleted is not there any more.",
            ),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "The path does not support this method",
                "Use one of the methods in the `Allow` header.",
            ),
            Self::Conflict => (
                StatusCode::CONFLICT,
                "conflict",
                "The state of the resource does not allow this",
                "Read the resource again, and then decide what to do.",
            ),
            Self::NotAcceptable => (
                StatusCode::NOT_ACCEPTABLE,
                "not-acceptable",
                "No media type of the answer is accepted",
                "Send `Accept: application/json`, or leave the header out.",
            ),
            Self::RequestTimeout => (
                StatusCode::REQUEST_TIMEOUT,
                "request-timeout",
                "The body did not come in time",
                "Send the request again. A body has 20 seconds to come.",
            ),
            Self::PayloadTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "payload-too-large",
                "The body is too large",
                "Split the document.",
            ),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The body is not declared as JSON",
                "Send `Content-Type: application/json`.",
            ),
            Self::UnsupportedEncoding => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-encoding",
                "The body has an encoding that is not supported",
                "Send the body as it is, or with one of the encodings in the `Accept-Encoding` header.",
            ),
            Self::InvalidRequest => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid-request",
                "Some fields are invalid",
                "Correct each field that `errors` names.",
            ),
            Self::IdempotencyKeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "The idempotency key was used for another submission",
                "Send a new key for a new submission.",
            ),
            Self::TooManyRequests => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-requests",
                "The rate and the allowance of this key or tenant are used up",
                "Nothing was accepted. Try again after `Retry-After` seconds.",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "The service has an internal error",
                "Try again. If the error stays, report the value of the `X-Request-Id` header.",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "A part of the service does not answer",
                "Send the request again after `Retry-After` seconds.",
            ),
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> StatusCode {
        self.row().0
    }

    /// The type URI, relative to the base URL of the API. It is a link to the page that lists all
    /// problems, and it never changes.
    pub fn uri(self) -> String {
        format!("/v1/problems#{}", self.row().1)
    }
}

/// A problem document, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// A URI reference that names the kind of problem and never changes. `GET /v1/problems` lists
    /// all kinds.
    #[serde(rename = "type")]
    #[schema(examples("/v1/problems#invalid-request"))]
    pub uri: String,
    /// The kind of problem in words.
    pub title: String,
    /// The HTTP status.
    #[schema(examples(422))]
    pub status: u16,
    /// What happened with this request, and what to do next.
    pub detail: String,
    /// The invalid fields of the request. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<InvalidField>,
    /// For the header `Retry-After`, in seconds.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem of `kind` with the usual text for that kind.
    pub fn of(kind: Kind) -> Self {
        let (status, _, title, next) = kind.row();
        Self {
            uri: kind.uri(),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: next.to_owned(),
            errors: Vec::new(),
            retry_after: (status == StatusCode::SERVICE_UNAVAILABLE).then_some(5),
        }
    }

    /// A problem of `kind` that says what happened with this request.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            ..Self::of(kind)
        }
    }
}

impl Problem {
    /// The problem of a caller that lacks a scope.
    pub fn missing(scope: Scope) -> Self {
        let scope = scope.as_str();
        let detail = format!("This needs the scope `{scope}`, which your key or session does not have. Use a key with this scope.");
        Self::new(Kind::Forbidden, detail)
    }
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        match error {
            ActError::NotFound => Self::of(Kind::NotFound),
            ActError::Conflict(detail) => Self::new(Kind::Conflict, detail),
            ActError::Missing(scope) => Self::missing(scope),
            ActError::Store(error) => Self::from(error),
        }
    }
}

impl From<SubmissionError> for Problem {
    fn from(error: SubmissionError) -> Self {
        match error {
            SubmissionError::Malformed(detail) => Self::new(Kind::MalformedBody, detail),
            SubmissionError::Invalid(errors) => Self {
                errors,
                ..Self::of(Kind::InvalidRequest)
            },
        }
    }
}

/// Logs the cause. The client is told only that the service is unavailable, because a cause may
/// name hosts.
impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Self {
        tracing::error!(store = error.store.as_str(), error = %Chain(error), "A request failed because a store did not answer.");
        Self::of(Kind::Unavailable)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // This cannot fail: a problem holds only strings, a number and a list of strings.
        let mut response = (status, Body::from(serde_json::to_vec(&self).unwrap_or_default())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_listed_once_and_says_what_to_do() {
        let page: Vec<Problem> = Kind::ALL.into_iter().map(Problem::of).collect();
        insta::assert_json_snapshot!(page);
        let mut uris: Vec<_> = page.iter().map(|problem| &problem.uri).collect();
        uris.dedup();
        assert_eq!(uris.len(), Kind::ALL.len());
    }
}
