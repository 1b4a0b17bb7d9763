//! The functions, built by cargo for this machine, and the template that points at them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::{process, python::Environment};
use crate::checkout::workspace;

/// Builds every function; returns the folder of the binaries.
///
/// # Errors
/// If cargo fails; it has said why.
pub fn functions() -> Result<PathBuf> {
    // The same selection of packages as `cargo test`, so that both share every compiled dependency.
    Ok(cargo(&["--workspace", "--bins"])?.join("debug"))
}

/// Runs `cargo build` with these arguments; cargo shows its progress. Returns the target directory.
///
/// # Errors
/// If cargo fails; it has said why.
pub fn cargo(arguments: &[&str]) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.arg("build").args(arguments).current_dir(workspace()).stdin(Stdio::null());
    if !command.status().context("cargo did not start")?.success() {
        bail!("the build failed; see cargo's message above");
    }
    Ok(env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from))
}

/// Writes the deployable form of `template.yaml` into `output`; returns its path.
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
