//! A million jobs in 13 months: the plan of every statement, and what holds up writers.

use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use local::cloud::private_postgres::PrivatePostgres;
use shared::{
    archive::{Archive, LetterAct, LetterFilter, Partition, Selection},
    job::{Ended, Filter, Job, JobId, Lane, RegionTag, Span, Status, Tally, TenantId, Usage},
    store::StoreError,
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use time::OffsetDateTime;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    plans,
    samples::{REGION, again, failed, succeeded, tenant},
};

const DATABASE: &str = "million";
const JOBS: u32 = 1_000_000;
const MONTHS: usize = 13;
const WRITERS: usize = 4;
/// How many jobs a writer enters at once.
const BATCH: usize = 10;

/// The same jobs in every run, spread over the months from `$1` to `$2`. Their request and their
/// result are those of the one job that is there. There are four large tenants and thousands of
/// small ones.
const FILL: &str = "
INSERT INTO summaries (id, tenant, region, status, lane, created_at, finished_at, expires_at, request, result, error, attempts)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000' || '8' || lpad(to_hex(n), 15, '0'))::uuid,
       CASE WHEN n % 2 = 0 THEN 'large-' || n % 8 ELSE 'small-' || n % 5001 END, 'us-east-1', status,
       (ARRAY['express', 'standard', 'bulk'])[1 + n % 3], at, at,
       CASE WHEN n % 100 = 0 THEN at + interval '1 day' ELSE $2 + interval '30 days' END,
       CASE WHEN n % 50 = 0 THEN model.request || jsonb_build_object('metadata', jsonb_build_object('batch', (n / 5000)::text))
            ELSE model.request END,
       CASE status WHEN 'succeeded' THEN model.result END,
       CASE status WHEN 'failed' THEN '{\"code\": \"retries_exhausted\", \"message\": \"No worker could finish it.\"}'::jsonb END, '[]'
FROM (SELECT n, $1 + ($2 - $1) * (n::float8 / $3) AS at,
             CASE WHEN n % 97 = 0 THEN 'failed' WHEN n % 89 = 0 THEN 'canceled' WHEN n % 83 = 0 THEN 'erased' ELSE 'succeeded' END AS status
      FROM generate_series(1, $3) AS n) AS job,
     (SELECT request, result FROM summaries LIMIT 1) AS model";

const OTHER_TABLES: &str = "
INSERT INTO tallies SELECT 'small-' || tenant, day::date, 'key_0123456789abcdef0123', 'us-east-1', 'generation', 1, 1
    FROM generate_series(1, 500) tenant, generate_series(now() - interval '400 days', now(), '1 day') day;
INSERT INTO usage_by_key (tenant, day, key, accepted)
    SELECT 'small-' || n % 2500, current_date - n / 2500, 'key_0123456789abcdef012' || n % 3, 1 FROM generate_series(1, 1000000) AS n ON CONFLICT DO NOTHING;
INSERT INTO usage_daily SELECT 'small-' || n % 2500, current_date - n / 2500, 1, 0, 1 FROM generate_series(1, 1000000) AS n;
INSERT INTO dead_letters (message_id, lane, region, job_id, tenant, reason, receives, body_key, parked_at)
    SELECT n::text, 'bulk', 'us-east-1', gen_random_uuid(), 'small-' || n % 5001, 'retries_exhausted', 20, 'key', now() - n * interval '52 seconds'
    FROM generate_series(1, 100000) AS n;
INSERT INTO tenant_writes SELECT 'small-' || n, 1 FROM generate_series(1, 5000) AS n";

const LOG_PLANS: [&str; 5] = [
    "session_preload_libraries = 'auto_explain'",
    "auto_explain.log_min_duration = 0",
    "auto_explain.log_analyze = on",
    "auto_explain.log_buffers = on",
    "auto_explain.log_format = 'json'",
];

