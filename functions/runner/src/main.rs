//! `summarease`: the parts of SummarEase outside of Lambda.

use std::{
    io::{Write, stderr},
    process::ExitCode,
};

use clap::Parser;
use mimalloc::MiMalloc;
use runner::Command;

/// It needs less processor time than the one of the system when many requests are worked on at once.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The parts of SummarEase outside of Lambda. `serve` and `work` read the environment variables that
/// `template.yaml` sets for the functions `api` and `summarize`.
#[derive(Parser)]
#[command(name = "summarease", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    Arguments::parse().command.run().unwrap_or_else(|error| {
        // The logs are lines of JSON on standard output. This line is for the person who starts the program.
        let _ = writeln!(stderr(), "error: {error:#}");
        ExitCode::FAILURE
    })
}
