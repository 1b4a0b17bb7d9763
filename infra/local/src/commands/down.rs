//! `cargo local down`: stops what `up --detach` left running.

use anyhow::Result;
use local::{
    Instance,
    cloud::supervisor,
    progress::{Step, print},
};

pub(crate) fn run(instance: &Instance) -> Result<()> {
    let mut state = instance.state();
    match state.supervisor.filter(|id| supervisor::is_alive(*id)) {
        Some(id) => {
            let step = Step::begin("Stopping the servers (usually 2 seconds)");
            supervisor::stop(id)?;
            step.done();
        }
        None => print("Nothing is running."),
    }
    supervisor::stop_leftovers(instance);
    state.supervisor = None;
    instance.remember(&state)
}
