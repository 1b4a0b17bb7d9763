//! `/v1/sessions`: short-lived tokens that a tenant gives to its own clients in the place of a key.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::{
    cache::{MOST_SESSIONS, Session, SessionId, Token},
    directory::Action,
    job::{KeyId, Scope, Scopes},
    problem::{Kind, Problem},
};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    answers::{Guarded, Paging, WithBody, WithQuery},
    auth::{Acting, Caller},
    context::Context,
    object::{Body, invalid, within},
    paging::{Listed, Part},
};

/// What a new session is to be.
#[derive(Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SessionRequest {
    /// After how many seconds the session ends.
    #[serde(deserialize_with = "within::<60, 86_400, _>")]
    #[schema(minimum = 60, maximum = 86_400, default = 900)]
    ttl_seconds: u32,
    /// Whether each use moves the end to `ttl_seconds` after it, but never to more than 24 hours
    /// after the beginning. A use within five seconds of the one before may not count.
    sliding: bool,
    /// What the session may do: `summaries:read`, `summaries:write` and `usage:read`, as far as
    /// your key may do it. Without this field, all of these.
    #[schema(value_type = Option<Vec<Scope>>)]
    scopes: Option<Scopes>,
}

impl Default for SessionRequest {
    fn default() -> Self {
        Self {
            ttl_seconds: 900,
            sliding: false,
            scopes: None,
        }
    }
}

/// A session, without its token.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct Resource {
    /// The name of the session in paths. It is not the token.
    #[schema(value_type = String, examples("ses_5d41402abc4b2a76b971"))]
    id: SessionId,
    /// The key with which the session was opened. If it is revoked or expires, the session ends.
    #[schema(value_type = String, examples("key_b1a5c9e07d3f42686e10"))]
    key: KeyId,
    #[schema(value_type = Vec<Scope>)]
    scopes: Scopes,
    sliding: bool,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When the session ends if it is not used.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// When the session ends however often it is used.
    #[serde(with = "time::serde::rfc3339")]
    not_after: OffsetDateTime,
}

/// A new session, with its token.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewSession {
    #[serde(flatten)]
    session: Resource,
    /// Send it in the place of an API key. It is shown only here.
    #[schema(examples("ses_acme.Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF"))]
    token: String,
}

/// How many sessions were ended.
#[derive(Serialize, ToSchema)]
#[schema(as = EndedSessions)]
pub(crate) struct Ended {
    ended: u64,
}

impl Resource {
    fn of(id: SessionId, session: &Session) -> Self {
        let moment = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Self {
            id,
            key: session.key.id(),
            scopes: session.scopes,
            sliding: session.sliding,
            created_at: moment(session.created_at),
            expires_at: moment(session.expires_at),
            not_after: moment(session.not_after),
        }
    }
}

/// Open a session
///
/// The token is for a client that should not know your key, such as a browser. It ends after a
/// time, or when its key is revoked. It can do nothing but submit texts, read summaries and read
/// usage.
#[utoipa::path(
    post,
    path = "/v1/sessions",
    operation_id = "openSession",
    request_body = SessionRequest,
    responses(
        (status = 201, description = "The session. Its token is shown only here.", body = NewSession),
        (status = 409, description = "The tenant has 1,000 sessions. End some, or wait until they end.", body = Problem, content_type = "application/problem+json"),
        Guarded,
        WithBody,
    )
)]
pub(crate) async fn open(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Body(request): Body<SessionRequest>,
) -> Result<Response, Problem> {
    caller.may(Scope::Sessions)?;
    let holder = caller.0;
    let scopes = scopes(request.scopes, holder.scopes)?;
    let now = OffsetDateTime::now_utc();
    let session = Session::new(holder.hash, scopes, request.ttl_seconds.into(), request.sliding, now);
    let (secret, token) = Token::fresh(&holder.tenant.id)?;
    if !context.cache.open_session(&token, &session).await? {
        return Err(Problem::new(
            Kind::Conflict,
            format!("Your tenant has {MOST_SESSIONS} sessions, and more are not possible. End some, or wait until they end."),
        ));
    }
    let session = NewSession {
        session: Resource::of(token.id(), &session),
        token: secret.expose_secret().to_owned(),
    };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(session)).into_response())
}

