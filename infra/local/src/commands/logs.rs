//! `cargo local logs`: the latest log lines of the servers and the functions.

use std::fs;

use anyhow::{Context, Result};
use clap::Args;
use local::Instance;

use super::say;

#[derive(Args)]
pub(crate) struct Logs {
    /// Lines per log.
    #[arg(long, default_value_t = 40)]
    lines: usize,
}

impl Logs {
    pub(crate) fn run(&self, instance: &Instance) -> Result<()> {
        let mut files: Vec<_> = fs::read_dir(instance.dir().join("logs"))
            .context("there are no logs; run `cargo local up` first")?
            .flatten()
            .collect();
        files.sort_by_key(fs::DirEntry::file_name);
        for file in files {
            let text = String::from_utf8_lossy(&fs::read(file.path())?).into_owned();
            let all: Vec<_> = text.lines().collect();
            say(&format!(
                "==> {} <==\n{}\n",
                file.path().display(),
                all[all.len().saturating_sub(self.lines)..].join("\n")
            ))?;
        }
        Ok(())
    }
}
