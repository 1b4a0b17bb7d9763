//! `cargo local`: SummarEase on this machine.

mod commands;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use local::{Instance, instance::DEFAULT_REGION, progress, supervisor, template};
use shared::summarizer::{Lengths, Options};

/// SummarEase on this machine: the whole cloud, without Docker, root or an account.
#[derive(Parser)]
#[command(name = "cargo local", bin_name = "cargo local", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install, start, build, deploy, and summarise one real article.
    Up {
        /// AWS region to deploy; may be given more than once.
        #[arg(long = "region", value_name = "REGION", default_value = DEFAULT_REGION)]
        regions: Vec<String>,
        /// Return when everything is ready and leave it running.
        #[arg(long)]
        detach: bool,
    },
    /// Stop what `up --detach` left running.
    Down,
    /// What runs, and where.
    Status,
    /// The servers' and the functions' latest log lines.
    Logs {
        /// Lines per log.
        #[arg(long, default_value_t = 40)]
        lines: usize,
    },
    /// `export` lines for clients and for `cargo lambda watch`.
    Env {
        #[arg(long, default_value = DEFAULT_REGION)]
        region: String,
    },
    /// `cargo lambda watch` against the running cloud.
    Watch {
        #[arg(long, default_value = DEFAULT_REGION)]
        region: String,
        /// Further arguments of `cargo lambda watch`.
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// Build and deploy again to the running cloud.
    Deploy {
        /// AWS region; may be given more than once. Default: those that are deployed.
        #[arg(long = "region", value_name = "REGION")]
        regions: Vec<String>,
    },
    /// Invoke a deployed function with an event, such as `events/summarize/one.json`.
    Invoke {
        event: PathBuf,
        #[arg(long, default_value = DEFAULT_REGION)]
        region: String,
    },
    /// Run the engine on a file, or on `-` for standard input; no service is needed.
    Summarize(Summarize),
    /// Checks of `template.yaml` that need no account.
    Template {
        #[command(subcommand)]
        task: Template,
    },
    /// What a capacity plan does; no service is needed.
    Capacity {
        #[command(subcommand)]
        task: Capacity,
    },
    /// What a month of each phase costs, from the template's values and `infra/cost.toml`.
    Cost,
    #[command(hide = true)]
    Supervise {
        dir: PathBuf,
        #[arg(long)]
        detached: bool,
    },
}

#[derive(Subcommand)]
enum Template {
    /// `sam validate --lint`, then cfn-lint on the translated template in three regions.
    Check,
}

#[derive(Subcommand)]
enum Capacity {
    /// Live through days of demand with the plan and with three other policies: waits, cost, charts.
    Simulate {
        /// Such as `infra/capacity/growth.toml`.
        plan: PathBuf,
        /// A built-in trace (flat, office-day, launch-spike, flash-crowd, noisy-tenant, silent-night) or a CSV file
        /// of `minute,express,standard,bulk`; may be given more than once. Default: all that are built in.
        #[arg(long = "trace", value_name = "NAME|FILE")]
        traces: Vec<String>,
        /// Folder for the charts, one SVG per trace.
        #[arg(long, value_name = "DIR", default_value = ".local/capacity")]
        charts: PathBuf,
    },
}

#[derive(Args)]
struct Summarize {
    /// The text, or `-`.
    #[arg(default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    length: LengthFlags,
    /// Print the whole result, not only the text.
    #[arg(long)]
    json: bool,
    /// Read lines of {"id", "document", one length field} from standard input, write one result line each.
    #[arg(long, conflicts_with_all = ["sentences", "words", "characters", "ratio", "json", "markdown", "focus", "language", "file"])]
    jsonl: bool,
    /// The text is Markdown.
    #[arg(long)]
    markdown: bool,
    /// A question or some words: sentences that have to do with them come first.
    #[arg(long)]
    focus: Option<String>,
    /// The language as a BCP 47 tag such as `de`; detected if absent.
    #[arg(long)]
    language: Option<String>,
}

#[derive(Args)]
#[group(multiple = false)]
struct LengthFlags {
    #[arg(long)]
    sentences: Option<u32>,
    #[arg(long)]
    words: Option<u32>,
    #[arg(long)]
    characters: Option<u32>,
    #[arg(long)]
    ratio: Option<f64>,
}

impl From<&LengthFlags> for Lengths {
    fn from(flags: &LengthFlags) -> Self {
        Self {
            sentences: flags.sentences,
            words: flags.words,
            characters: flags.characters,
            ratio: flags.ratio,
        }
    }
}

fn main() -> ExitCode {
    let instance = Instance::default();
    let outcome = match Arguments::parse().command {
        Command::Up { regions, detach } => commands::up(&instance, regions, detach),
        Command::Down => commands::down(&instance),
        Command::Status => commands::status(&instance),
        Command::Logs { lines } => commands::logs(&instance, lines),
        Command::Env { region } => commands::env(&instance, &region),
        Command::Watch { region, rest } => commands::watch(&instance, &region, &rest),
        Command::Deploy { regions } => commands::deploy(&instance, regions),
        Command::Invoke { event, region } => commands::invoke(&instance, &event, &region),
        Command::Summarize(Summarize { jsonl: true, .. }) => commands::summarize_lines(),
        Command::Summarize(Summarize {
            file,
            length,
            json,
            markdown,
            focus,
            language,
            ..
        }) => {
            let options = Options {
                markdown,
                focus: focus.as_deref(),
                language: language.as_deref(),
                keywords: json,
                scores: json,
                ..Options::default()
            };
            commands::summarize(&file, Lengths::from(&length), options, json)
        }
        Command::Template { task: Template::Check } => template::check(),
        Command::Capacity {
            task: Capacity::Simulate { plan, traces, charts },
        } => commands::simulate(&plan, &traces, &charts),
        Command::Cost => commands::cost(),
        Command::Supervise { dir, detached } => supervisor::supervise(&Instance::at(dir), detached),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::print(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
