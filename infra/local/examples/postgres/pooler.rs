//! Many archives behind a pooler in transaction mode.

use std::{
    collections::BTreeSet,
    fs,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use local::cloud::private_postgres::PrivatePostgres;
use shared::{
    archive::{Archive, Archived, LetterFilter},
    job::{Ended, Filter, Job, Span},
};
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, Row,
    postgres::{PgConnectOptions, PgRow},
};
use time::OffsetDateTime;
use tokio::{sync::Mutex, task::JoinSet};

use crate::samples::{again, failed, succeeded, tenant};

const DATABASE: &str = "pooled";
/// As many environments of Lambda, each with one connection.
const ENVIRONMENTS: usize = 200;
const BACKENDS: usize = 20;
const TENANTS: usize = 10;

/// What PgBouncer itself sets on a connection for the client that it serves.
const OF_THE_POOLER: &str =
    "'application_name', 'client_encoding', 'DateStyle', 'IntervalStyle', 'TimeZone', 'standard_conforming_strings'";

/// What each environment does.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    pub(crate) rounds: u32,
    /// How long an environment does nothing before each operation.
    pub(crate) pause: Duration,
}

/// PgBouncer. It stops when this is dropped.
struct Pooler {
    process: Child,
    options: PgConnectOptions,
}

