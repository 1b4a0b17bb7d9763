//! Queries and ids in paths, the request bodies of the routes that change tenants, keys and
//! sessions, and what is checked in them.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, Path, Query, Request, rejection::PathRejection},
    http::Uri,
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, Unexpected},
};
use shared::{
    job::{InvalidField, TenantId, parse_object},
    problem::{Kind, Problem},
};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    body::{self, is_json},
    context::Context,
};

/// The longest body, in bytes.
const LONGEST: usize = 16 * 1024;
/// The longest name of a key, in characters.
const NAME: usize = 80;
/// How soon and how late a key may expire.
const EXPIRY: (Duration, Duration) = (Duration::minutes(1), Duration::days(3_650));

/// A JSON object. A request without a body counts as an empty object.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Context>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<Context>) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let body = body::read(request.into_body(), LONGEST, "Send only the documented fields.").await?;
        if body.is_empty() {
            return Ok(Self(parse_object(b"{}")?));
        }
        if !is_json {
            return Err(Problem::of(Kind::UnsupportedMediaType));
        }
        Ok(Self(parse_object(&body)?))
    }
}

/// Reads the query of a request.
pub(crate) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    let read = Query::try_from_uri(uri).map(|Query(query)| query);
    read.map_err(|error| {
        let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        invalid("?", format!("The query cannot be read: {reason}."))
    })
}

/// What a path names. A malformed id gets the answer of an unknown one, so that a client cannot find
/// out which ids exist.
pub(crate) fn found<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Problem> {
    path.map(|Path(ids)| ids).map_err(|_| Problem::of(Kind::NotFound))
}

/// The problem of one field or parameter.
pub(crate) fn invalid(pointer: &str, detail: impl Into<String>) -> Problem {
    Problem {
        errors: vec![InvalidField {
            pointer: pointer.to_owned(),
            detail: detail.into(),
        }],
        ..Problem::of(Kind::InvalidRequest)
    }
}

/// Reads a whole number in these bounds.
pub(crate) fn within<'a, const LEAST: u32, const MOST: u32, D: Deserializer<'a>>(number: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(number)?;
    let expected = format!("a whole number from {LEAST} to {MOST}");
    let wrong = || D::Error::invalid_value(Unexpected::Unsigned(number.into()), &expected.as_str());
    (LEAST..=MOST).contains(&number).then_some(number).ok_or_else(wrong)
}

/// Reads the id of a tenant.
pub(crate) fn tenant_id<'a, D: Deserializer<'a>>(text: D) -> Result<TenantId, D::Error> {
    let expected = "1 to 40 of the characters a-z, 0-9 and -";
    let wrong = |_| D::Error::invalid_value(Unexpected::Other("not an id"), &expected);
    TenantId::try_from(String::deserialize(text)?).map_err(wrong)
}

/// Reads the name of a key.
pub(crate) fn name<'a, D: Deserializer<'a>>(text: D) -> Result<String, D::Error> {
    let text = String::deserialize(text)?;
    let text = text.trim();
    let is_name = (1..=NAME).contains(&text.chars().count()) && !text.contains(char::is_control);
    let wrong = || D::Error::invalid_value(Unexpected::Other("not a name"), &"1 to 80 characters without control characters");
    is_name.then(|| text.to_owned()).ok_or_else(wrong)
}

/// Reads when a key expires.
pub(crate) fn expiry<'a, D: Deserializer<'a>>(text: D) -> Result<Option<OffsetDateTime>, D::Error> {
    let Some(text) = Option::<String>::deserialize(text)? else {
        return Ok(None);
    };
    let now = OffsetDateTime::now_utc();
    let at = OffsetDateTime::parse(&text, &Rfc3339).ok().map(OffsetDateTime::truncate_to_second);
    let at = at.filter(|at| (now + EXPIRY.0..=now + EXPIRY.1).contains(at));
    at.map(Some).ok_or_else(|| {
        let expected = "a time (RFC 3339) at least a minute and at most 3,650 days from now";
        D::Error::invalid_value(Unexpected::Other("not a possible time"), &expected)
    })
}
