//! `cargo local invoke`: invokes a deployed function with an event from a file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use aws_sdk_lambda::{Client, primitives::Blob};
use clap::Args;
use local::{
    Instance,
    cloud::{addresses, instance::DEFAULT_REGION},
};

use super::{running, runtime, say};

#[derive(Args)]
pub(crate) struct Invoke {
    event: PathBuf,
    #[arg(long, default_value = DEFAULT_REGION)]
    region: String,
}

impl Invoke {
    pub(crate) fn run(&self, instance: &Instance) -> Result<()> {
        let state = running(instance)?;
        let output = output_of(&self.event)?;
        let payload = fs::read(&self.event).with_context(|| format!("cannot read {}", self.event.display()))?;
        let function = state
            .regions
            .get(&self.region)
            .and_then(|outputs| outputs.get(output))
            .with_context(|| format!("{} is not deployed", self.region))?;
        runtime()?.block_on(async {
            let client = Client::new(&addresses::sdk(instance, &self.region));
            let reply = client.invoke().function_name(function).payload(Blob::new(payload)).send().await?;
            say(&String::from_utf8_lossy(reply.payload().map(AsRef::as_ref).unwrap_or_default()))?;
            reply.function_error().map_or(Ok(()), |error| bail!("the function failed: {error}"))
        })
    }
}

/// The output of the stack that names the function an event is for.
fn output_of(event: &Path) -> Result<&'static str> {
    let folder = event
        .parent()
        .and_then(Path::file_name)
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    Ok(match folder {
        "api" => "ApiFunction",
        "summarize" => "SummarizeStandardFunction",
        "redrive" => "RedriveFunction",
        "maintain" => "MaintainFunction",
        "canary" => "CanaryFunction",
        "prescale" => "PrescaleFunction",
        other => bail!("events are kept in a folder named after their function, and there is no function `{other}`"),
    })
}
