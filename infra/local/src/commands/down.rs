//! `cargo local down`: stops what `up --detach` left running.

use anyhow::Result;
use local::{Instance, cloud::supervisor, progress::print};

pub(crate) fn run(instance: &Instance) -> Result<()> {
    let mut state = instance.state();
    match state.supervisor.filter(|id| supervisor::is_alive(*id)) {
        Some(id) => {
            supervisor::stop(id)?;
            print("Stopped.");
        }
        None => print("Nothing is running."),
    }
    supervisor::end_leftovers(instance);
    state.supervisor = None;
    instance.remember(&state)
}