/// The scopes of a new session.
fn scopes(asked: Option<Scopes>, own: Scopes) -> Result<Scopes, Problem> {
    let scopes = asked.unwrap_or(own.and(Scopes::SESSION));
    if let Some(scope) = scopes.missing_in(Scopes::SESSION) {
        let (scope, allowed) = (scope.as_str(), Scopes::SESSION);
        return Err(invalid(
            "#/scopes",
            format!("A session cannot have the scope `{scope}`. It may have these: {allowed}."),
        ));
    }
    if scopes.is_empty() {
        let allowed = Scopes::SESSION;
        return Err(invalid(
            "#/scopes",
            format!("A session needs a scope that your key has, out of these: {allowed}."),
        ));
    }
    scopes.missing_in(own).map_or(Ok(scopes), |scope| Err(Problem::missing(scope)))
}

/// List the sessions of your tenant
///
/// They are ordered by their ids. Sessions that have ended are not in the list.
#[utoipa::path(
    get,
    path = "/v1/sessions",
    operation_id = "listSessions",
    params(Paging),
    responses(
        (status = 200, description = "A page of sessions.", body = Listed<Resource>),
        Guarded,
        WithQuery,
    )
)]
pub(crate) async fn list(State(context): State<Arc<Context>>, caller: Caller, part: Part) -> Result<Json<Listed<Resource>>, Problem> {
    caller.may(Scope::Sessions)?;
    let (tenant, now) = (caller.0.tenant.id, OffsetDateTime::now_utc());
    let after = part.after(|id| SessionId::read(&id))?;
    let page = context.cache.sessions(&tenant, now, part.limit, after.as_ref()).await?;
    let page = page.map(|(id, session)| Resource::of(id, &session));
    Ok(Json(Listed::of(page, |session| session.id.to_string())))
}

/// End a session
///
/// Every process of the API refuses it within five seconds.
#[utoipa::path(
    delete,
    path = "/v1/sessions/{id}",
    operation_id = "endSession",
    params(("id" = String, Path, description = "The id of the session, not its token.", example = "ses_5d41402abc4b2a76b971")),
    responses(
        (status = 204, description = "The session has ended."),
        (status = 404, description = "Your tenant has no session with this id.", body = Problem, content_type = "application/problem+json"),
        Guarded,
    )
)]
pub(crate) async fn end(
    State(context): State<Arc<Context>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Sessions)?;
    let id = id.ok().and_then(|Path(id)| SessionId::read(&id));
    let id = id.ok_or_else(|| Problem::of(Kind::NotFound))?;
    if !context.cache.end_session(&caller.0.tenant.id, &id).await? {
        return Err(Problem::of(Kind::NotFound));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// End all sessions of your tenant
///
/// Every process of the API refuses them within five seconds. The audit log has an entry of it.
#[utoipa::path(
    delete,
    path = "/v1/sessions",
    operation_id = "endSessions",
    responses(
        (status = 200, description = "How many sessions were ended.", body = Ended),
        Guarded,
    )
)]
pub(crate) async fn end_all(State(context): State<Arc<Context>>, acting: Acting) -> Result<Json<Ended>, Problem> {
    acting.caller.may(Scope::Sessions)?;
    let tenant = &acting.by.tenant;
    let act = Action::SessionsRevoked;
    context.directory.note(&acting.by, tenant, act, tenant, json!({})).await?;
    let ended = context.cache.end_sessions(tenant, OffsetDateTime::now_utc()).await?;
    Ok(Json(Ended { ended }))
}
