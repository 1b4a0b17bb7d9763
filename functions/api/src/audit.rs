//! `GET /v1/audit`: who did what to a tenant, its keys and its sessions.

use std::sync::Arc;

use axum::{Json, extract::State, http::Uri};
use shared::{
    directory::Entry,
    job::{Scope, TenantId},
    problem::Problem,
};
use uuid::Uuid;

use crate::{
    answers::{Guarded, Paging, WithQuery},
    auth::Caller,
    context::Context,
    object::invalid,
    paging::{Listed, Part},
};

/// Read the audit log of a tenant
///
/// The newest entry comes first. Entries are kept for 400 days. An entry of the last second may be
/// missing. A key with the scope `keys` reads the log of its own tenant, and one with `admin` that
/// of any tenant.
#[utoipa::path(
    get,
    path = "/v1/audit",
    operation_id = "readAuditLog",
    params(
        ("tenant" = Option<String>, Query, description = "The id of a tenant. It is your own tenant if it is absent.", example = "acme"),
        Paging,
    ),
    responses(
        (status = 200, description = "A page of entries.", body = Listed<Entry>),
        Guarded,
        WithQuery,
    )
)]
pub(crate) async fn list(State(context): State<Arc<Context>>, caller: Caller, uri: Uri) -> Result<Json<Listed<Entry>>, Problem> {
    let part = Part::read(&uri, &["tenant"])?;
    let own = &caller.0.tenant.id;
    let tenant = match part.own.get("tenant") {
        None => own.clone(),
        Some(tenant) => TenantId::try_from(tenant.clone()).map_err(|error| invalid("?tenant", format!("The value is {error}.")))?,
    };
    caller.may(if tenant == *own { Scope::Keys } else { Scope::Admin })?;
    let before = part.after(|id| Uuid::try_parse(&id).ok())?;
    let page = context.directory.audit(&tenant, part.limit, before).await?;
    Ok(Json(Listed::of(page, |entry| entry.id.clone())))
}
