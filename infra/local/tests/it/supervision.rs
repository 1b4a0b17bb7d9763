//! Servers stop when the process that started them is gone, for whatever reason.

use std::{
    fs,
    process::Child,
    time::{Duration, Instant},
};

use local::{
    Instance, checkout,
    cloud::{instance, supervisor},
    tools::python::Environment,
};

use crate::cloud::{PATIENCE, SUPERVISOR};

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// An instance whose servers run, and the process ids of the servers.
fn running(name: &str) -> (Instance, Child, Vec<u32>) {
    Environment::Cloud.install().unwrap();
    let instance = Instance::at(checkout::local().join(name));
    supervisor::stop_leftovers(&instance);
    instance.remove().unwrap();
    let mut state = instance::State::default();
    state.ports = state.ports.free(&["us-east-1".to_owned()]).unwrap();
    instance.remember(&state).unwrap();
    let child = supervisor::start(SUPERVISOR.as_ref(), &instance, true).unwrap();
    let ids = wait_for("three servers", || {
        let text = fs::read_to_string(instance.dir().join("pids.json")).ok()?;
        let ids: Vec<u32> = serde_json::from_str(&text).ok()?;
        (ids.len() == 3).then_some(ids)
    });
    (instance, child, ids)
}

#[test]
fn the_servers_stop_when_the_process_that_started_them_is_gone() {
    let (instance, mut child, ids) = running("test-gone");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(!ids.into_iter().any(supervisor::is_alive));
    instance.remove().unwrap();
}

#[test]
fn servers_of_a_killed_supervisor_are_found_and_stopped() {
    let (instance, mut child, ids) = running("test-killed");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        ids.iter().copied().all(supervisor::is_alive),
        "they still run after their supervisor was killed"
    );
    supervisor::stop_leftovers(&instance);
    wait_for("the servers to stop", || {
        (!ids.iter().copied().any(supervisor::is_alive)).then_some(())
    });
    instance.remove().unwrap();
}
