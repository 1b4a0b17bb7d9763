//! `cargo local load`: many jobs at a rate, and what they took.

use std::{fs, os::unix::process::CommandExt, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use clap::Args;
use local::{
    Instance,
    cloud::{addresses, instance::DEFAULT_REGION, tenant::KEY},
    load::{
        self, Schedule,
        system::{Settings, System},
    },
    progress::Step,
    tools::build,
};

use super::{runtime, say};

#[derive(Args)]
pub(crate) struct Load {
    /// Submissions a second.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// How long they go on, in seconds.
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// The rate at the beginning, from which it grows evenly to `--rate`.
    #[arg(long)]
    from: Option<f64>,
    /// By how much the rate is multiplied in the third fifth of the time.
    #[arg(long, default_value_t = 1.0)]
    burst: f64,
    /// Words of a text.
    #[arg(long, default_value_t = 700)]
    words: usize,
    /// One text in so many has ten times as many words; 0 means none.
    #[arg(long, default_value_t = 0)]
    long_every: usize,
    /// How many of a hundred submissions repeat an earlier text.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    repeated: u8,
    /// What the random moments and texts begin with.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// `processes`: `summarease serve` and `work` with servers of their own on this machine. `cloud`: the running local
    /// cloud. Anything else is the base URL of a deployed API.
    #[arg(long, default_value = "processes")]
    target: String,
    /// The API keys, separated by commas, for a deployed API.
    #[arg(long, value_delimiter = ',')]
    keys: Vec<String>,
    /// The priorities of the jobs, separated by commas. They take turns.
    #[arg(long, default_value = "standard", value_delimiter = ',')]
    priorities: Vec<String>,
    /// Write the report as JSON into this file.
    #[arg(long)]
    report: Option<PathBuf>,
}

impl Load {
    pub(crate) fn run(self, instance: &Instance) -> Result<()> {
        ensure!(
            self.rate > 0.0 && self.seconds > 0.0 && self.burst > 0.0,
            "--rate, --seconds and --burst must be above 0"
        );
        ensure!(self.from.is_none_or(|from| from > 0.0), "--from must be above 0");
        if cfg!(debug_assertions) {
            // Only optimised programs say how fast the service is.
            let target = build::cargo(&["--release", "--workspace", "--bin", "local", "--bin", "summarease"])?;
            let error = Command::new(target.join("release/local")).args(std::env::args_os().skip(1)).exec();
            return Err(error).context("cannot start the optimised program");
        }
        runtime()?.block_on(async {
            let program = std::env::current_exe()?;
            let system = if self.target == "processes" {
                let step = Step::begin("Starting PostgreSQL, Valkey, SQS, DynamoDB, S3, and the service");
                let system = System::start(&Settings {
                    dir: &load::system::folder(),
                    supervisor: &program,
                    summarease: &program.with_file_name("summarease"),
                    visibility: 370,
                })
                .await?;
                step.done();
                Some(system)
            } else {
                None
            };
            let (url, keys) = match &system {
                Some(system) => (system.url.clone(), system.keys.clone()),
                None if self.target == "cloud" => (addresses::api_url(instance, DEFAULT_REGION)?, vec![KEY.to_owned()]),
                None => {
                    ensure!(!self.keys.is_empty(), "a deployed API needs --keys");
                    (self.target.trim_end_matches('/').to_owned(), self.keys)
                }
            };
            let load = load::Load {
                schedule: Schedule {
                    rate: self.rate,
                    seconds: self.seconds,
                    from: self.from,
                    burst: self.burst,
                },
                words: self.words,
                long_every: self.long_every,
                repeated: self.repeated,
                seed: self.seed,
                url,
                keys,
                priorities: self.priorities,
            };
            let step = Step::begin(format!("Submitting jobs for {} seconds", self.seconds));
            let report = load::run(&load, system.as_ref(), &step).await?;
            step.done();
            say(&report.to_string())?;
            if let Some(file) = self.report {
                fs::write(&file, report.json()?).with_context(|| format!("cannot write {}", file.display()))?;
            }
            report.check()
        })
    }
}
