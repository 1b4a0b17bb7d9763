//! A function that runs in the Runtime Interface Emulator of AWS, which is a part of the SAM CLI.

use std::{
    net::TcpStream,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::instance::free_port;
use crate::tools::{ARCHITECTURE, python::Environment};

/// The longest wait for the emulator to listen, and for the function to answer. Both need
/// milliseconds, but the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(5);
/// How often an emulator is started if another process has taken one of its ports.
const STARTS: u32 = 10;

/// A running emulator with one function. Both stop when this is dropped.
pub struct Emulator {
    process: Child,
    url: String,
}

impl Emulator {
    /// Starts the emulator for the function in `program`, with these environment variables and no
    /// others. `AWS_LAMBDA_FUNCTION_TIMEOUT` is the time of an invocation in seconds. If it is not
    /// given, it is five minutes. The function itself starts with the first invocation.
    ///
    /// # Errors
    /// If the SAM CLI is not installed or the emulator does not listen within five minutes.
    pub fn start(program: &Path, env: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let env: Vec<(String, String)> = env.into_iter().collect();
        for _ in 0..STARTS {
            if let Some(emulator) = Self::try_start(program, &env)? {
                return Ok(emulator);
            }
        }
        bail!("the Runtime Interface Emulator stops at once, {STARTS} times")
    }

    /// Starts the emulator with two free ports. Returns `None` if it has stopped, because one of them was
    /// taken meanwhile.
    fn try_start(program: &Path, env: &[(String, String)]) -> Result<Option<Self>> {
        let emulator = Environment::Tools
            .packages()?
            .join(format!("samcli/local/rapid/aws-lambda-rie-{ARCHITECTURE}"));
        let (port, api) = (free_port(0)?, free_port(0)?);
        let mut command = Command::new(emulator);
        command.args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{port}")]);
        command.args(["--runtime-api-address", &format!("127.0.0.1:{api}")]);
        command
            .arg(program)
            .env_clear()
            .env("AWS_LAMBDA_FUNCTION_TIMEOUT", PATIENCE.as_secs().to_string())
            .envs(env.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        let process = command.spawn().context("the Runtime Interface Emulator did not start")?;
        let mut emulator = Self {
            process,
            url: format!("http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"),
        };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if emulator.process.try_wait()?.is_some() {
                return Ok(None);
            }
            if Instant::now() > deadline {
                bail!("the Runtime Interface Emulator does not listen");
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(Some(emulator))
    }

    /// Invokes the function. If the function fails, the value has the field `errorMessage`.
    ///
    /// # Errors
    /// If the emulator does not answer with JSON.
    pub async fn invoke(&self, event: &Value) -> Result<Value> {
        let reply = reqwest::Client::new().post(&self.url).json(event).send().await?.text().await?;
        serde_json::from_str(&reply).with_context(|| format!("the function answered {reply}"))
    }

    /// The process id of the emulator. The function is a child process of it.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The emulator and its function are in one process group.
        if let Some(group) = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.process.wait();
    }
}