impl Pooler {
    async fn start(program: &str, server: &PrivatePostgres) -> Result<Self> {
        // The server's folder is kept from others.
        let folder = std::env::temp_dir().join(format!("pgbouncer-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let (port, file) = (free_port()?, folder.join("pgbouncer.ini"));
        let settings = format!(
            "[databases]\n{DATABASE} = host=127.0.0.1 port={} user=summarease\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\ndefault_pool_size = {BACKENDS}\nmax_client_conn = 1000\n\
             ignore_startup_parameters = extra_float_digits\n",
            server.port
        );
        fs::write(&file, settings)?;
        let mut command = Command::new(program);
        command.arg("--quiet").arg(&file).stdin(Stdio::null());
        if rustix::process::geteuid().is_root() {
            // It refuses to run as root.
            command.args(["--user", "nobody"]);
        }
        let process = command.spawn().context("PgBouncer did not start")?;
        let options = server.options(DATABASE).port(port);
        let pooler = Self { process, options };
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Err(error) = PgConnection::connect_with(&pooler.options).await {
            if Instant::now() > deadline {
                return Err(error).context("PgBouncer does not answer");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        fs::remove_dir_all(folder)?;
        Ok(pooler)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It may have stopped by itself.
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

pub(crate) async fn measure(program: &str, work: Work) -> Result<String> {
    let server = PrivatePostgres::start("pooler", &[]).await?;
    let mut admin = PgConnection::connect_with(&server.options("postgres")).await?;
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {DATABASE}"))).await?;
    let direct = Archive::connect(server.options(DATABASE), None);
    direct.migrate().await?;
    direct.keep_partitions(OffsetDateTime::now_utc()).await?;
    let pooler = Pooler::start(program, &server).await?;
    let version = Command::new(program).arg("--version").output()?.stdout;
    let version = String::from_utf8_lossy(&version).lines().next().unwrap_or_default().to_owned();

    let models = (0..TENANTS).map(|number| succeeded(&tenant(&format!("tenant-{number}"))?));
    let models = models.collect::<Result<Vec<_>>>()?;
    let (times, begin) = (Arc::<Mutex<Vec<Duration>>>::default(), Instant::now());
    let mut environments = JoinSet::new();
    for model in models.iter().cycle().take(ENVIRONMENTS) {
        // The reader is the same database, so that write numbers are raised and read too.
        let archive = Archive::connect(pooler.options.clone(), None).with_reader(pooler.options.clone());
        environments.spawn(environment(archive, model.clone(), work, Arc::clone(&times)));
        tokio::time::sleep(work.pause / u32::try_from(ENVIRONMENTS)?).await;
    }
    let mut errors = Vec::new();
    while let Some(ended) = environments.join_next().await {
        errors.extend(ended?.err());
    }
    let took = begin.elapsed();
    ensure!(
        errors.is_empty(),
        "{} environments have failed, the first with {:#}",
        errors.len(),
        errors[0]
    );

    let mut database = PgConnection::connect_with(&server.options(DATABASE)).await?;
    let counted = "SELECT sum(accepted)::bigint, sum(succeeded)::bigint, sum(failed)::bigint FROM usage_by_key";
    let counted: (i64, i64, i64) = sqlx::query_as(counted).fetch_one(&mut database).await?;
    let rounds = i64::try_from(ENVIRONMENTS)? * i64::from(work.rounds);
    ensure!(counted == (2 * rounds, 2 * rounds, 0), "the usage is {counted:?}");
    let left = left(&pooler).await?;
    ensure!(left.backends == BACKENDS, "{} backends have answered", left.backends);
    ensure!(
        left.prepared + left.other == 0 && left.settings.is_empty(),
        "something is left: {left:?}"
    );

    let mut times = std::mem::take(&mut *times.lock().await);
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    Ok(format!(
        "# The archive behind a transaction pooler\n\n\
         Measured by `cargo run -p local --example postgres -- pooler PGBOUNCER > docs/load/pooler.md`,\n\
         where `PGBOUNCER` is the program (Debian: `apt-get install pgbouncer`). {version} in\n\
         transaction mode stands in for RDS Proxy, in front of a private PostgreSQL 18 that waits for the\n\
         disk. {ENVIRONMENTS} archives with one connection for writes and one for reads share {BACKENDS} backends. Each\n\
         finishes, reads, lists, counts, erases, reopens, and handles dead letters, {} rounds in all, with\n\
         {} s between two operations.\n\n\
         | what | result |\n|---|---|\n\
         | operations | {} in {:.1} s |\n| errors | 0 |\n\
         | time of an operation: median, 99 %, longest | {:.0} ms, {:.0} ms, {:.0} ms |\n\
         | jobs accepted, succeeded and failed, as the usage counts them | {}, {}, {}, as expected |\n\
         | backends that were looked at afterwards | {} |\n\
         | prepared statements that are left | {} |\n\
         | settings of a session that are left | {} |\n\
         | cursors, advisory locks, temporary tables, channels that are left | {} |\n",
        work.rounds,
        work.pause.as_secs(),
        times.len(),
        took.as_secs_f64(),
        at(50),
        at(99),
        at(100),
        counted.0,
        counted.1,
        counted.2,
        left.backends,
        left.prepared,
        left.settings.len(),
        left.other,
    ))
}

/// One environment: several rounds of everything that the functions ask of the archive.
async fn environment(archive: Archive, model: Job, work: Work, times: Arc<Mutex<Vec<Duration>>>) -> Result<()> {
    let tenant = model.tenant.clone();
    let today = OffsetDateTime::now_utc().date();
    macro_rules! timed {
        ($operation:expr) => {{
            tokio::time::sleep(work.pause).await;
            let begin = Instant::now();
            let outcome = $operation.await?;
            times.lock().await.push(begin.elapsed());
            outcome
        }};
    }
    for _ in 0..work.rounds {
        let (kept, erased) = (again(&model), again(&model));
        let (broken, letter) = failed(&tenant)?;
        let entered = timed!(archive.finish(&[&kept, &erased, &broken], &[], std::slice::from_ref(&letter)));
        ensure!(entered.new.len() == 3, "{entered:?}");
        let newest = entered.writes.first().map(|(_, number)| *number);
        let found = timed!(archive.show(&tenant, &kept.resource.id, newest));
        ensure!(is(&found, &kept), "{found:?}");
        let listed = timed!(archive.list(&tenant, Span::ALL, &Filter::default(), 20, newest));
        ensure!(!listed.is_empty(), "nothing is listed");
        timed!(archive.usage(&tenant, today, today, newest));
        let keys = timed!(archive.letters(&tenant, &broken.resource.id));
        ensure!(keys == [letter.body_key.clone()], "{keys:?}");
        let (is_erased, _) = timed!(archive.erase(&tenant, &erased.resource.id));
        ensure!(is_erased, "the job was not there");
        let found = timed!(archive.find(&tenant, &erased.resource.id));
        ensure!(found == Archived::Erased, "{found:?}");
        let filter = LetterFilter {
            tenant: Some(tenant.clone()),
            ..LetterFilter::default()
        };
        timed!(archive.dead_letters(&filter, 20, None));
        let ended = Ended::of(&broken).context("the job has ended")?;
        ensure!(timed!(archive.reopen(&ended)).is_some(), "the job was not there");
        timed!(archive.replayed(&letter.message_id));
        let found = timed!(archive.dead_letter(&letter.message_id));
        ensure!(found.is_some_and(|letter| letter.replayed_at.is_some()), "the replay was not noted");
        timed!(archive.purge(&letter.message_id));
    }
    Ok(())
}

fn is(found: &Archived, job: &Job) -> bool {
    matches!(found, Archived::Finished(found) if found.resource.id == job.resource.id)
}

/// What was left on the connections of the pooler.
#[derive(Debug, Default)]
struct Left {
    backends: usize,
    prepared: i64,
    settings: BTreeSet<String>,
    other: i64,
}

/// Looks at all connections of the pooler. Each of them is held by a transaction, so that the next
/// one gets another.
async fn left(pooler: &Pooler) -> Result<Left> {
    let ask = format!(
        "SELECT pg_backend_pid() AS id, (SELECT count(*) FROM pg_prepared_statements) AS prepared,
                ARRAY(SELECT name FROM pg_settings WHERE source = 'session' AND name NOT IN ({OF_THE_POOLER})) AS settings,
                (SELECT count(*) FROM pg_cursors WHERE name <> '') + (SELECT count(*) FROM pg_listening_channels())
                + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')
                + (SELECT count(*) FROM pg_class WHERE relpersistence = 't') AS other"
    );
    let (mut left, mut ids, mut held) = (Left::default(), BTreeSet::new(), Vec::new());
    for _ in 0..BACKENDS {
        let mut connection = PgConnection::connect_with(&pooler.options).await?;
        sqlx::raw_sql("BEGIN").execute(&mut connection).await?;
        let row: PgRow = sqlx::raw_sql(AssertSqlSafe(ask.clone())).fetch_one(&mut connection).await?;
        ids.insert(row.get::<i32, _>("id"));
        left.prepared += row.get::<i64, _>("prepared");
        left.settings.extend(row.get::<Vec<String>, _>("settings"));
        left.other += row.get::<i64, _>("other");
        held.push(connection);
    }
    left.backends = ids.len();
    Ok(left)
}