pub(crate) async fn measure() -> Result<String> {
    let server = PrivatePostgres::start("million", &["shared_buffers=512MB", "max_wal_size=4GB"]).await?;
    let mut admin = PgConnection::connect_with(&server.options("postgres")).await?;
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {DATABASE}"))).await?;
    let scene = Scene {
        months: months(OffsetDateTime::now_utc()),
        server,
    };
    let filled = Instant::now();
    scene.fill().await?;
    let mut report = format!(
        "# PostgreSQL with a million jobs\n\n\
         Measured by `cargo run -p local --example postgres -- million > docs/load/postgres.md` on a\n\
         private PostgreSQL 18 that waits for the disk, with 512 MB of shared buffers. Two processors are\n\
         shared by all. The table `summaries` has a million jobs in {MONTHS} monthly partitions, and the\n\
         other tables have 100,000 to a million rows. To fill them took {:.0} s.\n",
        filled.elapsed().as_secs_f64()
    );
    scene.statements(&mut report).await?;
    scene.holdups(&mut report).await?;
    Ok(report)
}

/// The month of `now`, the twelve before it, and the three after it.
fn months(now: OffsetDateTime) -> Vec<(Partition, OffsetDateTime)> {
    let mut starts = vec![start_of_month(now)];
    for _ in 1..MONTHS {
        let earlier = starts.last().copied().unwrap_or(now) - time::Duration::days(1);
        starts.push(start_of_month(earlier));
    }
    starts.reverse();
    for _ in 0..4 {
        let later = starts.last().copied().unwrap_or(now) + time::Duration::days(31);
        starts.push(start_of_month(later));
    }
    starts.into_iter().map(|start| (Partition::of(start), start)).collect()
}

fn start_of_month(at: OffsetDateTime) -> OffsetDateTime {
    let date = at.date();
    date.replace_day(1).unwrap_or(date).midnight().assume_utc()
}

fn lowest_id(at: OffsetDateTime) -> Uuid {
    let millis = u128::try_from(at.unix_timestamp()).unwrap_or_default() * 1000;
    Uuid::from_u128(millis << 80)
}

struct Scene {
    server: PrivatePostgres,
    /// The partitions, and where each of them starts.
    months: Vec<(Partition, OffsetDateTime)>,
}

impl Scene {
    async fn connection(&self) -> Result<PgConnection> {
        let mut connection = PgConnection::connect_with(&self.server.options(DATABASE)).await?;
        connection
            .execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
            .await?;
        Ok(connection)
    }

    fn archive(&self) -> Archive {
        Archive::connect(self.server.options(DATABASE), None)
    }

    /// An archive that also raises the write numbers. Its reader is the same server.
    fn archive_with_reader(&self) -> Archive {
        self.archive().with_reader(self.server.options(DATABASE))
    }

    async fn fill(&self) -> Result<()> {
        let archive = self.archive();
        archive.migrate().await?;
        let mut database = self.connection().await?;
        for months in self.months.windows(2) {
            let [(partition, from), (_, to)] = months else { continue };
            let (name, from, to) = (partition.name(), lowest_id(*from), lowest_id(*to));
            let make = format!("CREATE TABLE {name} PARTITION OF summaries FOR VALUES FROM ('{from}') TO ('{to}')");
            database.execute(AssertSqlSafe(make)).await?;
        }
        archive.finish(&[succeeded(&tenant("model")?)?], &[], &[]).await?;
        let (_, first) = self.months[0];
        let fill = sqlx::query(FILL).bind(first).bind(OffsetDateTime::now_utc()).bind(i64::from(JOBS));
        fill.persistent(false).execute(&mut database).await?;
        sqlx::raw_sql(OTHER_TABLES).execute(&mut database).await?;
        database.execute("VACUUM ANALYZE").await?;
        Ok(())
    }

    /// Lets new connections log what they do, or no longer.
    async fn log(&self, settings: &[&str]) -> Result<()> {
        let mut database = self.connection().await?;
        database
            .execute(AssertSqlSafe(format!("ALTER DATABASE {DATABASE} RESET ALL")))
            .await?;
        for setting in settings {
            database
                .execute(AssertSqlSafe(format!("ALTER DATABASE {DATABASE} SET {setting}")))
                .await?;
        }
        Ok(())
    }

