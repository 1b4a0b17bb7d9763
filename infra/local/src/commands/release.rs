//! `cargo local release`: builds the functions as `sam build` does for a deployment, and invokes each
//! of them once.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use local::{
    Instance,
    checkout::{local, workspace},
    cloud::{
        addresses,
        bringup::{self, Bringup},
        emulator::Emulator,
        instance::DEFAULT_REGION,
    },
    progress::{Step, print},
    tools::{ARCHITECTURE, python::Environment},
};
use serde_json::Value;

use super::{runtime, say};

/// Each function of the template, an event for it, and what its answer has to contain.
const INVOCATIONS: [(&str, &str, &str); 8] = [
    ("Api", "api/submit.json", r#""statusCode":202"#),
    ("SummarizeExpress", "summarize/one.json", r#""batchItemFailures":[]"#),
    ("SummarizeStandard", "summarize/one.json", r#""batchItemFailures":[]"#),
    ("SummarizeBulk", "summarize/batch.json", r#""batchItemFailures":[]"#),
    ("Redrive", "redrive/schedule.json", r#""bulk":"#),
    ("Maintain", "maintain/upkeep.json", r#""made":"#),
    ("Canary", "canary/probe.json", r#""summaries":["#),
    ("Prescale", "prescale/dry-run.json", r#""dry_run":true"#),
];

/// Builds, starts a local cloud of its own, and invokes each function under the Runtime Interface
/// Emulator. Nothing of it is left running.
pub(crate) fn run() -> Result<()> {
    Environment::Tools.install()?;
    // `sam deploy` takes its input from `.aws-sam`, which must not hold a build for another processor.
    let built = local().join("release-build");
    build(&built)?;
    runtime()?.block_on(invoke_each(&built))
}

/// `sam build` for the processor of this machine.
fn build(built: &Path) -> Result<()> {
    let step =
        Step::begin("Building with SAM (usually 8 minutes for the first time, seconds later; the local cloud follows)").without_spinner();
    let mut command = Command::new(Environment::Tools.bin().join("sam"));
    command
        .args(["build", "--template", "template.yaml", "--parameter-overrides"])
        .arg(format!("Architecture={ARCHITECTURE}"))
        .arg("--build-dir")
        .arg(built)
        .current_dir(workspace())
        .env("PATH", Environment::Tools.path()?)
        .env("SAM_CLI_TELEMETRY", "0")
        .stdin(Stdio::null());
    ensure!(
        command.status().context("sam did not start")?.success(),
        "the build failed; see the message above"
    );
    step.done();
    Ok(())
}

async fn invoke_each(built: &Path) -> Result<()> {
    let instance = Instance::at(local().join("release"));
    instance.remove()?;
    let program = env::current_exe()?;
    let bringup = Bringup {
        instance: &instance,
        regions: vec![DEFAULT_REGION.to_owned()],
        attached: true,
        supervisor: &program,
        step: |what| Step::begin(what),
    };
    let running = bringup::up(&bringup).await?;
    let outputs = &running.state.regions[DEFAULT_REGION];
    let variables = addresses::function_env(&instance, DEFAULT_REGION, outputs);
    let mut failed = 0;
    for (function, event, expected) in INVOCATIONS {
        let program = built.join(function).join("bootstrap");
        let megabytes = fs::metadata(&program)
            .with_context(|| format!("SAM has built no {}", program.display()))?
            .len()
            / 1_000_000;
        let payload: Value = serde_json::from_slice(&fs::read(workspace().join("events").join(event))?)?;
        let answer = Emulator::start(&program, variables.clone())?.invoke(&payload).await?.to_string();
        let passed = answer.contains(expected);
        let shown: String = answer.chars().take(if passed { 100 } else { 2_000 }).collect();
        say(&format!("{function} ({megabytes} MB) <- events/{event}\n  {shown}"))?;
        if !passed {
            failed += 1;
            say(&format!("  This answer does not contain {expected}"))?;
        }
    }
    if failed > 0 {
        bail!("{failed} of {} functions did not answer as expected", INVOCATIONS.len());
    }
    print("All functions of the release build have answered.");
    Ok(())
}
