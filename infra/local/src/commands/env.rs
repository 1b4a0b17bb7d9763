//! `cargo local env`: `export` lines for clients and for `cargo lambda watch`.

use anyhow::Result;
use clap::Args;
use local::{
    Instance,
    cloud::{
        addresses,
        instance::DEFAULT_REGION,
        tenant::{ADMIN_KEY, KEY},
    },
    tools::python::Environment,
};

use super::{running, say};

#[derive(Args)]
pub(crate) struct Env {
    #[arg(long, default_value = DEFAULT_REGION)]
    region: String,
}

impl Env {
    pub(crate) fn run(&self, instance: &Instance) -> Result<()> {
        running(instance)?;
        for (name, value) in environment(instance, &self.region)? {
            say(&format!("export {name}='{}'", value.replace('\'', "'\\''")))?;
        }
        say(&format!("export PATH='{}':\"$PATH\"", Environment::Tools.bin().display()))
    }
}

/// What a client, a function and `cargo lambda watch` must know of a region.
pub(super) fn environment(instance: &Instance, region: &str) -> Result<Vec<(String, String)>> {
    let outputs = instance.state().regions.remove(region).unwrap_or_default();
    let mut pairs = addresses::function_env(instance, region, &outputs);
    pairs.push(("SUMMAREASE_URL".into(), addresses::api_url(instance, region)?));
    pairs.push(("SUMMAREASE_API_KEY".into(), KEY.into()));
    pairs.push(("SUMMAREASE_ADMIN_KEY".into(), ADMIN_KEY.into()));
    pairs.push(("SUMMAREASE_STACK".into(), addresses::stack_name(region)));
    Ok(pairs)
}