    /// A job of a tenant in the middle of the months.
    async fn some(&self, tenant: &TenantId, skip: i64) -> Result<JobId> {
        let (partition, _) = self.months[MONTHS / 2];
        let ask = format!(
            "SELECT id FROM {} WHERE tenant = $1 AND status = 'succeeded' ORDER BY id OFFSET $2 LIMIT 1",
            partition.name()
        );
        let ask = sqlx::query_scalar(AssertSqlSafe(ask)).bind(tenant.as_str()).bind(skip);
        let id = ask.fetch_one(&mut self.connection().await?).await?;
        Ok(JobId::new(RegionTag::from_region(REGION), id))
    }

    /// Runs every operation of the archive twice and reports the plans of the second time.
    async fn statements(&self, report: &mut String) -> Result<()> {
        self.log(&LOG_PLANS).await?;
        report.push_str(
            "\n## Every statement\n\n\
             Each operation of the archive ran twice, and the plan of the second time is shown, as\n\
             `auto_explain` has logged it; the upkeep ran once. A page has 8 KB. Parts of a plan that did not\n\
             run, and scans of empty partitions, are left out.\n\n\
             | operation | statement | scans | pages | ms |\n|---|---|---|---|---|\n",
        );
        let mut table = Table {
            report,
            archive: self.archive_with_reader(),
            server: &self.server,
            seen: self.server.log()?.len(),
        };
        self.jobs(&mut table).await?;
        lists(&mut table).await?;
        letters(&mut table).await?;
        let archive = table.archive.clone();
        // At this moment no partition is missing and none has expired.
        let moment = self.months[0].1 + time::Duration::DAY;
        table.run("upkeep", archive.ping(), archive.keep_partitions(moment)).await?;
        self.log(&[]).await
    }

    async fn jobs(&self, table: &mut Table<'_>) -> Result<()> {
        let (large, small) = (tenant("large-2")?, tenant("small-1")?);
        let (found, first, second) = (
            self.some(&large, 5).await?,
            self.some(&large, 6).await?,
            self.some(&large, 7).await?,
        );
        let (archive, job) = (table.archive.clone(), succeeded(&small)?);
        let jobs = || [again(&job), again(&job)];
        let letter = [failed(&small)?.1];
        table
            .run("finish", archive.finish(&jobs(), &[], &[]), archive.finish(&jobs(), &[], &letter))
            .await?;
        let read = || archive.show(&large, &found, Some(0));
        table.run("read", read(), read()).await?;
        let (of_first, of_second) = (archive.letters(&large, &first), archive.letters(&large, &second));
        table.run("letters of a job", of_first, of_second).await?;
        table
            .run("erase", archive.erase(&large, &first), archive.erase(&large, &second))
            .await?;
        let (first, second) = (failed(&small)?, failed(&small)?);
        archive.finish(&[&first.0, &second.0], &[], &[]).await?;
        let ended = |job: &Job| Ended::of(job).context("the job has ended");
        let (first, second) = (ended(&first.0)?, ended(&second.0)?);
        table.new_runs()?;
        table.run("reopen", archive.reopen(&first), archive.reopen(&second)).await
    }

    /// How long the writers wait for the upkeep and for a migration.
    async fn holdups(&self, report: &mut String) -> Result<()> {
        write!(
            report,
            "\n## What holds up writers\n\n\
             {WRITERS} writers enter {BATCH} jobs at once, one batch after the other, while something else goes on. The\n\
             table shows the longest time of a batch, from its first statement to its commit.\n\n\
             | meanwhile | took s | batches | longest ms |\n|---|---|---|---|\n"
        )?;
        let archive = self.archive();
        let mut writers = Writers::start(self)?;
        let alone = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            anyhow::Ok("nothing".to_owned())
        };
        writers.during(report, alone).await?;

