//! The process that owns the servers of an instance.
//!
//! It runs in a process group of its own, so that Ctrl-C at the terminal does not reach it. It
//! stops all servers in one of three cases: its standard input closes, because the process that
//! started it is gone, even if that was killed; it receives SIGTERM; or one of the servers stops.

use std::{
    fs,
    io::Read,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use super::{instance::Instance, servers};

const TICK: Duration = Duration::from_millis(100);
/// The longest wait for a server to stop before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// Starts the supervisor of `instance` from `program` (this program's own `supervise` command).
/// With `attached`, the servers stop when this process is gone.
///
/// # Errors
/// If it does not start.
pub fn start(program: &std::path::Path, instance: &Instance, attached: bool) -> Result<Child> {
    let log = fs::File::create(instance.log("supervisor"))?;
    let mut command = Command::new(program);
    command.arg("supervise").arg(instance.dir());
    if !attached {
        command.arg("--detached");
    }
    command
        .stdin(if attached { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::null())
        .stderr(log)
        .process_group(0);
    command.spawn().context("the supervisor did not start")
}

/// Runs the servers of `instance` until it is told to stop. This is what the supervisor does.
///
/// # Errors
/// If a server does not start, or stops without being told to.
pub fn supervise(instance: &Instance, detached: bool) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    if !detached {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            // Nobody writes to this pipe, so the read returns when the process that started this
            // one is gone.
            let _ = std::io::stdin().read(&mut [0]);
            stop.store(true, Ordering::Relaxed);
        });
    }
    let signalled = tokio_signals()?;
    stop_leftovers(instance);
    let mut running = Vec::new();
    let outcome = watch(instance, &mut running, || {
        stop.load(Ordering::Relaxed) || signalled.load(Ordering::Relaxed)
    });
    for (name, child) in running.iter_mut().rev() {
        stop_server(name, child);
    }
    let _ = fs::remove_file(instance.dir().join("pids.json"));
    outcome
}

fn watch(instance: &Instance, running: &mut Vec<(String, Child)>, stop: impl Fn() -> bool) -> Result<()> {
    for server in servers::all(instance)? {
        if stop() {
            return Ok(());
        }
        running.push((server.name.clone(), server.start(instance)?));
        let ids: Vec<u32> = running.iter().map(|(_, child)| child.id()).collect();
        fs::write(instance.dir().join("pids.json"), serde_json::to_string(&ids)?)?;
    }
    while !stop() {
        for (name, child) in running.iter_mut() {
            if let Some(status) = child.try_wait()? {
                bail!(
                    "{name} stopped without being told to ({status}); its log is {}",
                    instance.log(name).display()
                );
            }
        }
        thread::sleep(TICK);
    }
    Ok(())
}

fn tokio_signals() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
                return;
            };
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            set.store(true, Ordering::Relaxed);
        });
    });
    Ok(flag)
}

/// Stops a server, and kills it if it does not stop in time. PostgreSQL closes its connections at
/// once on SIGINT; on SIGTERM it would wait for its clients.
fn stop_server(name: &str, child: &mut Child) {
    let signal = if name == servers::POSTGRES { Signal::INT } else { Signal::TERM };
    let _ = tell(child.id(), signal);
    let deadline = Instant::now() + GRACE;
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() > deadline {
            let _ = child.kill();
        }
        thread::sleep(TICK / 2);
    }
}

/// Stops servers and functions that a killed supervisor left behind. They are the processes whose
/// program is in the folder of this instance, and the servers whose ids the supervisor wrote down.
pub fn stop_leftovers(instance: &Instance) {
    let mut system = System::new();
    let what = ProcessRefreshKind::nothing()
        .with_cmd(UpdateKind::Always)
        .with_exe(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
    let dir = instance.dir().display().to_string();
    let ids: Vec<u32> = fs::read_to_string(instance.dir().join("pids.json"))
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    for (id, process) in system.processes() {
        let command: Vec<_> = process.cmd().iter().map(|part| part.to_string_lossy()).collect();
        let is_leftover =
            command.first().is_some_and(|program| program.starts_with(&dir)) || ids.contains(&id.as_u32()) && is_server(&command);
        if is_leftover {
            process.kill();
        }
    }
}

fn is_server(command: &[std::borrow::Cow<'_, str>]) -> bool {
    command.iter().take(3).any(|part| {
        ["postgres", "valkey-server", "ministack", "plane"]
            .iter()
            .any(|name| part.contains(name))
    })
}

/// Whether a process with this id is running.
pub fn is_alive(id: u32) -> bool {
    pid(id).is_some_and(|pid| test_kill_process(pid).is_ok())
}

/// Asks the supervisor with this id to stop everything, and waits until it has.
///
/// # Errors
/// If it does not.
pub fn stop(id: u32) -> Result<()> {
    let _ = tell(id, Signal::TERM);
    let deadline = Instant::now() + GRACE * 3;
    while is_alive(id) {
        if Instant::now() > deadline {
            bail!("process {id} does not stop; stop it by hand with `kill -9 {id}`");
        }
        thread::sleep(TICK);
    }
    Ok(())
}

/// Sends a signal to a process.
///
/// # Errors
/// If there is no such process.
pub(crate) fn tell(id: u32, signal: Signal) -> Result<()> {
    let id = pid(id).context("this is no id of a process")?;
    kill_process(id, signal).context("the process cannot be told")
}

fn pid(id: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(id).ok()?)
}
