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
            bail!(summary(failing, unknown));
        }
        say("Nothing is in the way of the deployment.")
    }
}

/// The last line, if something would fail or could not be checked.
fn summary(failing: u32, unknown: u32) -> String {
    let things = |count: u32| {
        if count == 1 {
            "1 thing".to_owned()
        } else {
            format!("{count} things")
        }
    };
    let (fails, unchecked) = (things(failing), things(unknown));
    match (failing, unknown) {
        (_, 0) => format!("{fails} would make the deployment fail. Do what is said above and run this again."),
        (0, _) => format!(
            "Nothing would fail, but {unchecked} could not be checked. Give the permissions that are named above, or mend the cause, and run this again."
        ),
        _ => format!(
            "{fails} would make the deployment fail, and {unchecked} could not be checked. Do what is said above and run this again."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn the_last_line_reads_plainly() {
        for (failing, unknown, begins) in [
            (0, 1, "Nothing would fail, but 1 thing could not be checked. Give the permissions"),
            (0, 2, "Nothing would fail, but 2 things could not be checked. Give the permissions"),
            (1, 0, "1 thing would make the deployment fail. Do"),
            (
                2,
                1,
                "2 things would make the deployment fail, and 1 thing could not be checked. Do",
            ),
        ] {
            let said = summary(failing, unknown);
            assert!(said.starts_with(begins), "{said}");
        }
    }
}
