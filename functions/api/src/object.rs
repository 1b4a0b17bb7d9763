//! Queries and ids in paths, the request bodies of the routes that change tenants, keys and
//! sessions, and what is checked in them.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{FromRequest, Path, Query, Request, rejection::PathRejection},
    http::Uri,
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, Unexpected},
};
use serde_json::Value;
use shared::{
    job::{InvalidField, explained, parse_object},
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

/// The parameters of a query by their names, each of them once. A name is cut after 64 characters, so that an
/// answer that names it stays short.
pub(crate) fn parameters(uri: &Uri) -> Result<BTreeMap<String, String>, Problem> {
    let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| invalid("?", "The query is not readable. Send parameters as `name=value`, joined by `&`."))?;
    let mut known = BTreeMap::new();
    for (name, value) in given {
        let name: String = name.chars().take(64).collect();
        if known.contains_key(&name) {
            return Err(invalid(&format!("?{name}"), "The parameter is there twice. Send it once."));
        }
        known.insert(name, value);
    }
    Ok(known)
}

/// Reads parameters, all of which are texts.
pub(crate) fn from_parameters<T: DeserializeOwned>(given: BTreeMap<String, String>) -> Result<T, Problem> {
    let all: Value = given.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
    serde_path_to_error::deserialize(all).map_err(|error| {
        let message = error.inner().to_string();
        let others = message.rsplit_once(", expected ").filter(|_| message.starts_with("unknown field"));
        let detail = others.map_or_else(
            || explained(&message),
            |(_, others)| format!("There is no such parameter. Remove it, or send {others}."),
        );
        invalid(&format!("?{}", error.path()), detail)
    })
}

/// Reads the query of a request.
pub(crate) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    from_parameters(parameters(uri)?)
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

#[cfg(test)]
mod tests {
    use shared::archive::LetterFilter;

    use super::*;

    #[test]
    fn a_wrong_parameter_is_explained_in_words_of_the_api() {
        let read = |query: &str| self::query::<LetterFilter>(&format!("/v1/dead-letters?{query}").parse().unwrap());
        for (query, pointer, says) in [
            (
                "status=dead",
                "?status",
                "The value is none of the allowed values (expected `parked` or `replayed`).",
            ),
            ("parked_from=2026-11-24", "?parked_from", "such as `2026-11-24T00:00:00Z`"),
            ("reason=", "?reason", "such as `us-east-1` or `retries_exhausted`"),
            (
                "tenant=Acme",
                "?tenant",
                "The value is not possible (expected 1 to 40 of the characters",
            ),
            ("job=4711", "?job", "The value is not possible (expected the form `sum_use1_"),
            (
                "why=1",
                "?why",
                "There is no such parameter. Remove it, or send one of `tenant`, `lane`",
            ),
            ("job=1&job=2", "?job", "twice"),
        ] {
            let problem = read(query).unwrap_err();
            assert_eq!((problem.status, problem.errors[0].pointer.as_str()), (422, pointer), "{query}");
            assert!(problem.errors[0].detail.contains(says), "{query}: {problem:?}");
        }
        assert!(read("tenant=acme&lane=bulk").is_ok());
    }

    #[test]
    fn a_wrong_field_of_a_filter_is_explained_like_a_parameter() {
        for (body, says) in [
            (r#"{"tenant":5}"#, "The value is a whole number. It must be a string."),
            (r#"{"tenant":1.5}"#, "The value is a number. It must be a string."),
            (
                r#"{"tenant":"Acme"}"#,
                "The value is not possible (expected 1 to 40 of the characters",
            ),
            (r#"{"job":"4711"}"#, "The value is not possible (expected the form `sum_use1_"),
            (r#"{"parked_to":"2026-11-24"}"#, "such as `2026-11-24T00:00:00Z`"),
        ] {
            let problem = Problem::from(parse_object::<LetterFilter>(body.as_bytes()).unwrap_err());
            assert!(problem.errors[0].detail.contains(says), "{body}: {problem:?}");
        }
    }
}
