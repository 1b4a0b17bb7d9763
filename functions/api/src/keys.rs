//! `/v1/keys`: a tenant makes, lists, rotates and revokes its own API keys.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use shared::{
    directory::{KeyRecord, NewKey, fresh_key},
    job::{KeyId, Plan, Scope, Scopes, TenantId},
    problem::Problem,
    quota::Rate,
    store::Chain,
};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::{
    answers::{Guarded, Paging, WithBody, WithQuery},
    auth::{Acting, Caller},
    context::Context,
    object::{Body, expiry, found, invalid, name, within},
    paging::{Listed, Part},
};

/// What a new key is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRequest {
    /// What people call the key. It has 1 to 80 characters and no control characters.
    #[serde(deserialize_with = "name")]
    #[schema(min_length = 1, max_length = 80, examples("Nightly import"))]
    name: String,
    /// What the key may do. It must be a part of what your own key may do.
    #[schema(value_type = Vec<Scope>, min_items = 1)]
    scopes: Scopes,
    /// When the key expires: at least a minute and at most 3,650 days from now. Without this field,
    /// the key does not expire.
    #[serde(default, deserialize_with = "expiry")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<OffsetDateTime>,
    /// The submissions of this key, in the place of those that the plan and the tenant allow. Only
    /// an admin may set it.
    #[serde(default)]
    limits: Option<Rate>,
}

/// How a key is to be rotated.
#[derive(Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rotation {
    /// After how many seconds the old key expires, if it does not expire sooner.
    #[serde(deserialize_with = "within::<0, 604_800, _>")]
    #[schema(minimum = 0, maximum = 604_800, default = 86_400)]
    overlap_seconds: u32,
    /// When the new key expires: at least a minute and at most 3,650 days from now. Without this
    /// field, it expires when the old one would have expired.
    #[serde(deserialize_with = "expiry")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<OffsetDateTime>,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            overlap_seconds: 86_400,
            expires_at: None,
        }
    }
}

/// A key in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyResource {
    #[serde(flatten)]
    key: KeyRecord,
    /// When the key was used the last time, to the minute. It is null if that is not known, or was
    /// more than 90 days ago.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<OffsetDateTime>,
}

/// A new key, with the key itself.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewKeyResource {
    #[serde(flatten)]
    record: KeyRecord,
    /// The API key. It is shown only here.
    #[schema(examples("sk_4f9a2c1b0d3e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60"))]
    key: String,
}

/// Make a key for your tenant
///
/// A key cannot give scopes that it does not have itself. A tenant has at most 50 valid keys.
#[utoipa::path(
    post,
    path = "/v1/keys",
    operation_id = "createKey",
    request_body = KeyRequest,
    responses(
        (status = 201, description = "The key. It is shown only here.", body = NewKeyResource),
        (status = 409, description = "The tenant has 50 valid keys, or is changed by others at the same moment.", body = Problem, content_type = "application/problem+json"),
        Guarded,
        WithBody,
    )
)]
pub(crate) async fn create(
    State(context): State<Arc<Context>>,
    acting: Acting,
    Body(request): Body<KeyRequest>,
) -> Result<Response, Problem> {
    acting.caller.may(Scope::Keys)?;
    if request.limits.is_some() {
        acting.caller.may(Scope::Admin)?;
    }
    let tenant = &acting.caller.0.tenant;
    create_for(&context, &acting, &tenant.id, Some(tenant.plan), request).await
}

pub(crate) async fn create_for(
    context: &Context,
    acting: &Acting,
    tenant: &TenantId,
    plan: Option<Plan>,
    request: KeyRequest,
) -> Result<Response, Problem> {
    if request.scopes.is_empty() {
        return Err(invalid("#/scopes", "The list is empty. Name at least one scope."));
    }
    let new = NewKey {
        key: fresh_key()?,
        name: request.name,
        scopes: request.scopes,
        expires_at: request.expires_at,
        limits: request.limits,
    };
    let record = context.directory.create_key(&acting.by, tenant, plan, &new).await?;
    Ok(shown_once(record, &new.key))
}

