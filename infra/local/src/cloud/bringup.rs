//! Brings an instance up: installs what is missing, builds the functions, starts the servers and
//! deploys the stacks.

use std::{
    path::{Path, PathBuf},
    process::Child,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use sqlx::{Connection, PgConnection};
use tokio::time::Instant;

use super::{
    addresses::{self, DATABASE_USER},
    deploy,
    instance::{Instance, State},
    supervisor, tenant,
};
use crate::{
    progress::Step,
    tools::{build, python::Environment},
};

/// The longest wait for the servers to answer. They need some seconds, but the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(5);

/// What to bring up, and how.
pub struct Bringup<'a> {
    pub instance: &'a Instance,
    /// AWS regions, at least one.
    pub regions: Vec<String>,
    /// Whether the servers stop when this process is gone.
    pub attached: bool,
    /// The program whose `supervise` command owns the servers.
    pub supervisor: &'a Path,
    /// How to show a step.
    pub step: fn(String) -> Step,
}

/// Servers that run. If they are attached, they stop when this is dropped or this process is gone.
pub struct Running {
    /// What is deployed where.
    pub state: State,
    /// The folder of the functions' programs.
    pub binaries: PathBuf,
    /// The supervisor, unless the servers were running already.
    pub supervisor: Option<Child>,
}

/// Brings everything up. Whatever exists already is used again.
///
/// # Errors
/// If a part does not come up. The message says which one, and what to do.
pub async fn up(bringup: &Bringup<'_>) -> Result<Running> {
    Environment::Cloud.install()?;
    Environment::Tools.install()?;
    let step = (bringup.step)("Building the functions (usually 5 to 10 minutes for the first time, seconds later)".into());
    let step = step.without_spinner();
    let binaries = build::functions()?;
    step.done();

    let (mut state, child) = start_servers(bringup)?;
    let mut running = Running {
        state: state.clone(),
        binaries,
        supervisor: child,
    };
    let step = (bringup.step)("Starting PostgreSQL, Valkey and the AWS endpoint (usually 5 to 10 seconds)".into());
    wait_until_ready(bringup, &mut running).await?;
    step.done();

    let template = build::assemble(&running.binaries, &bringup.instance.dir().join("build"))?;
    for region in &bringup.regions {
        let step = (bringup.step)(format!("Deploying template.yaml to {region} (usually 10 to 30 seconds)"));
        let outputs = deploy::deploy(bringup.instance, region, &template).await?;
        tenant::register(bringup.instance, region, &outputs).await?;
        state.regions.insert(region.clone(), outputs);
        bringup.instance.remember(&state)?;
        step.done();
    }
    running.state = state;
    Ok(running)
}

/// The running servers if they serve these regions, new servers otherwise.
fn start_servers(bringup: &Bringup<'_>) -> Result<(State, Option<Child>)> {
    let mut state = bringup.instance.state();
    if let Some(id) = state.supervisor.filter(|id| supervisor::is_alive(*id)) {
        if bringup.regions.iter().all(|region| state.ports.valkey.contains_key(region)) {
            return Ok((state, None));
        }
        let step = (bringup.step)("Stopping the running local cloud, which has other regions".into());
        supervisor::stop(id)?;
        step.done();
    }
    supervisor::stop_leftovers(bringup.instance);
    state.ports = state.ports.free(&bringup.regions)?;
    state.regions.clear();
    bringup.instance.remember(&state)?;
    let child = supervisor::start(bringup.supervisor, bringup.instance, bringup.attached)?;
    state.supervisor = Some(child.id());
    bringup.instance.remember(&state)?;
    Ok((state, Some(child)))
}

async fn wait_until_ready(bringup: &Bringup<'_>, running: &mut Running) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let Err(error) = prepare(bringup.instance, &bringup.regions).await else {
            return Ok(());
        };
        if let Some(child) = &mut running.supervisor
            && let Some(status) = child.try_wait()?
        {
            let said = std::fs::read_to_string(bringup.instance.log("supervisor")).unwrap_or_default();
            bail!("the servers stopped ({status}): {}", said.trim());
        }
        if Instant::now() > deadline {
            return Err(error.context(format!(
                "the servers do not answer; see {}",
                bringup.instance.dir().join("logs").display()
            )));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Makes each region's database and gives all slots of the cluster to its Valkey. It fails as long
/// as a server does not answer.
pub(crate) async fn prepare(instance: &Instance, regions: &[String]) -> Result<()> {
    let ports = instance.state().ports;
    let mut postgres = PgConnection::connect(&format!("postgres://{DATABASE_USER}@127.0.0.1:{}/postgres", ports.postgres)).await?;
    for region in regions {
        let name = addresses::database(region);
        let found = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1")
            .bind(&name)
            .fetch_optional(&mut postgres)
            .await?;
        if found.is_none() {
            sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
                .execute(&mut postgres)
                .await?;
        }
        claim_slots(&addresses::valkey_url(instance, region)).await?;
    }
    let health = if ports.dynamodb.is_some() { "_calls" } else { "_ministack/health" };
    let health = reqwest::get(format!("{}/{health}", ports.aws_url())).await?;
    health.error_for_status().context("the AWS endpoint is not healthy")?;
    Ok(())
}

async fn claim_slots(url: &str) -> Result<()> {
    let mut valkey = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut valkey).await?;
    if info.contains("cluster_slots_assigned:0\r") {
        redis::cmd("CLUSTER")
            .arg("ADDSLOTSRANGE")
            .arg(0)
            .arg(16383)
            .exec_async(&mut valkey)
            .await?;
    }
    if info.contains("cluster_state:ok") {
        Ok(())
    } else {
        bail!("Valkey's cluster is not ready")
    }
}

impl Drop for Running {
    /// Closes the pipe to an attached supervisor and waits until it has stopped all servers.
    fn drop(&mut self) {
        if let Some(child) = &mut self.supervisor
            && child.stdin.take().is_some()
        {
            let _ = child.wait();
        }
    }
}