        let (_, third) = self.months[2];
        // The moment when the last job of a month has expired, and not yet that of the next month.
        let life = time::Duration::days(28 + 30) + time::Duration::HOUR;
        writers
            .during(report, async {
                let upkeep = archive.keep_partitions(self.months[1].1 + life).await?;
                ensure!(upkeep.dropped.len() == 1, "{upkeep:?}");
                Ok("the upkeep drops a month".to_owned())
            })
            .await?;
        let mut reader = self.connection().await?;
        writers
            .during(report, async {
                let mut reading = reader.begin().await?;
                sqlx::query("SELECT FROM summaries LIMIT 1").execute(&mut *reading).await?;
                let report = async {
                    tokio::time::sleep(Duration::from_secs(10)).await;
                    anyhow::Ok(reading.rollback().await?)
                };
                let (upkeep, read) = tokio::join!(archive.keep_partitions(third + life), report);
                read?;
                ensure!(upkeep?.dropped.len() == 1, "the second month is dropped");
                Ok("the upkeep drops a month that a read holds for 10 s".to_owned())
            })
            .await?;
        self.log(&["log_min_duration_statement = 0"]).await?;
        let logged = self.server.log()?.len();
        let logging = self.archive();
        writers
            .during(report, async {
                let upkeep = logging.keep_partitions(OffsetDateTime::now_utc()).await?;
                Ok(format!("the upkeep drops {} months", upkeep.dropped.len()))
            })
            .await?;
        let log = self.server.log()?;
        self.log(&[]).await?;
        let drops = log[logged..].lines().filter(|line| line.contains("DROP TABLE"));
        let drops = drops.filter_map(|line| line.split("duration: ").nth(1)?.split(" ms").next()?.parse::<f64>().ok());
        let longest = drops.fold(0.0, f64::max);

        let mut database = self.connection().await?;
        database.execute("DROP INDEX summaries_by_tenant").await?;
        database
            .execute("CREATE INDEX summaries_by_tenant ON ONLY summaries (tenant, id DESC) INCLUDE (status, lane, expires_at)")
            .await?;
        writers
            .during(report, async {
                let upkeep = archive.keep_partitions(OffsetDateTime::now_utc()).await?;
                ensure!(!upkeep.indexed.is_empty(), "{upkeep:?}");
                Ok(format!("the upkeep makes the index of {} partitions", upkeep.indexed.len()))
            })
            .await?;
        // The newest migration is undone, so that it can be made once more.
        database
            .execute("DROP TABLE tenant_writes; DROP INDEX dead_letters_by_tenant; DELETE FROM _sqlx_migrations WHERE version = 5")
            .await?;
        writers
            .during(report, async {
                archive.migrate().await?;
                Ok("the newest migration, which makes an index of 100,000 dead letters".to_owned())
            })
            .await?;
        writers.stop().await?;
        write!(report, "\nThe slowest `DROP TABLE` of a month took {longest:.1} ms.\n")?;
        Ok(())
    }
}

async fn lists(table: &mut Table<'_>) -> Result<()> {
    let (archive, now) = (table.archive.clone(), OffsetDateTime::now_utc());
    let last_week = Span::ALL.since(now - time::Duration::days(7));
    let all = Filter::default();
    let failed = Filter {
        status: Some(Status::Failed),
        ..Filter::default()
    };
    let bulk = Filter {
        lane: Some(Lane::Bulk),
        ..Filter::default()
    };
    let batch = Filter {
        metadata: Some(("batch".to_owned(), "70".to_owned())),
        ..Filter::default()
    };
    for (operation, filter, span) in [
        ("list", &all, Span::ALL),
        ("list a week", &all, last_week),
        ("list failed jobs", &failed, Span::ALL),
        ("list a lane", &bulk, Span::ALL),
        ("list by metadata", &batch, Span::ALL),
    ] {
        for (size, name) in [("large", "large-2"), ("small", "small-1")] {
            let tenant = tenant(name)?;
            let list = || archive.list(&tenant, span, filter, 21, None);
            table.run(&format!("{operation}, {size} tenant"), list(), list()).await?;
        }
    }
    let (tenant, today) = (tenant("small-1")?, now.date());
    let usage = || archive.usage(&tenant, today - time::Duration::days(30), today, None);
    table.run("usage", usage(), usage()).await?;
    let mut tally = Tally {
        day: today,
        region: REGION.to_owned(),
        generation: "generation".to_owned(),
        usage: Usage::default(),
    };
    tally.usage.of(today, None).refused = 1;
    let note = || archive.note_tally(&tenant, &tally);
    table.run("tally", note(), note()).await
}

