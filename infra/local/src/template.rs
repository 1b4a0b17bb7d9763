//! Checks of `template.yaml` that need no account: what SAM says, and what cfn-lint says of the
//! CloudFormation that SAM makes of it (untranslated, cfn-lint does not look inside functions).

use std::{fs, process::Command};

use anyhow::Result;

use crate::{
    instance::{local, workspace},
    progress::Step,
    python::{self, Environment},
};

/// Regions whose resource types and limits the template is checked against.
pub const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-southeast-1"];

/// Runs all checks.
///
/// # Errors
/// At the first check that fails, with what it said.
pub fn check() -> Result<()> {
    Environment::Tools.install()?;
    let bin = Environment::Tools.bin();
    let template = workspace().join("template.yaml");
    let step = Step::begin("sam validate --lint");
    let mut command = Command::new(bin.join("sam"));
    command
        .args(["validate", "--lint", "--region", REGIONS[0], "--template-file"])
        .arg(&template)
        .env("SAM_CLI_TELEMETRY", "0");
    python::run(&mut command, "validate the template")?;
    step.done();
    for region in REGIONS {
        let step = Step::begin(format!("cfn-lint of the translated template in {region}"));
        let output = local().join("template").join(region).with_extension("json");
        fs::create_dir_all(local().join("template"))?;
        fs::write(&output, translate(region)?)?;
        python::run(
            Command::new(bin.join("cfn-lint"))
                .args(["--regions", region, "--template"])
                .arg(&output),
            "lint the template",
        )?;
        step.done();
    }
    Ok(())
}

/// The CloudFormation that SAM makes of the template in a region, as JSON.
///
/// # Errors
/// If SAM does not understand the template.
pub fn translate(region: &str) -> Result<String> {
    let mut command = Command::new(Environment::Tools.bin().join("python"));
    command
        .arg(workspace().join("infra/local/translate.py"))
        .arg(workspace().join("template.yaml"));
    python::run(command.env("AWS_DEFAULT_REGION", region), "translate the template")
}
