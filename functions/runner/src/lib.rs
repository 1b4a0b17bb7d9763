//! SummarEase as processes that stay, outside of Lambda: the API, the workers, and the engine on files.

mod engine;
mod lines;
mod room;
mod serve;
mod stop;
mod work;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

pub use engine::Summarize;
pub use serve::Serve;
pub use work::Work;

/// What the program does.
#[derive(Subcommand)]
pub enum Command {
    /// Answer HTTP requests until SIGTERM or Ctrl-C.
    Serve(Serve),
    /// Work on the jobs of lanes until SIGTERM or Ctrl-C.
    Work(Work),
    /// Summarise files with the engine alone. It needs no service.
    Summarize(Summarize),
}

impl Command {
    /// Runs the command to its end.
    ///
    /// # Errors
    /// If it cannot begin, or has stopped before it was told to.
    pub fn run(self) -> Result<ExitCode> {
        match self {
            Self::Serve(serve) => staying(serve.run()),
            Self::Work(work) => staying(work.run()),
            Self::Summarize(summarize) => summarize.run(),
        }
    }
}

/// Runs a process that stays until it is told to stop.
fn staying(process: impl Future<Output = Result<()>>) -> Result<ExitCode> {
    tokio::runtime::Runtime::new()?.block_on(process)?;
    Ok(ExitCode::SUCCESS)
}