/// List the keys of your tenant
///
/// They are ordered by their ids. Keys that have expired or were revoked are not in the list, and
/// keys that were made before keys had names are not either. A change of the last second may be
/// missing.
#[utoipa::path(
    get,
    path = "/v1/keys",
    operation_id = "listKeys",
    params(Paging),
    responses(
        (status = 200, description = "A page of keys.", body = Listed<KeyResource>),
        Guarded,
        WithQuery,
    )
)]
pub(crate) async fn list(State(context): State<Arc<Context>>, caller: Caller, part: Part) -> Result<Json<Listed<KeyResource>>, Problem> {
    caller.may(Scope::Keys)?;
    list_of(&context, &caller.0.tenant.id, &part).await
}

pub(crate) async fn list_of(context: &Context, tenant: &TenantId, part: &Part) -> Result<Json<Listed<KeyResource>>, Problem> {
    let after = part.after(|id| KeyId::try_from(id).ok())?;
    let now = OffsetDateTime::now_utc();
    let (page, used) = tokio::join!(
        context.directory.keys(tenant, part.limit, after.as_ref()),
        context.cache.last_used(tenant, now),
    );
    let used = used.unwrap_or_else(|error| {
        tracing::warn!(error = %Chain(&error), "The cache did not answer. Keys are listed without their last use.");
        BTreeMap::new()
    });
    let page = page?.map(|key| KeyResource {
        last_used_at: used.get(&key.id).copied(),
        key,
    });
    Ok(Json(Listed::of(page, |listed| listed.key.id.to_string())))
}

/// Revoke a key of your tenant
///
/// Every process of the API refuses the key and its sessions within 30 seconds. A key can revoke
/// only keys whose scopes it has itself.
#[utoipa::path(
    delete,
    path = "/v1/keys/{key}",
    operation_id = "revokeKey",
    params(("key" = String, Path, description = "The id of the key, not the key itself.", example = "key_b1a5c9e07d3f42686e10")),
    responses(
        (status = 204, description = "The key is revoked."),
        (status = 404, description = "Your tenant has no valid key with this id.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The tenant is changed by others at the same moment.", body = Problem, content_type = "application/problem+json"),
        Guarded,
    )
)]
pub(crate) async fn revoke(
    State(context): State<Arc<Context>>,
    acting: Acting,
    key: Result<Path<KeyId>, PathRejection>,
) -> Result<StatusCode, Problem> {
    acting.caller.may(Scope::Keys)?;
    context.directory.revoke_key(&acting.by, &acting.by.tenant, &found(key)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rotate a key of your tenant
///
/// The new key has the name, the scopes and the limits of the old one, which expires after
/// `overlap_seconds`. A key can rotate only keys whose scopes it has itself.
#[utoipa::path(
    post,
    path = "/v1/keys/{key}/rotate",
    operation_id = "rotateKey",
    params(("key" = String, Path, description = "The id of the key, not the key itself.", example = "key_b1a5c9e07d3f42686e10")),
    request_body = Rotation,
    responses(
        (status = 201, description = "The new key. It is shown only here.", body = NewKeyResource),
        (status = 404, description = "Your tenant has no valid key with this id.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The key was rotated already, or the tenant has 50 valid keys, or is changed by others at the same moment.", body = Problem, content_type = "application/problem+json"),
        Guarded,
        WithBody,
    )
)]
pub(crate) async fn rotate(
    State(context): State<Arc<Context>>,
    acting: Acting,
    key: Result<Path<KeyId>, PathRejection>,
    Body(rotation): Body<Rotation>,
) -> Result<Response, Problem> {
    acting.caller.may(Scope::Keys)?;
    rotate_of(&context, &acting, &acting.by.tenant, &found(key)?, &rotation).await
}

pub(crate) async fn rotate_of(
    context: &Context,
    acting: &Acting,
    tenant: &TenantId,
    id: &KeyId,
    rotation: &Rotation,
) -> Result<Response, Problem> {
    let key = fresh_key()?;
    let overlap = Duration::seconds(rotation.overlap_seconds.into());
    let new = (&key, rotation.expires_at);
    let record = context.directory.rotate_key(&acting.by, tenant, id, new, overlap).await?;
    Ok(shown_once(record, &key))
}

/// The answer with a new key, which nobody may store on the way.
fn shown_once(record: KeyRecord, key: &SecretString) -> Response {
    let resource = NewKeyResource {
        record,
        key: key.expose_secret().to_owned(),
    };
    (StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(resource)).into_response()
}
