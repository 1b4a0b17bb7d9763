//! One file per `cargo local` command: its flags, and what it does.
//!
//! This file holds what several commands need. Results go to standard output, everything else to
//! standard error.

pub(crate) mod api;
pub(crate) mod capacity;
pub(crate) mod contract;
pub(crate) mod cost;
pub(crate) mod dead_letters;
pub(crate) mod deploy;
pub(crate) mod down;
pub(crate) mod env;
pub(crate) mod invoke;
pub(crate) mod load;
pub(crate) mod logs;
pub(crate) mod plane;
pub(crate) mod preflight;
pub(crate) mod release;
pub(crate) mod status;
pub(crate) mod supervise;
pub(crate) mod template;
pub(crate) mod tenant;
pub(crate) mod up;
pub(crate) mod watch;

use std::io::{ErrorKind, Write, stdout};

use anyhow::{Result, bail};
use local::{
    Instance,
    cloud::{instance::State, supervisor},
};

/// The state of an instance that runs.
fn running(instance: &Instance) -> Result<State> {
    let state = instance.state();
    if state.supervisor.is_some_and(supervisor::is_alive) && !state.regions.is_empty() {
        return Ok(state);
    }
    bail!("the local cloud is not running; start it with `cargo local up --detach`")
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Runtime::new()?)
}

/// Prints a result to standard output. It is no error if the reader has gone away.
fn say(text: &str) -> Result<()> {
    match writeln!(stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
