//! A PostgreSQL server for a measurement. It belongs to nobody else.

use std::{fs, process::Child};

use anyhow::{Context, Result};
use rustix::process::Signal;
use sqlx::{
    Connection, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::time::{Duration, Instant};

use super::{
    addresses::DATABASE_USER,
    instance::{Instance, State, free_port},
    servers::{self, POSTGRES},
    supervisor,
};
use crate::{checkout, tools::python::Environment};

/// The longest wait for the server to answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server without data. It stops when this is dropped, and its data are removed.
pub struct PrivatePostgres {
    instance: Instance,
    process: Child,
    pub port: u16,
}

impl PrivatePostgres {
    /// Starts a server with these settings. It waits for the disk as a server in production does.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn start(name: &str, settings: &[&str]) -> Result<Self> {
        Environment::Cloud.install()?;
        let instance = Instance::at(checkout::local().join(name));
        supervisor::stop_leftovers(&instance);
        instance.remove()?;
        instance.remember(&State::default())?;
        let port = free_port(0)?;
        let settings = [&["fsync=on"], settings].concat();
        let process = servers::postgres(&instance, port, &settings)?.start(&instance)?;
        let server = Self { instance, process, port };
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = PgConnection::connect_with(&server.options("postgres")).await {
            if Instant::now() > deadline {
                return Err(error).context("the server does not answer");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(server)
    }

    /// How to connect to a database.
    pub fn options(&self, database: &str) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(self.port);
        options.username(DATABASE_USER).database(database).ssl_mode(PgSslMode::Disable)
    }

    /// What the server has logged.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.instance.log(POSTGRES))?)
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        // SIGINT stops the server and all its processes.
        if supervisor::tell(self.process.id(), Signal::INT).is_ok() && self.process.wait().is_ok() {
            // A folder that is left is removed by the next start.
            let _ = self.instance.remove();
        }
    }
}
