//! The pinned Python environments: the servers of the local cloud, the tools, the template checks,
//! the check of the API, and moto.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::ErrorKind,
    iter,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::process::{run, run_showing};
use crate::{
    checkout::{local, workspace},
    progress::Step,
};

/// The oldest version of Python that is new enough.
const OLDEST: (u32, u32) = (3, 10);

/// A virtual environment that is made from one requirements file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// MiniStack, PostgreSQL, Valkey.
    Cloud,
    /// SAM CLI, cargo-lambda, cfn-lint, AWS CLI.
    Tools,
    /// checkov, whose pinned versions are not those that SAM needs.
    Checks,
    /// schemathesis, which checks the API.
    Contract,
    /// moto, for what MiniStack lacks.
    Moto,
}

impl Environment {
    const fn name(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Tools => "tools",
            Self::Checks => "checks",
            Self::Contract => "contract",
            Self::Moto => "moto",
        }
    }

    /// What is in it, for the person who waits for it.
    const fn contents(self) -> &'static str {
        match self {
            Self::Cloud => "MiniStack, PostgreSQL and Valkey",
            Self::Tools => "SAM CLI, cargo-lambda, cfn-lint and AWS CLI",
            Self::Checks => "checkov",
            Self::Contract => "schemathesis",
            Self::Moto => "moto",
        }
    }

    fn dir(self) -> PathBuf {
        local().join("python").join(self.name())
    }

    /// The folder of its programs.
    pub fn bin(self) -> PathBuf {
        self.dir().join("bin")
    }

    /// The `PATH` of this process, with the programs of the environment before all others.
    ///
    /// # Errors
    /// If the folder has a name that cannot be in a `PATH`.
    pub fn path(self) -> Result<OsString> {
        let others = env::var_os("PATH").unwrap_or_default();
        Ok(env::join_paths(iter::once(self.bin()).chain(env::split_paths(&others)))?)
    }

    /// The folder of its packages.
    ///
    /// # Errors
    /// If the environment is not installed.
    pub fn packages(self) -> Result<PathBuf> {
        let python = fs::read_dir(self.dir().join("lib")).context("the Python environment is not installed; run `cargo local up`")?;
        let python = python
            .flatten()
            .map(|entry| entry.path().join("site-packages"))
            .find(|path| path.is_dir());
        python.context("the Python environment has no packages; delete .local/python and try again")
    }

    /// Makes the environment if it is missing, incomplete, or made from other requirements.
    ///
    /// # Errors
    /// If Python is missing or too old, or a package cannot be installed.
    pub fn install(self) -> Result<()> {
        let requirements = workspace().join(format!("infra/local/requirements-{}.txt", self.name()));
        let wanted = fs::read_to_string(&requirements)?;
        let (dir, stamp) = (self.dir(), self.dir().join("installed.txt"));
        fs::create_dir_all(local().join("python"))?;
        // Two commands at the same time (for example tests and `up`) take turns.
        let lock = File::create(local().join("python").join(format!("{}.lock", self.name())))?;
        lock.lock()?;
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        let python = find()?;
        let step = Step::begin(format!("Installing {} (only once, usually 1 to 3 minutes)", self.contents()));
        if dir.exists() {
            step.part("removing the old ones");
        }
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        step.part("making a Python environment");
        run(Command::new(&python).args(["-m", "venv"]).arg(&dir), "make a virtual environment")?;
        install_packages(&dir, &requirements, &wanted, &step)?;
        fs::write(stamp, wanted)?;
        step.done();
        Ok(())
    }
}

/// Installs the packages of a requirements file and shows each of them.
fn install_packages(dir: &Path, requirements: &Path, wanted: &str, step: &Step) -> Result<()> {
    let total = wanted.lines().filter(|line| line.contains("==")).count();
    let mut number = 0;
    let show = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["Collecting", package, ..] => {
                number += 1;
                step.part(&format!("downloading {package} ({number} of {total})"));
            }
            ["Installing", "collected", ..] => step.part(&format!("unpacking {total} packages")),
            _ => {}
        }
    };
    let pip = ["-m", "pip", "install", "--disable-pip-version-check", "--requirement"];
    let mut command = Command::new(dir.join("bin/python"));
    run_showing(command.args(pip).arg(requirements), "install Python packages", show).map_err(|error| {
        let text = error.to_string();
        let is_network = [
            "Max retries exceeded", "name resolution", "NewConnectionError", "from versions: none",
        ];
        if is_network.iter().any(|sign| text.contains(sign)) {
            return error.context("the Python package index cannot be reached: check the network, or name another index in PIP_INDEX_URL");
        }
        error
    })?;
    Ok(())
}

/// A Python that is new enough and can make virtual environments.
fn find() -> Result<PathBuf> {
    let names = [
        "python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python",
    ];
    let probe = "import sys, venv, ensurepip; print(*sys.version_info[:2])";
    let mut found = None;
    for name in names {
        let Ok(output) = Command::new(name).args(["-c", probe]).stderr(Stdio::null()).output() else {
            continue;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text
            .split_once(' ')
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.trim().parse().ok()?)));
        match version {
            Some(version) if version >= OLDEST => return Ok(name.into()),
            other => found = Some((name, other)),
        }
    }
    match found {
        None => bail!("Python 3.10 or newer is needed and no python3 was found: install python3 and python3-venv"),
        Some((name, None)) => {
            bail!("{name} cannot make virtual environments: install its venv module (Debian: apt-get install python3-venv)")
        }
        Some((name, Some((major, minor)))) => bail!("Python 3.10 or newer is needed and {name} is {major}.{minor}: install a newer one"),
    }
}
