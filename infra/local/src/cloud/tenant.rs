//! The two tenants of a local cloud: one for demos, and the operator, who is the admin.

use anyhow::{Context, Result};
use shared::{
    directory::{ActError, Actor, Directory, NewKey, Tenant},
    job::{KeyHash, Plan, Scopes, TenantId},
    quota::Overrides,
};

use super::{
    addresses::sdk,
    instance::{Instance, Outputs},
};

/// The key of the demo tenant. It works in local clouds only, so it is no secret.
pub const KEY: &str = "sk_local_demo";
/// The key of the operator. It works in local clouds only, so it is no secret.
pub const ADMIN_KEY: &str = "sk_local_operator";

/// Enters both tenants and their keys into the directory of a region. What is there already stays.
///
/// # Errors
/// If the directory cannot be written.
pub async fn register(instance: &Instance, region: &str, outputs: &Outputs) -> Result<()> {
    let table = outputs.get("DirectoryTable").context("the stack names no directory table")?;
    let directory = Directory::new(&sdk(instance, region), table.clone());
    for (id, plan, key, scopes) in [
        ("demo", Plan::Enterprise, KEY, Scopes::BEFORE),
        ("operator", Plan::Pro, ADMIN_KEY, Scopes::ALL),
    ] {
        let tenant = Tenant {
            id: TenantId::try_from(id.to_owned())?,
            plan,
        };
        enter(&directory, &tenant, Overrides::default(), key, scopes).await?;
    }
    Ok(())
}

/// Enters a tenant and its key into a directory. What is there already stays.
pub(crate) async fn enter(directory: &Directory, tenant: &Tenant, limits: Overrides, key: &str, scopes: Scopes) -> Result<()> {
    let by = Actor {
        tenant: TenantId::try_from("operator".to_owned())?,
        key: KeyHash::of(ADMIN_KEY).id(),
        scopes: Scopes::ALL,
        request_id: "cargo local".to_owned(),
    };
    done(directory.create_tenant(&by, tenant, limits).await)?;
    let new = NewKey {
        key: key.into(),
        name: "Local cloud".to_owned(),
        scopes,
        expires_at: None,
        limits: None,
    };
    Ok(done(directory.create_key(&by, &tenant.id, None, &new).await)?)
}

/// What was done before is done.
fn done<T>(act: Result<T, ActError>) -> Result<(), ActError> {
    match act {
        Ok(_) | Err(ActError::Conflict(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
