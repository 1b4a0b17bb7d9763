//! `cargo local cost`: what a month of each phase costs.

use anyhow::Result;
use local::{planning::cost, progress::Step, tools::python::Environment};

use super::say;

pub(crate) fn run() -> Result<()> {
    Environment::Tools.install()?;
    let step = Step::begin("Translating the templates of all phases (usually 10 seconds)");
    let table = cost::table()?;
    step.done();
    say(table.trim_end())
}
