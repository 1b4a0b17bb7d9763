//! `cargo local`: SummarEase on this machine.

mod commands;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use commands::{
    capacity::Capacity, contract::Contract, cost, dead_letters::DeadLetters, deploy::Deploy, down, env::Env, invoke::Invoke, load::Load,
    logs::Logs, plane::Plane, preflight::Preflight, release, status, supervise::Supervise, template::Template, tenant::Tenant, up::Up,
    watch::Watch,
};
use local::{Instance, progress};

/// SummarEase on this machine: the whole cloud, without Docker, root or an account.
#[derive(Parser)]
#[command(name = "cargo local", bin_name = "cargo local", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install, start, build, deploy, and summarise one article.
    Up(Up),
    /// Stop what `up --detach` left running.
    Down,
    /// What runs, and where.
    Status,
    /// The servers' and the functions' latest log lines.
    Logs(Logs),
    /// `export` lines for clients and for `cargo lambda watch`.
    Env(Env),
    /// `cargo lambda watch` against the running cloud.
    Watch(Watch),
    /// Build and deploy again to the running cloud.
    Deploy(Deploy),
    /// Invoke a deployed function with an event, such as `events/summarize/one.json`.
    Invoke(Invoke),
    /// Build the functions as `sam build` does for AWS, and invoke each of them once.
    Release,
    /// What would fail in `sam deploy` to the AWS account of this shell. It only reads.
    Preflight(Preflight),
    /// Tenants, their keys and the audit log.
    Tenant(Tenant),
    /// Messages for which jobs have failed: look at them, replay them, purge them.
    DeadLetters(DeadLetters),
    /// Run the engine on files, or on `-` for standard input; no service is needed.
    Summarize(runner::Summarize),
    /// Checks of `template.yaml` that need no account.
    Template(Template),
    /// What a capacity plan does; no service is needed.
    Capacity(Capacity),
    /// Try whether the API of the running cloud keeps its `OpenAPI` description.
    Contract(Contract),
    /// What a month of each phase costs, from the template's values and `infra/cost.toml`.
    Cost,
    /// Submit many jobs at a rate, and report what they took.
    Load(Load),
    #[command(hide = true)]
    Plane(Plane),
    #[command(hide = true)]
    Supervise(Supervise),
}

impl Command {
    fn run(self) -> Result<ExitCode> {
        let instance = Instance::default();
        let done = match self {
            Self::Up(up) => up.run(&instance),
            Self::Down => down::run(&instance),
            Self::Status => status::run(&instance),
            Self::Logs(logs) => logs.run(&instance),
            Self::Env(env) => env.run(&instance),
            Self::Watch(watch) => watch.run(&instance),
            Self::Deploy(deploy) => deploy.run(&instance),
            Self::Invoke(invoke) => invoke.run(&instance),
            Self::Tenant(tenant) => tenant.run(&instance),
            Self::DeadLetters(letters) => letters.run(&instance),
            Self::Preflight(preflight) => preflight.run(),
            Self::Release => release::run(),
            Self::Summarize(summarize) => return summarize.run(),
            Self::Template(template) => template.run(),
            Self::Capacity(capacity) => capacity.run(),
            Self::Contract(contract) => contract.run(&instance),
            Self::Cost => cost::run(),
            Self::Load(load) => load.run(&instance),
            Self::Plane(plane) => plane.run(),
            Self::Supervise(supervise) => supervise.run(),
        };
        done.map(|()| ExitCode::SUCCESS)
    }
}

fn main() -> ExitCode {
    match Arguments::parse().command.run() {
        Ok(code) => code,
        Err(error) => {
            progress::print(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
