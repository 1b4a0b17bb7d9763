//! SummarEase as processes that stay, outside of Lambda: the API, the workers, and the engine on files.

// The future of a batch holds many others. An optimised build lays all of them out at once.
#![recursion_limit = "256"]

mod engine;
mod lines;
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
///
/// The engine runs on blocking threads. With more of them than processors, texts would only take memory. A
/// request whose summary cannot begin in time is queued.
fn staying(process: impl Future<Output = Result<()>>) -> Result<ExitCode> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().max_blocking_threads(2 * processors + 2).build()?;
    runtime.block_on(process)?;
    Ok(ExitCode::SUCCESS)
}
