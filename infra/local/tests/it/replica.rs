//! A region whose database is a replica: it has the schema of its primary and changes nothing.

use std::{os::unix::fs::MetadataExt, path::PathBuf, process::Stdio, str::FromStr, time::Duration};

use serde_json::json;
use shared::archive::Archive;
use sqlx::{Connection, Executor, PgConnection, postgres::PgConnectOptions};
use tokio::{net::TcpListener, process::Command};

use crate::cloud::{cloud, comes_true, region};

/// A hot standby of the instance's Postgres. Ends when dropped.
struct Replica {
    process: tokio::process::Child,
    data: PathBuf,
    port: u16,
}

impl Replica {
    async fn of(primary: &mut PgConnection, url: &str) -> Self {
        let ask = "SELECT current_setting('data_directory'), (SELECT setting FROM pg_config WHERE name = 'BINDIR')";
        let (data, programs): (String, String) = sqlx::query_as(ask).fetch_one(primary).await.unwrap();
        let (data, programs) = (PathBuf::from(data), PathBuf::from(programs));
        let owner = std::fs::metadata(&data).unwrap();
        let folder = data.with_file_name("replica");
        let program = |name: &str| {
            let mut command = Command::new(programs.join(name));
            command
                .current_dir(data.parent().unwrap())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            if owner.uid() != rustix::process::geteuid().as_raw() {
                command.uid(owner.uid()).gid(owner.gid());
            }
            command
        };
        let mut copy = program("pg_basebackup");
        copy.arg("--dbname").arg(url).arg("--pgdata").arg(&folder);
        copy.args(["--write-recovery-conf", "--checkpoint=fast"]);
        assert!(copy.status().await.unwrap().success(), "the primary is copied");
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let mut serve = program("postgres");
        serve.arg("-D").arg(&folder).args(["-p", &port.to_string()]);
        serve.args([
            "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200",
        ]);
        let process = serve.kill_on_drop(true).spawn().unwrap();
        Self {
            process,
            data: folder,
            port,
        }
    }

    async fn answer(&mut self, options: &PgConnectOptions) {
        comes_true("the replica answers", Duration::from_mins(1), async || {
            assert_eq!(self.process.try_wait().unwrap(), None, "the replica ended");
            PgConnection::connect_with(options).await.is_ok()
        })
        .await;
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // At once, with all its processes.
        if let Some(id) = self
            .process
            .id()
            .and_then(|id| rustix::process::Pid::from_raw(id.try_into().unwrap()))
        {
            rustix::process::kill_process(id, rustix::process::Signal::QUIT).unwrap();
        }
        std::fs::remove_dir_all(&self.data).unwrap();
    }
}

#[tokio::test]
async fn a_replica_takes_the_schema_of_its_primary() {
    let (cloud, region) = (cloud().await, region().await);
    let mut primary = region.database().await;
    primary.execute("DROP DATABASE IF EXISTS behind").await.unwrap();
    primary.execute("CREATE DATABASE behind").await.unwrap();
    let primary_options = PgConnectOptions::from_str(&region.database).unwrap();
    let mut behind = PgConnection::connect_with(&primary_options.clone().database("behind"))
        .await
        .unwrap();
    behind
        .execute("CREATE TABLE _sqlx_migrations (version bigint, success boolean)")
        .await
        .unwrap();
    let mut replica = Replica::of(&mut primary, &region.database).await;
    let options = primary_options.port(replica.port);
    replica.answer(&options).await;

    let url = region.database.replace(
        &format!(":{}/", PgConnectOptions::from_str(&region.database).unwrap().get_port()),
        &format!(":{}/", replica.port),
    );
    let maintain = cloud.emulator("maintain", &[("DATABASE_URL", &url)]);
    let report = maintain.invoke(&json!({"action": "migrate"})).await.unwrap();
    assert_eq!(report, json!({"schema": Archive::newest_migration(), "made": [], "dropped": []}));
    let report = maintain.invoke(&json!({"action": "upkeep"})).await.unwrap();
    assert_eq!(report, json!({"schema": null, "made": [], "dropped": []}));

    let error = Archive::connect(options.database("behind"), None).migrate().await.unwrap_err();
    let error = shared::store::Chain(&error).to_string();
    assert!(error.contains("deploy the primary's region first"), "{error}");
}
