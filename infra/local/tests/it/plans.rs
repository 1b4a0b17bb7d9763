//! How PostgreSQL runs the statements of the archive when it has a million jobs.

use std::{collections::BTreeSet, str::FromStr};

use serde_json::{Value, json};
use shared::{
    archive::{Archive, Partition, statements},
    job::Span,
};
use sqlx::{
    Connection, Executor, PgConnection, Postgres,
    postgres::{PgArguments, PgConnectOptions},
    query::Query,
    types::Json,
};
use time::{Duration, OffsetDateTime};

use crate::cloud::region;

/// A million jobs of the last sixty days, the same ones in every run. There are four large tenants
/// and thousands of small ones. `$1` is the moment of the newest job.
const FILL: &str = "
INSERT INTO summaries (id, tenant, region, status, lane, created_at, finished_at, expires_at, request, result, error, attempts)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000' || '8' || lpad(to_hex(n), 15, '0'))::uuid,
       CASE WHEN n % 2 = 0 THEN 'large-' || n % 8 ELSE 'small-' || n % 5001 END, 'us-east-1', status,
       (ARRAY['express', 'standard', 'bulk'])[1 + n % 3], at, at,
       at + CASE WHEN n % 100 = 0 THEN interval '1 day' ELSE interval '30 days' END,
       CASE WHEN n % 50 = 0 THEN jsonb_build_object('metadata', jsonb_build_object('batch', (n / 5000)::text)) ELSE '{}' END,
       CASE status WHEN 'succeeded' THEN '{}'::jsonb END, CASE status WHEN 'failed' THEN '{}'::jsonb END, '[]'
FROM (SELECT n, $1::timestamptz - n * interval '5184 milliseconds' AS at,
             CASE WHEN n % 97 = 0 THEN 'failed' WHEN n % 89 = 0 THEN 'canceled' WHEN n % 83 = 0 THEN 'erased' ELSE 'succeeded' END AS status
      FROM generate_series(1, 1000000) AS n) AS job";

/// The tables and the kinds of scans in a plan, without the parts that are never run.
fn scans(plan: &Value, found: &mut Vec<(String, String)>) {
    let kind = plan["Node Type"].as_str().unwrap();
    let is_run = plan["Actual Loops"].as_f64().is_none_or(|loops| loops > 0.0);
    if let Some(table) = plan["Relation Name"].as_str().filter(|_| is_run && kind.ends_with("Scan")) {
        found.push((table.to_owned(), kind.to_owned()));
    }
    for part in plan["Plans"].as_array().into_iter().flatten() {
        scans(part, found);
    }
}

struct Database {
    connection: PgConnection,
    /// The partitions that have jobs, the newest first.
    filled: Vec<String>,
}

type Bound<'q> = Query<'q, Postgres, PgArguments>;

impl Database {
    async fn filled() -> Self {
        let region = region().await;
        let mut server = region.database().await;
        server.execute("CREATE DATABASE a_million").await.unwrap();
        let options = PgConnectOptions::from_str(&region.database).unwrap().database("a_million");
        let archive = Archive::connect(options.clone(), None);
        archive.migrate().await.unwrap();
        let now = OffsetDateTime::now_utc();
        for days in [62, 31, 0] {
            archive.keep_partitions(now - Duration::days(days)).await.unwrap();
        }
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        connection.execute("SET statement_timeout = 0").await.unwrap();
        sqlx::query(FILL).bind(now).execute(&mut connection).await.unwrap();
        let rest = "
            INSERT INTO tallies
                SELECT 'small-' || tenant, day::date, 'key', 'us-east-1', 'generation', 1, 1
                FROM generate_series(1, 500) tenant, generate_series(now() - interval '60 days', now(), '1 day') day;
            INSERT INTO usage_by_key (tenant, day, key, accepted)
                SELECT 'small-' || n % 500, current_date - n / 500, 'key_' || n % 3, 1 FROM generate_series(1, 100000) AS n ON CONFLICT DO NOTHING;
            INSERT INTO usage_daily SELECT 'small-' || n % 500, current_date - n / 500, 1, 0, 1 FROM generate_series(1, 50000) AS n;
            INSERT INTO dead_letters SELECT n::text, 'bulk', gen_random_uuid(), 'small-' || n % 5001, 'lost', 5, 'key', now() FROM generate_series(1, 50000) AS n;";
        sqlx::raw_sql(rest).execute(&mut connection).await.unwrap();
        connection.execute("VACUUM ANALYZE").await.unwrap();
        let rows = "SELECT DISTINCT tableoid::regclass::text FROM summaries ORDER BY 1 DESC";
        let filled: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut connection).await.unwrap();
        assert!(filled.len() >= 2, "{filled:?}");
        Self { connection, filled }
    }

    /// The tables that a statement reads. It must find all rows through an index. A table without
    /// rows may be scanned, because there is nothing to read.
    async fn reads(&mut self, statement: &str, bind: impl for<'q> FnOnce(Bound<'q>) -> Bound<'q>) -> BTreeSet<String> {
        // What a statement changes is undone.
        let mut transaction = self.connection.begin().await.unwrap();
        let explain = format!("EXPLAIN (ANALYZE, FORMAT JSON) {statement}");
        let explained = bind(sqlx::query(sqlx::AssertSqlSafe(explain))).persistent(false);
        let row = explained.fetch_one(&mut *transaction).await.unwrap();
        let Json(plan): Json<Value> = sqlx::Row::get(&row, 0);
        transaction.rollback().await.unwrap();
        let mut found = Vec::new();
        scans(&plan[0]["Plan"], &mut found);
        let filled = |table: &str| !table.starts_with("summaries") || self.filled.iter().any(|filled| filled == table);
        for (table, kind) in &found {
            assert!(
                kind != "Seq Scan" || !filled(table),
                "{table} is read from its beginning to its end: {plan:#}"
            );
        }
        found.into_iter().map(|(table, _)| table).filter(|table| filled(table)).collect()
    }
}

