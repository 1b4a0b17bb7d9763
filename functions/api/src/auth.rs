//! Finds the tenant that an API key or a session belongs to, and what the caller may do.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{Method, request::Parts},
};
use lambda_http::RequestExt;
use secrecy::SecretString;
use shared::{
    cache::Token,
    directory::{Actor, Holder, Standing},
    job::Scope,
    problem::{Kind, Problem},
    store::Chain,
};
use time::OffsetDateTime;

use crate::{context::Context, rates::Rates};

/// The holder of the API key or the session of the request. The scopes of a session are those that
/// it has in common with its key.
pub(crate) struct Caller(pub(crate) Holder);

/// A caller who changes tenants, keys or sessions, as the audit log names it.
pub(crate) struct Acting {
    pub(crate) caller: Caller,
    pub(crate) by: Actor,
}

impl Caller {
    /// Refuses a caller that does not have the scope.
    pub(crate) fn may(&self, scope: Scope) -> Result<(), Problem> {
        if self.0.scopes.has(scope) {
            return Ok(());
        }
        Err(Problem::missing(scope))
    }
}

impl FromRequestParts<Arc<Context>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, context: &Arc<Context>) -> Result<Self, Problem> {
        let key = key(parts).ok_or_else(|| Problem::of(Kind::Unauthorized))?;
        let holder = match Token::read(&key) {
            Some(token) => of_session(context, token).await?,
            None => context.directory.holder(&key).await.map_err(|error| Problem::from(&*error))?,
        };
        let holder = holder.ok_or_else(|| {
            Problem::new(
                Kind::Unauthorized,
                "The API key or session that you sent is not known, has expired or was revoked. Send a valid one as `Authorization: Bearer KEY` or `x-api-key: KEY`.",
            )
        })?;
        if holder.standing == Standing::Suspended {
            return Err(Problem::new(
                Kind::Forbidden,
                "Your tenant is suspended. Ask the operator of this service to activate it.",
            ));
        }
        // A submission asks the cache for its admission, and notes the use of the key there.
        if parts.method != Method::POST || parts.uri.path() != "/v1/summaries" {
            note(context, &holder).await;
        }
        if let Some(rates) = parts.extensions.get::<Rates>() {
            rates.note_holder(&holder);
        }
        Ok(Self(holder))
    }
}

impl FromRequestParts<Arc<Context>> for Acting {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, context: &Arc<Context>) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, context).await?;
        let request = parts.lambda_context_ref();
        let by = Actor {
            tenant: caller.0.tenant.id.clone(),
            key: caller.0.key.clone(),
            scopes: caller.0.scopes,
            request_id: request.map(|request| request.request_id.clone()).unwrap_or_default(),
        };
        Ok(Self { caller, by })
    }
}

/// The holder of the key of a session. A session that cannot be checked is not believed.
async fn of_session(context: &Context, token: Token) -> Result<Option<Holder>, Problem> {
    let now = OffsetDateTime::now_utc();
    let look_up = Box::pin(context.cache.use_session(&token, now));
    let session = context
        .callers
        .sessions
        .try_get_with(token.clone(), look_up)
        .await
        .map_err(|error| {
            tracing::warn!(error = %Chain(&*error), "The cache did not answer. A session could not be checked.");
            Problem::new(
                Kind::Unavailable,
                "Sessions cannot be checked at this moment. Use your API key, or try again after `Retry-After` seconds.",
            )
        })?;
    let Some(session) = session.filter(|session| session.expires_at > now.unix_timestamp()) else {
        return Ok(None);
    };
    let holder = context.directory.holder_of(session.key).await;
    let holder = holder.map_err(|error| Problem::from(&*error))?;
    Ok(holder.filter(|holder| holder.tenant.id == token.tenant).map(|holder| Holder {
        scopes: holder.scopes.and(session.scopes),
        ..holder
    }))
}

/// Remembers the use of a key for the list of keys. Nothing depends on it.
async fn note(context: &Context, Holder { tenant, key, .. }: &Holder) {
    let write = async {
        if let Err(error) = context.cache.used(&tenant.id, key, OffsetDateTime::now_utc()).await {
            tracing::warn!(error = %Chain(&error), "The cache did not answer. The use of a key is not shown in lists.");
        }
    };
    context.callers.used.get_with(key.clone(), Box::pin(write)).await;
}

/// The API key or session from the header `Authorization: Bearer KEY` (RFC 6750) or
/// `x-api-key: KEY`.
fn key(parts: &Parts) -> Option<SecretString> {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization")
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let key = bearer.map(|(_, key)| key).or_else(|| text("x-api-key"))?.trim();
    (!key.is_empty()).then(|| key.into())
}
