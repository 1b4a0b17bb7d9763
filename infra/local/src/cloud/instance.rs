//! A folder that holds one local cloud: its ports, what is deployed, its data and logs.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::checkout::local;

/// The region that is deployed if none is named.
pub const DEFAULT_REGION: &str = "us-east-1";

/// Where a local cloud lives.
#[derive(Clone, Debug)]
pub struct Instance {
    dir: PathBuf,
}

/// Ports of the servers, chosen free once and remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    pub aws: u16,
    pub postgres: u16,
    /// By region: the port clients use and the one of the cluster bus.
    pub valkey: BTreeMap<String, (u16, u16)>,
}

/// What a region's stack says of itself: its outputs by name.
pub type Outputs = BTreeMap<String, String>;

/// What is known of an instance between two commands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub ports: Ports,
    /// Process id of the supervisor, while it is thought to run.
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

    /// Where a server writes its log.
    pub fn log(&self, server: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{server}.log"))
    }

    /// The folder of an instance whose own folder the user `nobody` cannot reach. It is below the
    /// system's folder for temporary files.
    pub(super) fn outside_home(&self) -> PathBuf {
        let name = self.dir.display().to_string().replace(['/', '.'], "-");
        std::env::temp_dir().join(format!("summarease{name}"))
    }

    /// Removes everything the instance has on disk. Its servers must not run.
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

    /// What was remembered. A damaged file counts as none: everything in it can be made anew.
    pub fn state(&self) -> State {
        let text = fs::read_to_string(self.dir.join("state.json")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Remembers `state`, whole or not at all.
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
    /// The endpoint of every AWS service.
    pub fn aws_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.aws)
    }

    /// The same ports where they are free, others where they are not, for these regions.
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
            postgres: free_port(self.postgres)?,
            valkey: valkey.collect::<Result<_>>()?,
        })
    }
}

/// `wanted` if it is free, else any free port; 0 wants any.
pub(super) fn free_port(wanted: u16) -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", wanted)).or_else(|_| TcpListener::bind(("127.0.0.1", 0)));
    Ok(listener.context("no free port on 127.0.0.1")?.local_addr()?.port())
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
    fn a_damaged_state_counts_as_none() {
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
