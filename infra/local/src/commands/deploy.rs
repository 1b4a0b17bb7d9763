//! `cargo local deploy`: builds the functions and deploys again to the running local cloud.

use anyhow::{Result, bail};
use clap::Args;
use local::{
    Instance,
    cloud::{
        addresses,
        bringup::{self, Bringup},
    },
    progress::Step,
};

use super::{running, runtime, say};

#[derive(Args)]
pub(crate) struct Deploy {
    /// AWS region; may be given more than once. Default: those that are deployed.
    #[arg(long = "region", value_name = "REGION")]
    regions: Vec<String>,
}

impl Deploy {
    pub(crate) fn run(self, instance: &Instance) -> Result<()> {
        let (state, mut regions) = (running(instance)?, self.regions);
        if regions.is_empty() {
            regions.extend(state.regions.keys().cloned());
        }
        if let Some(missing) = regions.iter().find(|region| !state.ports.valkey.contains_key(*region)) {
            bail!("{missing} has no Valkey yet; `cargo local down`, then `cargo local up --region {missing}` with all your regions");
        }
        let program = std::env::current_exe()?;
        let bringup = Bringup {
            instance,
            regions,
            attached: false,
            supervisor: &program,
            step: |what| Step::begin(what),
        };
        runtime()?.block_on(async {
            bringup::up(&bringup).await?;
            bringup
                .regions
                .iter()
                .try_for_each(|region| say(&format!("{region}  {}", addresses::api_url(instance, region)?)))
        })
    }
}
