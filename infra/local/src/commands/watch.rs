//! `cargo local watch`: `cargo lambda watch` against the running local cloud.

use std::{env, iter, process::Command};

use anyhow::{Context, Result, bail};
use clap::Args;
use local::{Instance, checkout::workspace, cloud::instance::DEFAULT_REGION, tools::python::Environment};

use super::{env::environment, running};

#[derive(Args)]
pub(crate) struct Watch {
    #[arg(long, default_value = DEFAULT_REGION)]
    region: String,
    /// Further arguments of `cargo lambda watch`.
    #[arg(last = true)]
    rest: Vec<String>,
}

impl Watch {
    pub(crate) fn run(&self, instance: &Instance) -> Result<()> {
        running(instance)?;
        let bin = Environment::Tools.bin();
        let others = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths(iter::once(bin.clone()).chain(env::split_paths(&others)))?;
        let mut command = Command::new(bin.join("cargo-lambda"));
        command
            // By default it listens on every interface, which would open the API to the network.
            .args(["lambda", "watch", "--invoke-address", "127.0.0.1"])
            .args(&self.rest)
            .envs(environment(instance, &self.region)?)
            .env("PATH", path);
        let status = command.current_dir(workspace()).status().context("cargo-lambda did not start")?;
        if status.success() {
            Ok(())
        } else {
            bail!("cargo lambda watch stopped with {status}")
        }
    }
}
