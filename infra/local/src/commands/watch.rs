//! `cargo local watch`: `cargo lambda watch` against the running local cloud.

use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use local::{Instance, checkout::workspace, cloud::instance::DEFAULT_REGION, tools::python::Environment};

use super::{env::environment, running};

#[derive(Args)]
pub(crate) struct Watch {
    #[arg(long, default_value = DEFAULT_REGION)]
    region: String,
    /// The address to listen on. The default of cargo-lambda would open the API to the network.
    #[arg(long, default_value = "127.0.0.1")]
    invoke_address: String,
    /// Further arguments of `cargo lambda watch`.
    #[arg(last = true)]
    rest: Vec<String>,
}

impl Watch {
    pub(crate) fn run(&self, instance: &Instance) -> Result<()> {
        running(instance)?;
        let mut command = Command::new(Environment::Tools.bin().join("cargo-lambda"));
        command
            .args(["lambda", "watch", "--invoke-address", &self.invoke_address])
            .args(&self.rest)
            .envs(environment(instance, &self.region)?)
            .env("PATH", Environment::Tools.path()?);
        let status = command.current_dir(workspace()).status().context("cargo-lambda did not start")?;
        if status.success() {
            Ok(())
        } else {
            bail!("cargo lambda watch stopped with {status}")
        }
    }
}
