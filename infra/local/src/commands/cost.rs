//! `cargo local cost`: what a month of each phase costs.

use anyhow::Result;
use local::{planning::cost, tools::python::Environment};

use super::say;

pub(crate) fn run() -> Result<()> {
    Environment::Tools.install()?;
    say(cost::table()?.trim_end())
}
