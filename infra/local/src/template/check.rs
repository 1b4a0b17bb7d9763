//! `cargo local template check`: all checks of the templates, one after the other.

use std::{fs, process::Command};

use anyhow::{Result, bail};

use super::{ALONE, NESTED, REGIONS, alone, environments, estate, rules, stack::Parameters, translate};
use crate::{
    checkout::{local, workspace},
    progress::Step,
    tools::{process, python::Environment},
};

/// Runs all checks.
///
/// # Errors
/// At the first check that fails. The error has the output of that check.
pub fn check() -> Result<()> {
    Environment::Tools.install()?;
    Environment::Checks.install()?;
    let bin = Environment::Tools.bin();
    let step = Step::begin("sam validate --lint");
    let mut command = Command::new(bin.join("sam"));
    command
        .args(["validate", "--lint", "--region", REGIONS[0], "--template-file"])
        .arg(workspace().join("template.yaml"))
        .env("SAM_CLI_TELEMETRY", "0");
    process::run(&mut command, "validate the template")?;
    step.done();
    let environments = environments()?;
    let folder = local().join("template");
    fs::remove_dir_all(&folder).or_else(|error| if folder.exists() { Err(error) } else { Ok(()) })?;
    fs::create_dir_all(&folder)?;
    let mut translated = Vec::new();
    for (name, environment) in &environments {
        let step = Step::begin(format!("rules over {name}"));
        let (estate, root) = estate(name, environment)?;
        let found = rules::findings(&estate);
        if !found.is_empty() {
            bail!("{name}:\n  {}", found.join("\n  "));
        }
        let path = folder.join(name).with_extension("json");
        fs::write(&path, serde_json::to_vec(&root)?)?;
        translated.push(path);
        step.done();
    }
    for (name, values) in ALONE {
        let found = rules::findings(&alone(name, values)?);
        if !found.is_empty() {
            bail!("{name}:\n  {}", found.join("\n  "));
        }
    }
    for name in NESTED {
        let path = folder.join(name).with_extension("json");
        fs::write(&path, translate(&format!("infra/{name}"), &Parameters::new(), REGIONS[0])?)?;
        translated.push(path);
    }
    for region in REGIONS {
        let step = Step::begin(format!("cfn-lint of the translated templates in {region}"));
        let mut command = Command::new(bin.join("cfn-lint"));
        // W2001 complains about parameters that no resource uses. Where gradual deployments are
        // off, SAM has already replaced the parameters of gradual deployments by their values.
        command
            .args(["--regions", region, "--ignore-checks", "W2001", "--template"])
            .args(&translated);
        process::run(&mut command, "lint the templates")?;
        step.done();
    }
    let step = Step::begin("checkov of the translated templates");
    let mut command = Command::new(Environment::Checks.bin().join("checkov"));
    command
        .args([
            "--framework", "cloudformation", "--compact", "--quiet", "--skip-download", "--config-file",
        ])
        .arg(workspace().join("infra/checkov.yaml"))
        .arg("--directory")
        .arg(&folder);
    process::run(&mut command, "check the templates")?;
    step.done();
    Ok(())
}
