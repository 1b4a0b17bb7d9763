//! `cargo local contract`: tries whether the API of the running local cloud keeps its description.

use anyhow::{Context, Result};
use clap::Args;
use local::{
    Instance,
    cloud::{addresses, instance::DEFAULT_REGION, tenant},
    progress,
    tools::contract,
};

use super::running;

#[derive(Args)]
pub(crate) struct Contract {
    /// Requests for each operation.
    #[arg(long, default_value_t = 1000)]
    cases: u32,
    #[arg(long, default_value = DEFAULT_REGION)]
    region: String,
}

impl Contract {
    pub(crate) fn run(&self, instance: &Instance) -> Result<()> {
        let state = running(instance)?;
        let outputs = state
            .regions
            .get(&self.region)
            .with_context(|| format!("{} is not deployed", self.region))?;
        let url = addresses::api_url_of(instance, outputs)?;
        contract::check(&url, tenant::KEY, self.cases, progress::print)
    }
}
