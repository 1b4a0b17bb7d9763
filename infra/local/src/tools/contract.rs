//! Tries whether a running service keeps what its `OpenAPI` description says. schemathesis makes
//! requests from the description, right ones and wrong ones, and compares the answers with it.

use std::process::Command;

use anyhow::{Context, Result};

use super::{process::run_showing, python::Environment};
use crate::checkout::workspace;

/// What makes a run fail. Two checks are left out, because the limits of some fields cannot be said
/// in JSON Schema: that a request which keeps the schema is accepted, and that every other is
/// refused.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth,missing_required_header";

/// Tries `cases` requests for each operation, and shows each line that schemathesis prints. The
/// requests are the same in every run, so that a failure repeats.
///
/// # Errors
/// If schemathesis cannot be installed, or an answer is not as the description says.
pub fn check(url: &str, key: &str, cases: u32, show: impl FnMut(&str)) -> Result<()> {
    Environment::Contract.install()?;
    let mut command = Command::new(Environment::Contract.bin().join("schemathesis"));
    command
        .arg("run")
        .arg(workspace().join("functions/api/openapi.json"))
        .args(["--url", url, "--header", &format!("Authorization: Bearer {key}")])
        .args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", &cases.to_string(), "--generation-deterministic"])
        .args(["--suppress-health-check", "all"])
        .args(["--continue-on-failure", "--workers", "1", "--request-timeout", "60", "--no-color"])
        .current_dir(Environment::Contract.bin());
    run_showing(&mut command, "find the API as its description says", show).context("see the requests above")?;
    Ok(())
}