#[tokio::test]
async fn no_statement_reads_a_whole_partition_of_a_million_jobs() {
    let mut database = Database::filled().await;
    let now = OffsetDateTime::now_utc();
    // Some days at the end of the month before this one.
    let months = database.filled.clone();
    let of = |days: i64| Partition::of(now - Duration::days(days)).name();
    let last_month = (0..62)
        .find(|days| of(*days) == months[1])
        .map(|days| now - Duration::days(days + 1))
        .unwrap();
    let within = Span::ALL.since(last_month - Duration::days(3)).until(last_month);
    let one: BTreeSet<String> = [months[1].clone()].into();
    let all: BTreeSet<String> = months.iter().cloned().collect();

    let none = (None::<&str>, None::<&str>);
    for tenant in ["large-2", "small-1"] {
        for (status, lane) in [
            none,
            (Some("failed"), None),
            (None, Some("bulk")),
            (Some("canceled"), Some("express")),
        ] {
            for (span, expected) in [(within, &one), (Span::ALL, &all)] {
                let read = database
                    .reads(statements::LIST, |query| bind_list(query, tenant, span, status, lane))
                    .await;
                assert!(read.is_subset(expected), "{tenant} {status:?} {lane:?}: {read:?}");
                let read = database
                    .reads(statements::LIST_BY_METADATA, |query| {
                        bind_list(query, tenant, span, status, lane).bind(Json(json!({"batch": "70"})))
                    })
                    .await;
                assert!(read.is_subset(expected), "{tenant} {status:?} {lane:?} by metadata: {read:?}");
            }
        }
    }
    let id: uuid::Uuid = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT id FROM {} WHERE tenant = 'small-1' LIMIT 1",
        months[1]
    )))
    .fetch_one(&mut database.connection)
    .await
    .unwrap();
    for statement in [statements::FIND, statements::ERASE] {
        assert_eq!(
            database.reads(statement, |query| query.bind(id).bind("small-1")).await,
            one,
            "{statement}"
        );
    }
    let letters = database
        .reads(statements::LETTERS_OF_JOB, |query| query.bind(id).bind("small-1"))
        .await;
    assert_eq!(letters, ["dead_letters".to_owned()].into());
    let letters = database
        .reads(statements::LETTERS, |query| {
            let filter = query.bind("small-1").bind(None::<&str>).bind(None::<&str>).bind(None::<uuid::Uuid>);
            let filter = filter.bind(None::<OffsetDateTime>).bind(None::<OffsetDateTime>).bind(None::<bool>);
            let page = filter.bind(None::<&str>).bind(None::<OffsetDateTime>).bind(None::<&str>);
            page.bind(21_i64)
        })
        .await;
    assert_eq!(letters, ["dead_letters".to_owned()].into());
    let (from, to) = ((now - Duration::days(30)).date(), now.date());
    let usage = database
        .reads(statements::USAGE, |query| query.bind("small-1").bind(from).bind(to))
        .await;
    assert_eq!(usage, ["usage_by_key".to_owned(), "usage_daily".to_owned()].into());
    let tallies = database
        .reads(statements::TALLIES, |query| query.bind("small-1").bind(from).bind(to))
        .await;
    assert_eq!(tallies, ["tallies".to_owned()].into());
    // Of the expired rows, only those of the large table must be found through an index. The others
    // are few.
    let read = database.reads(statements::EMPTY_EXPIRED, |query| query).await;
    assert!(read.is_subset(&all) && !read.is_empty(), "{read:?}");
}

fn bind_list<'q>(query: Bound<'q>, tenant: &'q str, span: Span, status: Option<&'q str>, lane: Option<&'q str>) -> Bound<'q> {
    query
        .bind(tenant)
        .bind(span.from)
        .bind(span.to)
        .bind(status)
        .bind(lane)
        .bind(21_i64)
}
