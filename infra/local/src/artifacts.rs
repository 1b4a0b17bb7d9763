//! The functions, built by cargo for this machine, and the template that points at them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{
    instance::workspace,
    python::{self, Environment},
};

/// Builds every function; cargo shows its progress.
///
/// # Errors
/// If cargo fails; it has said why.
pub fn build() -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // The same selection of packages as `cargo test`, so that both share every compiled dependency.
    let mut command = Command::new(cargo);
    command
        .args(["build", "--workspace", "--bins"])
        .current_dir(workspace())
        .stdin(Stdio::null());
    if !command.status().context("cargo did not start")?.success() {
        bail!("the functions were not built; see cargo's message above");
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    Ok(target.join("debug"))
}

/// Writes the deployable form of `template.yaml` into `output`; returns its path.
///
/// # Errors
/// If a binary is missing or the template cannot be read.
pub fn assemble(binaries: &Path, output: &Path) -> Result<PathBuf> {
    fs::create_dir_all(output)?;
    let mut command = Command::new(Environment::Tools.bin().join("python"));
    command
        .arg(workspace().join("infra/local/assemble.py"))
        .arg(workspace().join("template.yaml"))
        .args([binaries, output]);
    python::run(&mut command, "assemble the template")?;
    Ok(output.join("template.yaml"))
}
