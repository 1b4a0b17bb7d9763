//! `cargo local preflight`: what would fail in `sam deploy` to an AWS account.

use anyhow::{Result, bail};
use clap::Args;
use local::preflight::{self, Finding, Outcome};

use super::say;

#[derive(Args)]
pub(crate) struct Preflight {
    /// An environment of samconfig.toml, such as growth.
    #[arg(long, value_name = "NAME")]
    config_env: String,
}

impl Preflight {
    pub(crate) fn run(&self) -> Result<()> {
        let (mut failing, mut unknown, mut said) = (0, 0, Ok(()));
        preflight::run(&self.config_env, |Finding { outcome, text }| {
            let mark = match outcome {
                Outcome::Fine => "ok     ",
                Outcome::Warning => "warning",
                Outcome::Fails => "FAILS  ",
                Outcome::Unknown => "unknown",
            };
            failing += u32::from(*outcome == Outcome::Fails);
            unknown += u32::from(*outcome == Outcome::Unknown);
            if said.is_ok() {
                said = say(&format!("{mark}  {text}"));
            }
        })?;
        said?;
        if failing > 0 || unknown > 0 {
            bail!("{failing} of these would make the deployment fail, and {unknown} could not be checked");
        }
        say("Nothing is in the way of the deployment.")
    }
}
