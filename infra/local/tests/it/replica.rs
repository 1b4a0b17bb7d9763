//! A region whose database is a replica: it has the schema of its primary and changes nothing.

use std::{os::unix::fs::MetadataExt, path::PathBuf, process::Stdio, str::FromStr};

use serde_json::{Value, json};
use shared::{
    archive::Archive,
    job::{Document, FailureCode, JobError, Message},
    ledger::Ledger,
};
use sqlx::{Connection, Executor, PgConnection, postgres::PgConnectOptions};
use tokio::{net::TcpListener, process::Command};

use crate::{
    cloud::{cloud, comes_true, prose, region},
    failure::written_down,
};

/// A hot standby of the PostgreSQL server. It stops when it is dropped.
pub(crate) struct Replica {
    process: tokio::process::Child,
    data: PathBuf,
    /// The address of the same database on the standby.
    pub(crate) url: String,
}

impl Replica {
    /// Copies the server of a database and follows it. When this returns, the standby answers.
    pub(crate) async fn of(url: &str, name: &str) -> Self {
        let mut primary = PgConnection::connect(url).await.unwrap();
        let ask = "SELECT current_setting('data_directory'), (SELECT setting FROM pg_config WHERE name = 'BINDIR')";
        let (data, programs): (String, String) = sqlx::query_as(ask).fetch_one(&mut primary).await.unwrap();
        let (data, programs) = (PathBuf::from(data), PathBuf::from(programs));
        let owner = std::fs::metadata(&data).unwrap();
        let folder = data.with_file_name(name);
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
        let primary_port = PgConnectOptions::from_str(url).unwrap().get_port();
        let mut replica = Self {
            process,
            data: folder,
            url: url.replace(&format!(":{primary_port}/"), &format!(":{port}/")),
        };
        comes_true("the replica answers", async || {
            assert_eq!(replica.process.try_wait().unwrap(), None, "the replica stopped");
            PgConnection::connect(&replica.url).await.is_ok()
        })
        .await;
        replica
    }

    /// Stops following the primary.
    pub(crate) async fn cut_off(&self) {
        let mut replica = PgConnection::connect(&self.url).await.unwrap();
        replica.execute("ALTER SYSTEM SET primary_conninfo = ''").await.unwrap();
        replica.execute("SELECT pg_reload_conf()").await.unwrap();
        comes_true("the replica is cut off", async || {
            let ask = "SELECT count(*) FROM pg_stat_wal_receiver";
            let receivers: i64 = sqlx::query_scalar(ask).fetch_one(&mut replica).await.unwrap();
            receivers == 0
        })
        .await;
    }

    /// Stops. Connections to it end.
    pub(crate) async fn stop(&self) {
        self.kill();
        comes_true("the replica has stopped", async || PgConnection::connect(&self.url).await.is_err()).await;
    }

    /// SIGQUIT stops the server and all its processes at once.
    fn kill(&self) {
        let id = self
            .process
            .id()
            .and_then(|id| rustix::process::Pid::from_raw(id.try_into().unwrap()));
        if let Some(id) = id {
            rustix::process::kill_process(id, rustix::process::Signal::QUIT).unwrap();
        }
    }

    /// Becomes a primary. Changes that it has not received are missing.
    pub(crate) async fn promote(&self) {
        let mut replica = PgConnection::connect(&self.url).await.unwrap();
        let promoted: bool = sqlx::query_scalar("SELECT pg_promote()").fetch_one(&mut replica).await.unwrap();
        assert!(promoted);
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
        std::fs::remove_dir_all(&self.data).unwrap();
    }
}

#[tokio::test]
async fn a_replica_takes_the_schema_of_its_primary() {
    let (cloud, region) = (cloud().await, region().await);
    let mut primary = region.database().await;
    primary.execute("DROP DATABASE IF EXISTS behind").await.unwrap();
    primary.execute("CREATE DATABASE behind").await.unwrap();
    let behind = PgConnectOptions::from_str(&region.database).unwrap().database("behind");
    let mut behind = PgConnection::connect_with(&behind).await.unwrap();
    behind
        .execute("CREATE TABLE _sqlx_migrations (version bigint, success boolean)")
        .await
        .unwrap();
    let replica = Replica::of(&region.database, "replica").await;
    let maintain = cloud.emulator("maintain", &[("DATABASE_URL", &replica.url)]);
    let report = maintain.invoke(&json!({"action": "migrate"})).await.unwrap();
    assert_eq!(
        report,
        json!({"schema": Archive::newest_migration(), "made": [], "dropped": [], "deleted": 0, "noted": 0, "checked": 0, "entered": 0, "damaged": 0, "next": null})
    );
    let report = maintain.invoke(&json!({"action": "upkeep"})).await.unwrap();
    assert_eq!(
        report,
        json!({"schema": null, "made": [], "dropped": [], "deleted": 0, "noted": 0, "checked": 0, "entered": 0, "damaged": 0, "next": null})
    );

    // Nothing forwards writes here. A job that cannot be recorded goes back to its lane, and the
    // error says why.
    let (id, message) = written_down(&region, "demo", Document::Inline(prose("refused", 500))).await;
    let mut job = Ledger::new(&region.sdk, region.outputs["LedgerTable"].clone())
        .find(&id)
        .await
        .unwrap()
        .unwrap();
    let failure = JobError::new(FailureCode::NoSentence, "No.");
    job.resource.fail(time::OffsetDateTime::now_utc(), failure).unwrap();
    let archive = Archive::connect(PgConnectOptions::from_str(&replica.url).unwrap(), None);
    let error = archive.finish(&[&job], &[], &[]).await.unwrap_err();
    let error = shared::store::Chain(&error).to_string();
    assert!(error.contains("refuses writes") && error.contains("add-region.md"), "{error}");
    let mut event: Value = serde_json::from_str(include_str!("../../../../events/summarize/one.json")).unwrap();
    event["Records"][0]["body"] = Message::Summarize(message).to_body().into();
    let reply = cloud
        .emulator("summarize", &[("DATABASE_URL", &replica.url)])
        .invoke(&event)
        .await
        .unwrap();
    assert_eq!(reply["batchItemFailures"].as_array().map(Vec::len), Some(1), "{reply}");
    let reply = cloud.emulator("summarize", &[]).invoke(&event).await.unwrap();
    assert_eq!(reply["batchItemFailures"], json!([]), "{reply}");
    region.succeeds(&id.to_string()).await;

    let behind = PgConnectOptions::from_str(&replica.url).unwrap().database("behind");
    let error = Archive::connect(behind, None).migrate().await.unwrap_err();
    let error = shared::store::Chain(&error).to_string();
    assert!(error.contains("deploy the primary's region first"), "{error}");
}
