//! A folder with everything that one local cloud has: its ports, what is deployed, data and logs.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::checkout::local;

/// The region that is deployed if the user names none.
pub const DEFAULT_REGION: &str = "us-east-1";

/// The ports that are given to servers: the first one, and how many.
const PORTS: (u32, u32) = (15_000, 15_000);

/// A local cloud, known by its folder.
#[derive(Clone, Debug)]
pub struct Instance {
    dir: PathBuf,
}

/// The ports of the servers. They are chosen once, among those that are free, and remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    pub aws: u16,
    /// Of DynamoDB. It has a port of its own only where the AWS of load runs takes the place of MiniStack.
    #[serde(default)]
    pub dynamodb: Option<u16>,
    pub postgres: u16,
    /// By region: the port for clients, and the port of the cluster bus.
    pub valkey: BTreeMap<String, (u16, u16)>,
}

/// The outputs of a stack by name.
pub type Outputs = BTreeMap<String, String>;

/// What is remembered of an instance from one command to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub ports: Ports,
    /// The process id of the supervisor. The process may have stopped since.
    pub supervisor: Option<u32>,
    /// By region: the outputs of the deployed stack.
    pub regions: BTreeMap<String, Outputs>,
}

impl Default for Instance {
    fn default() -> Self {
        Self {
            dir: local().join("cloud"),
        }
    }
}

impl Instance {
    /// The instance in `dir`.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The log file of a server.
    pub fn log(&self, server: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{server}.log"))
    }

    /// The folder of an instance whose own folder the user `nobody` cannot reach. It is below the
    /// system's folder for temporary files.
    pub(super) fn outside_home(&self) -> PathBuf {
        let name = self.dir.display().to_string().replace(['/', '.'], "-");
        std::env::temp_dir().join(format!("summarease{name}"))
    }

    /// Removes everything that the instance has on disk. Its servers must not be running.
    ///
    /// # Errors
    /// If something cannot be removed.
    pub fn remove(&self) -> Result<()> {
        for dir in [self.dir.clone(), self.outside_home()] {
            if dir.exists() {
                fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
            }
        }
        Ok(())
    }

    /// The state that was remembered last. If the file is damaged, the state is empty, because
    /// everything in it can be made again.
    pub fn state(&self) -> State {
        let text = fs::read_to_string(self.dir.join("state.json")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Remembers `state`. If this fails, the state that was remembered before stays.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn remember(&self, state: &State) -> Result<()> {
        fs::create_dir_all(self.dir.join("logs")).with_context(|| format!("cannot make {}", self.dir.display()))?;
        let (new, kept) = (self.dir.join("state.json.new"), self.dir.join("state.json"));
        fs::write(&new, serde_json::to_string_pretty(state)?)?;
        fs::rename(new, kept).context("cannot write the state")
    }
}

impl Ports {
    /// The endpoint of every AWS service that has none of its own.
    pub fn aws_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.aws)
    }

    /// The endpoint of DynamoDB, if it has one of its own.
    pub fn dynamodb_url(&self) -> Option<String> {
        self.dynamodb.map(|port| format!("http://127.0.0.1:{port}"))
    }

    /// Ports for these regions: the same ones if they are free, other ones if they are not.
    ///
    /// # Errors
    /// If no port is free.
    pub fn free(&self, regions: &[String]) -> Result<Self> {
        let valkey = regions.iter().map(|region| {
            let (port, bus) = self.valkey.get(region).copied().unwrap_or_default();
            Ok((region.clone(), (free_port(port)?, free_port(bus)?)))
        });
        Ok(Self {
            aws: free_port(self.aws)?,
            dynamodb: self.dynamodb.map(free_port).transpose()?,
            postgres: free_port(self.postgres)?,
            valkey: valkey.collect::<Result<_>>()?,
        })
    }
}

/// The port `wanted` if it is free, otherwise another free port. 0 stands for any port.
///
/// The others are below those that the system gives to connections of its own choice, so that no connection
/// takes one before a server listens, and none is given twice in a row.
pub(crate) fn free_port(wanted: u16) -> Result<u16> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    if wanted != 0 && is_free(&wanted) {
        return Ok(wanted);
    }
    let (first, count) = PORTS;
    // Two processes begin at different ports.
    let begin = std::process::id().wrapping_mul(97);
    let mut others = (0..count).filter_map(|_| {
        let number = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        u16::try_from(first + number % count).ok()
    });
    others.find(is_free).context("no free port on 127.0.0.1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_replaced_and_a_free_one_kept() {
        let holder = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = holder.local_addr().unwrap().port();
        assert_ne!(free_port(port).unwrap(), port);
        drop(holder);
        assert_eq!(free_port(port).unwrap(), port);
    }

    #[test]
    fn a_damaged_state_is_an_empty_one() {
        let instance = Instance::at(std::env::temp_dir().join(format!("summarease-state-{}", std::process::id())));
        let state = State {
            supervisor: Some(1),
            ..State::default()
        };
        instance.remember(&state).unwrap();
        assert_eq!(instance.state(), state);
        fs::write(instance.dir().join("state.json"), "{\"ports\":").unwrap();
        assert_eq!(instance.state(), State::default());
        fs::remove_dir_all(instance.dir()).unwrap();
    }
}
