//! Builds the functions for this machine, and makes a template that names the built programs.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::{process, python::Environment};
use crate::checkout::workspace;

/// Builds all functions and returns the folder of their programs.
///
/// # Errors
/// If cargo fails. It has printed the reason.
pub fn functions() -> Result<PathBuf> {
    // The selection of packages decides the features of their dependencies. It is the same one as
    // that of `cargo test`, so that nothing is compiled twice.
    Ok(cargo(&["--workspace", "--bins"])?.join("debug"))
}

/// Runs `cargo build` with these arguments, which shows its own progress. Returns the target
/// folder.
///
/// # Errors
/// If cargo fails. It has printed the reason.
pub fn cargo(arguments: &[&str]) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.arg("build").args(arguments).current_dir(workspace()).stdin(Stdio::null());
    if !command.status().context("cargo did not start")?.success() {
        bail!("the build failed; see cargo's message above");
    }
    Ok(env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from))
}

/// Writes a form of `template.yaml` that can be deployed into `output`, and returns its path.
///
/// # Errors
/// If a binary is missing or the template cannot be read.
pub fn assemble(binaries: &Path, output: &Path) -> Result<PathBuf> {
    fs::create_dir_all(output)?;
    let mut command = Command::new(Environment::Tools.bin().join("python"));
    command
        .arg(workspace().join("infra/local/python/assemble.py"))
        .arg(workspace().join("template.yaml"))
        .args([binaries, output]);
    process::run(&mut command, "assemble the template")?;
    Ok(output.join("template.yaml"))
}
