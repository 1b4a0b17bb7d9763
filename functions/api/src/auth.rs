//! Finds the tenant that an API key belongs to.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use secrecy::SecretString;
use shared::{
    directory::Holder,
    problem::{Kind, Problem},
};

use crate::{context::Context, rates::Rates};

/// The holder of the API key of the request.
pub(crate) struct Caller(pub(crate) Holder);

impl FromRequestParts<Arc<Context>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, context: &Arc<Context>) -> Result<Self, Problem> {
        let key = key(parts).ok_or_else(|| Problem::of(Kind::Unauthorized))?;
        match context.directory.holder(&key).await {
            Ok(Some(holder)) => {
                if let Some(rates) = parts.extensions.get::<Rates>() {
                    rates.note_holder(&holder);
                }
                Ok(Self(holder))
            }
            Ok(None) => Err(Problem::new(
                Kind::Unauthorized,
                "The API key that you sent is not known or has expired. Send a valid one as `Authorization: Bearer KEY` or `x-api-key: KEY`.",
            )),
            Err(error) => Err(Problem::from(&*error)),
        }
    }
}

/// The API key from the header `Authorization: Bearer KEY` (RFC 6750) or `x-api-key: KEY`.
fn key(parts: &Parts) -> Option<SecretString> {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization")
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let key = bearer.map(|(_, key)| key).or_else(|| text("x-api-key"))?.trim();
    (!key.is_empty()).then(|| key.into())
}
