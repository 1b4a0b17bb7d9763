//! `cargo local capacity`: what a capacity plan does on simulated days. It needs no service.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use local::{planning::simulation, progress::print};

use super::say;

#[derive(Args)]
pub(crate) struct Capacity {
    #[command(subcommand)]
    command: Simulation,
}

#[derive(Subcommand)]
enum Simulation {
    /// Simulate days of demand with the plan and with three other policies: waiting times, cost,
    /// charts.
    Simulate {
        /// Such as `infra/capacity/growth.toml`.
        plan: PathBuf,
        /// A built-in trace (flat, office-day, launch-spike, flash-crowd, noisy-tenant,
        /// silent-night) or a CSV file of `minute,express,standard,bulk`; may be given more than
        /// once. Default: all that are built in.
        #[arg(long = "trace", value_name = "NAME|FILE")]
        traces: Vec<String>,
        /// Folder for the charts, one SVG per trace.
        #[arg(long, value_name = "DIR", default_value = ".local/capacity")]
        charts: PathBuf,
    },
}

impl Capacity {
    pub(crate) fn run(&self) -> Result<()> {
        let Simulation::Simulate { plan, traces, charts } = &self.command;
        say(simulation::simulate(plan, traces, charts)?.trim_end())?;
        print(&format!("\nCharts: {}", charts.display()));
        Ok(())
    }
}
