//! The demo tenant of a local cloud.

use anyhow::{Context, Result};
use shared::{
    directory::{Directory, Tenant},
    job::{Plan, TenantId},
};

use super::{
    addresses::sdk,
    instance::{Instance, Outputs},
};

/// The key of the demo tenant. It works in local clouds only, so it is no secret.
pub const KEY: &str = "sk_local_demo";

/// Registers the demo tenant in a region's directory.
///
/// # Errors
/// If the directory cannot be written.
pub async fn register(instance: &Instance, region: &str, outputs: &Outputs) -> Result<()> {
    let table = outputs.get("DirectoryTable").context("the stack names no directory table")?;
    let tenant = Tenant {
        id: TenantId::try_from("demo".to_owned())?,
        plan: Plan::Enterprise,
    };
    Directory::new(&sdk(instance, region), table.clone())
        .register(&KEY.into(), &tenant, None)
        .await?;
    Ok(())
}
