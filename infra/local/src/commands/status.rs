//! `cargo local status`: what runs, where it answers, and whether each region is healthy.

use anyhow::Result;
use local::{Instance, cloud::addresses};

use super::{running, runtime, say};

pub(crate) fn run(instance: &Instance) -> Result<()> {
    let state = running(instance)?;
    say(&format!("AWS        {}", state.ports.aws_url()))?;
    for region in state.regions.keys() {
        say(&format!("\n{region}"))?;
        say(&format!("  API      {}", addresses::api_url(instance, region)?))?;
        say(&format!("  Postgres {}", addresses::database_url(instance, region)))?;
        say(&format!("  Valkey   {}", addresses::valkey_url(instance, region)))?;
    }
    runtime()?.block_on(async {
        for region in state.regions.keys() {
            let reply = reqwest::get(format!("{}/v1/health/deep", addresses::api_url(instance, region)?)).await?;
            say(&format!("\n{region} {}", reply.text().await?))?;
        }
        Ok(())
    })
}