async fn letters(table: &mut Table<'_>) -> Result<()> {
    let (archive, tenant) = (table.archive.clone(), tenant("small-1")?);
    let (first, second) = (failed(&tenant)?.1, failed(&tenant)?.1);
    archive.finish(&[] as &[Job], &[], &[first.clone(), second.clone()]).await?;
    let (first, second) = (first.message_id, second.message_id);
    let all = LetterFilter::default();
    let own = LetterFilter {
        tenant: Some(tenant),
        ..LetterFilter::default()
    };
    for (operation, filter) in [("dead letters", &all), ("dead letters of a tenant", &own)] {
        let list = || archive.dead_letters(filter, 20, None);
        table.run(operation, list(), list()).await?;
    }
    let find = || archive.dead_letter(&first);
    table.run("dead letter", find(), find()).await?;
    let select = || archive.select_letters(LetterAct::Purge, &own);
    table.run("select letters", select(), select()).await?;
    let (Selection { id, .. }, _) = select().await?;
    let handled = [first.clone()];
    table.run("selection", archive.selection(id), archive.selection(id)).await?;
    table
        .run("selection handled", archive.handled(id, &handled), archive.handled(id, &handled))
        .await?;
    table
        .run("letter replayed", archive.replayed(&first), archive.replayed(&first))
        .await?;
    table.run("letter purged", archive.purge(&first), archive.purge(&second)).await
}

/// The table of statements. It reads the log of the server piece by piece.
struct Table<'a> {
    report: &'a mut String,
    archive: Archive,
    server: &'a PrivatePostgres,
    /// How much of the log was read.
    seen: usize,
}

impl Table<'_> {
    /// Adds the statements of an operation when it runs for the second time.
    async fn run<A, B>(
        &mut self,
        operation: &str,
        first: impl Future<Output = Result<A, StoreError>>,
        second: impl Future<Output = Result<B, StoreError>>,
    ) -> Result<()> {
        first.await?;
        self.new_runs()?;
        second.await?;
        for run in self.new_runs()? {
            write!(self.report, "| {operation} | `{}` | {} ", run.statement, run.described())?;
            writeln!(self.report, "| {} | {:.2} |", run.buffers, run.milliseconds)?;
        }
        Ok(())
    }

    /// The statements since the last call.
    fn new_runs(&mut self) -> Result<Vec<plans::Run>> {
        let log = self.server.log()?;
        let runs = plans::read(&log[self.seen..])?;
        self.seen = log.len();
        ensure!(!runs.is_empty(), "nothing was logged");
        Ok(runs)
    }
}

/// Tasks that enter jobs all the time.
struct Writers {
    tasks: JoinSet<Result<()>>,
    is_over: Arc<AtomicBool>,
    times: Arc<tokio::sync::Mutex<Vec<Duration>>>,
}

impl Writers {
    fn start(scene: &Scene) -> Result<Self> {
        let (is_over, times) = (Arc::<AtomicBool>::default(), Arc::<tokio::sync::Mutex<Vec<Duration>>>::default());
        let mut tasks = JoinSet::new();
        for number in 0..WRITERS {
            let (archive, job) = (scene.archive(), succeeded(&tenant(&format!("writer-{number}"))?)?);
            let (is_over, times) = (Arc::clone(&is_over), Arc::clone(&times));
            tasks.spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let jobs: Vec<Job> = (0..BATCH).map(|_| again(&job)).collect();
                    let begin = Instant::now();
                    archive.finish(&jobs, &[], &[]).await?;
                    times.lock().await.push(begin.elapsed());
                }
                Ok(())
            });
        }
        Ok(Self { tasks, is_over, times })
    }

    /// Reports how long the writers took while something else went on.
    async fn during(&mut self, report: &mut String, other: impl Future<Output = Result<String>>) -> Result<()> {
        self.times.lock().await.clear();
        let begin = Instant::now();
        let what = other.await?;
        let took = begin.elapsed();
        // A batch that has waited until now counts too.
        let before = self.times.lock().await.len();
        while self.times.lock().await.len() < before + WRITERS {
            if let Some(ended) = self.tasks.try_join_next() {
                ended??;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let times = self.times.lock().await;
        let longest = times.iter().max().copied().unwrap_or_default();
        writeln!(
            report,
            "| {what} | {:.1} | {} | {:.0} |",
            took.as_secs_f64(),
            times.len(),
            longest.as_secs_f64() * 1000.0
        )?;
        Ok(())
    }

    async fn stop(mut self) -> Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}
