//! `/v1/tenants`: an admin makes, lists and changes tenants. A tenant is suspended and not deleted,
//! because its jobs and its usage stay.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use shared::{
    directory::{Standing, Tenant, TenantChange, TenantRecord},
    job::{Plan, Scope, TenantId},
    problem::{Kind, Problem},
    quota::Overrides,
};
use utoipa::ToSchema;

use crate::{
    answers::{Guarded, Paging, WithBody, WithQuery},
    auth::{Acting, Caller},
    context::Context,
    object::{Body, found, invalid},
    paging::{Listed, Part},
};

/// A tenant that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantRequest {
    /// The name of the tenant, which never changes. It has 1 to 40 of the characters a-z, 0-9 and
    /// -.
    #[schema(value_type = String, pattern = "^[a-z0-9-]{1,40}$", examples("acme"))]
    id: TenantId,
    plan: Plan,
    /// Limits in the place of those of the plan.
    #[serde(default)]
    limits: Overrides,
}

/// What of a tenant is to change. What is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantPatch {
    #[serde(default)]
    plan: Option<Plan>,
    /// A suspended tenant is refused within 30 seconds.
    #[serde(default)]
    status: Option<Standing>,
    /// All limits in the place of those of the plan. An empty object gives the limits of the plan
    /// back.
    #[serde(default)]
    limits: Option<Overrides>,
}

/// Make a tenant
///
/// It has no keys yet: make one with `POST /v1/tenants/{tenant}/keys`.
#[utoipa::path(
    post,
    path = "/v1/tenants",
    operation_id = "createTenant",
    request_body = TenantRequest,
    responses(
        (status = 201, description = "The tenant.", body = TenantRecord, headers(("Location"))),
        (status = 409, description = "There is a tenant with this id already.", body = Problem, content_type = "application/problem+json"),
        Guarded,
        WithBody,
    )
)]
pub(crate) async fn create(
    State(context): State<Arc<Context>>,
    acting: Acting,
    Body(request): Body<TenantRequest>,
) -> Result<Response, Problem> {
    acting.caller.may(Scope::Admin)?;
    let tenant = Tenant {
        id: request.id,
        plan: request.plan,
    };
    let record = context.directory.create_tenant(&acting.by, &tenant, request.limits).await?;
    let location = format!("/v1/tenants/{}", record.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(record)).into_response())
}

/// List tenants
///
/// They are ordered by their ids. A change of the last second may be missing.
#[utoipa::path(
    get,
    path = "/v1/tenants",
    operation_id = "listTenants",
    params(Paging),
    responses(
        (status = 200, description = "A page of tenants.", body = Listed<TenantRecord>),
        Guarded,
        WithQuery,
    )
)]
pub(crate) async fn list(State(context): State<Arc<Context>>, caller: Caller, part: Part) -> Result<Json<Listed<TenantRecord>>, Problem> {
    caller.may(Scope::Admin)?;
    let after = part.after(|id| TenantId::try_from(id).ok())?;
    let page = context.directory.tenants(part.limit, after.as_ref()).await?;
    Ok(Json(Listed::of(page, |tenant| tenant.id.to_string())))
}

/// Read a tenant
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}",
    operation_id = "readTenant",
    params(("tenant" = String, Path, description = "The id of the tenant.", example = "acme")),
    responses(
        (status = 200, description = "The tenant.", body = TenantRecord),
        (status = 404, description = "There is no such tenant.", body = Problem, content_type = "application/problem+json"),
        Guarded,
    )
)]
pub(crate) async fn read(
    State(context): State<Arc<Context>>,
    caller: Caller,
    tenant: Result<Path<TenantId>, PathRejection>,
) -> Result<Json<TenantRecord>, Problem> {
    caller.may(Scope::Admin)?;
    let record = context.directory.tenant(&found(tenant)?).await?;
    record.map(Json).ok_or_else(|| Problem::of(Kind::NotFound))
}

/// Change a tenant
///
/// The change reaches every process of the API within 30 seconds.
#[utoipa::path(
    patch,
    path = "/v1/tenants/{tenant}",
    operation_id = "changeTenant",
    params(("tenant" = String, Path, description = "The id of the tenant.", example = "acme")),
    request_body = TenantPatch,
    responses(
        (status = 200, description = "The tenant after the change.", body = TenantRecord),
        (status = 404, description = "There is no such tenant.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "A tenant cannot suspend itself, or the tenant is changed by others at the same moment.", body = Problem, content_type = "application/problem+json"),
        Guarded,
        WithBody,
    )
)]
pub(crate) async fn change(
    State(context): State<Arc<Context>>,
    acting: Acting,
    tenant: Result<Path<TenantId>, PathRejection>,
    Body(patch): Body<TenantPatch>,
) -> Result<Json<TenantRecord>, Problem> {
    acting.caller.may(Scope::Admin)?;
    let tenant = found(tenant)?;
    let TenantPatch { plan, status, limits } = patch;
    if plan.is_none() && status.is_none() && limits.is_none() {
        return Err(invalid(
            "#",
            "The object names nothing to change. Send `plan`, `status` or `limits`.",
        ));
    }
    let change = TenantChange { plan, status, limits };
    Ok(Json(context.directory.change_tenant(&acting.by, &tenant, change).await?))
}
