//! A command that runs to its end.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Runs a command to its end; its output becomes part of the error.
///
/// # Errors
/// If it cannot be started or fails.
pub fn run(command: &mut Command, what: &str) -> Result<String> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("could not {what}: {program} did not start"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let said = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<_> = said.trim_end().lines().collect();
    let tail = lines[lines.len().saturating_sub(25)..].join("\n  ");
    bail!("could not {what} ({program}, {}):\n  {tail}", output.status)
}
