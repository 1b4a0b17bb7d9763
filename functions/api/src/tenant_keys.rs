//! `/v1/tenants/{tenant}/keys`: an admin does for every tenant what a tenant does with its own
//! keys.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
    response::Response,
};
use shared::{
    job::{KeyId, Scope, TenantId},
    problem::{Kind, Problem},
};

use crate::{
    answers::{Guarded, Paging, WithBody, WithQuery},
    auth::{Acting, Caller},
    context::Context,
    keys::{KeyRequest, KeyResource, NewKeyResource, Rotation, create_for, list_of, rotate_of},
    object::{Body, found},
    paging::{Listed, Part},
};

/// Make a key for a tenant
///
/// A key cannot give scopes that it does not have itself. A tenant has at most 50 valid keys.
#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant}/keys",
    operation_id = "createTenantKey",
    params(("tenant" = String, Path, description = "The id of the tenant.", example = "acme")),
    request_body = KeyRequest,
    responses(
        (status = 201, description = "The key. It is shown only here.", body = NewKeyResource),
        (status = 404, description = "There is no such tenant.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The tenant has 50 valid keys, or is changed by others at the same moment.", body = Problem, content_type = "application/problem+json"),
        Guarded,
        WithBody,
    )
)]
pub(crate) async fn create(
    State(context): State<Arc<Context>>,
    acting: Acting,
    tenant: Result<Path<TenantId>, PathRejection>,
    Body(request): Body<KeyRequest>,
) -> Result<Response, Problem> {
    acting.caller.may(Scope::Admin)?;
    create_for(&context, &acting, &found(tenant)?, None, request).await
}

/// List the keys of a tenant
///
/// They are ordered by their ids. Keys that have expired or were revoked are not in the list, and
/// keys that were made before keys had names are not either. A change of the last second may be
/// missing.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/keys",
    operation_id = "listTenantKeys",
    params(
        ("tenant" = String, Path, description = "The id of the tenant.", example = "acme"),
        Paging,
    ),
    responses(
        (status = 200, description = "A page of keys.", body = Listed<KeyResource>),
        (status = 404, description = "There is no such tenant.", body = Problem, content_type = "application/problem+json"),
        Guarded,
        WithQuery,
    )
)]
pub(crate) async fn list(
    State(context): State<Arc<Context>>,
    caller: Caller,
    tenant: Result<Path<TenantId>, PathRejection>,
    part: Part,
) -> Result<Json<Listed<KeyResource>>, Problem> {
    caller.may(Scope::Admin)?;
    let tenant = found(tenant)?;
    if context.directory.tenant(&tenant).await?.is_none() {
        return Err(Problem::of(Kind::NotFound));
    }
    list_of(&context, &tenant, &part).await
}

/// Revoke a key of a tenant
///
/// Every process of the API refuses the key and its sessions within 30 seconds. A key can revoke
/// only keys whose scopes it has itself.
#[utoipa::path(
    delete,
    path = "/v1/tenants/{tenant}/keys/{key}",
    operation_id = "revokeTenantKey",
    params(
        ("tenant" = String, Path, description = "The id of the tenant.", example = "acme"),
        ("key" = String, Path, description = "The id of the key, not the key itself.", example = "key_b1a5c9e07d3f42686e10"),
    ),
    responses(
        (status = 204, description = "The key is revoked."),
        (status = 404, description = "There is no such tenant, or it has no valid key with this id.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The tenant is changed by others at the same moment.", body = Problem, content_type = "application/problem+json"),
        Guarded,
    )
)]
pub(crate) async fn revoke(
    State(context): State<Arc<Context>>,
    acting: Acting,
    path: Result<Path<(TenantId, KeyId)>, PathRejection>,
) -> Result<StatusCode, Problem> {
    acting.caller.may(Scope::Admin)?;
    let (tenant, key) = found(path)?;
    context.directory.revoke_key(&acting.by, &tenant, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rotate a key of a tenant
///
/// The new key has the name, the scopes and the limits of the old one, which expires after
/// `overlap_seconds`. A key can rotate only keys whose scopes it has itself.
#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant}/keys/{key}/rotate",
    operation_id = "rotateTenantKey",
    params(
        ("tenant" = String, Path, description = "The id of the tenant.", example = "acme"),
        ("key" = String, Path, description = "The id of the key, not the key itself.", example = "key_b1a5c9e07d3f42686e10"),
    ),
    request_body = Rotation,
    responses(
        (status = 201, description = "The new key. It is shown only here.", body = NewKeyResource),
        (status = 404, description = "There is no such tenant, or it has no valid key with this id.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The key was rotated already, or the tenant has 50 valid keys, or is changed by others at the same moment.", body = Problem, content_type = "application/problem+json"),
        Guarded,
        WithBody,
    )
)]
pub(crate) async fn rotate(
    State(context): State<Arc<Context>>,
    acting: Acting,
    path: Result<Path<(TenantId, KeyId)>, PathRejection>,
    Body(rotation): Body<Rotation>,
) -> Result<Response, Problem> {
    acting.caller.may(Scope::Admin)?;
    let (tenant, key) = found(path)?;
    rotate_of(&context, &acting, &tenant, &key, &rotation).await
}
