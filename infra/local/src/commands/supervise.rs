//! The hidden command `cargo local supervise`: the process that owns the servers of an instance.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use local::{Instance, cloud::supervisor};

#[derive(Args)]
pub(crate) struct Supervise {
    dir: PathBuf,
    #[arg(long)]
    detached: bool,
}

impl Supervise {
    pub(crate) fn run(&self) -> Result<()> {
        supervisor::supervise(&Instance::at(&self.dir), self.detached)
    }
}
