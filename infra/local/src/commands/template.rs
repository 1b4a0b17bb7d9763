//! `cargo local template`: checks of the templates that need no account.

use anyhow::Result;
use clap::{Args, Subcommand};
use local::template::check;

#[derive(Args)]
pub(crate) struct Template {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// `sam validate --lint`, then cfn-lint on the translated template in three regions.
    Check,
}

impl Template {
    pub(crate) fn run(&self) -> Result<()> {
        match self.task {
            Task::Check => check::check(),
        }
    }
}
