//! The upkeep of a database that was neglected, that is in use, or that a newer version has
//! migrated.

use std::str::FromStr;

use serde_json::{Value, json};
use shared::{
    archive::{Archive, Partition},
    job::{JobId, RegionTag},
};
use sqlx::{Connection, Executor, PgConnection, postgres::PgConnectOptions};
use time::{Duration, OffsetDateTime};

use crate::cloud::region;

/// A new database with the schema, and a connection to it.
async fn database(name: &str) -> (Archive, PgConnection) {
    let region = region().await;
    let mut server = region.database().await;
    server
        .execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .await
        .unwrap();
    let options = PgConnectOptions::from_str(&region.database).unwrap().database(name);
    let archive = Archive::connect(options.clone(), None);
    archive.migrate().await.unwrap();
    (archive, PgConnection::connect_with(&options).await.unwrap())
}

/// Enters the row of a failed job that was submitted at a moment.
async fn enter(database: &mut PgConnection, at: OffsetDateTime, expires_at: OffsetDateTime) {
    let millis = u64::try_from(at.unix_timestamp()).unwrap() * 1000;
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &[7; 10]).into_uuid();
    let row = "INSERT INTO summaries VALUES ($1, 'demo', 'us-east-1', 'failed', 'bulk', $2, NULL, $2, $3, '{}', NULL, '{}', '[]')";
    sqlx::query(row).bind(id).bind(at).bind(expires_at).execute(database).await.unwrap();
}

async fn count(database: &mut PgConnection, table: &str) -> i64 {
    let ask = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(ask).fetch_one(database).await.unwrap()
}

#[tokio::test]
async fn rows_that_no_partition_covered_do_not_stop_the_upkeep() {
    let (archive, mut database) = database("neglected").await;
    let now = OffsetDateTime::now_utc();
    let next = Partition::of(now).next();
    assert_eq!(archive.keep_partitions(now).await.unwrap().made.len(), 4);
    database
        .execute(sqlx::AssertSqlSafe(format!("DROP TABLE {}", next.name())))
        .await
        .unwrap();
    // A job of the next month that nobody made a partition for, and an expired one of long ago.
    let soon = (now.replace_day(28).unwrap() + Duration::days(4)).replace_day(2).unwrap();
    enter(&mut database, soon, soon + Duration::days(30)).await;
    enter(&mut database, now - Duration::days(900), now - Duration::days(870)).await;
    let old = "INSERT INTO dead_letters VALUES ('old', 'bulk', NULL, NULL, 'old', 5, 'key', now() - interval '61 days'),
               ('new', 'bulk', NULL, NULL, 'new', 5, 'key', now())";
    database.execute(old).await.unwrap();
    let old = "INSERT INTO usage_daily VALUES ('demo', (now() - interval '3 years')::date, 1, 0, 1), ('demo', now()::date, 1, 0, 1)";
    database.execute(old).await.unwrap();
    for (table, rest) in [("usage_by_key", ", 'key'"), ("tallies", ", 'key', 'us-east-1', 'generation', 1, 1")] {
        let old = format!("INSERT INTO {table} VALUES ('demo', (now() - interval '3 years')::date{rest}), ('demo', now()::date{rest})");
        database.execute(sqlx::AssertSqlSafe(old)).await.unwrap();
    }
    assert_eq!(count(&mut database, "summaries_default").await, 2);

    let upkeep = archive.keep_partitions(now).await.unwrap();
    assert_eq!(upkeep.made, [next.name()]);
    assert_eq!(upkeep.deleted, 5);
    assert_eq!(count(&mut database, "summaries_default").await, 0);
    assert_eq!(count(&mut database, "summaries").await, 1, "the job of the next month is kept");
    for table in ["dead_letters", "usage_daily", "usage_by_key", "tallies"] {
        assert_eq!(count(&mut database, table).await, 1, "{table}");
    }
    let again = archive.keep_partitions(now).await.unwrap();
    assert_eq!((again.made.len(), again.dropped.len(), again.deleted), (0, 0, 0));
}

/// A job that has expired early may still have a message in its lane. If its row were deleted, the
/// message would enter it again, and it would be counted twice.
#[tokio::test]
async fn a_job_that_expired_early_leaves_its_row_without_its_content() {
    let (archive, mut database) = database("early").await;
    let now = OffsetDateTime::now_utc();
    archive.keep_partitions(now).await.unwrap();
    let hour = Duration::hours(1);
    enter(&mut database, now - 5 * hour, now - 4 * hour).await;
    enter(&mut database, now - 3 * hour, now + hour).await;
    let upkeep = archive.keep_partitions(now).await.unwrap();
    assert_eq!(upkeep.deleted, 1);
    let rows: Vec<(String, Option<Value>, bool)> =
        sqlx::query_as("SELECT status, error, expires_at > now() + interval '29 days' FROM summaries ORDER BY id")
            .fetch_all(&mut database)
            .await
            .unwrap();
    assert_eq!(
        rows,
        [("erased".to_owned(), None, true), ("failed".to_owned(), Some(json!({})), false)]
    );
    assert_eq!(archive.keep_partitions(now).await.unwrap().deleted, 0);
}

#[tokio::test]
async fn the_upkeep_gives_up_a_step_rather_than_hold_up_requests() {
    let (archive, mut reader) = database("in_use").await;
    let options = PgConnectOptions::from_str(&region().await.database).unwrap().database("in_use");
    let mut writer = PgConnection::connect_with(&options).await.unwrap();
    let now = OffsetDateTime::now_utc();
    archive.keep_partitions(now).await.unwrap();
    let old = "CREATE TABLE summaries_2020_01 PARTITION OF summaries FOR VALUES FROM ('016f5e66-e800-0000-0000-000000000000') TO ('016ffde3-5400-0000-0000-000000000000')";
    reader.execute(old).await.unwrap();
    reader
        .execute("INSERT INTO dead_letters VALUES ('old', 'bulk', NULL, NULL, 'old', 5, 'key', now() - interval '61 days')")
        .await
        .unwrap();
    // A long report reads all jobs. Until it ends, no partition can be dropped.
    reader.execute("SET idle_in_transaction_session_timeout = 0").await.unwrap();
    let mut report = reader.begin().await.unwrap();
    assert_eq!(count(&mut report, "summaries").await, 0);
    // A writer that goes on meanwhile fails if it has to wait longer than a step waits.
    writer.execute("SET lock_timeout = '4s'").await.unwrap();
    let upkeep = archive.keep_partitions(now);
    let mut upkeep = std::pin::pin!(upkeep);
    let mut written = 0;
    let error = loop {
        let at = now - Duration::seconds(written);
        tokio::select! {
            kept = &mut upkeep => break kept.unwrap_err(),
            () = enter(&mut writer, at, at + Duration::days(30)) => written += 1,
        }
    };
    assert!(written > 100, "the writer was held up: {written}");
    let error = shared::store::Chain(&error).to_string();
    assert!(error.contains("drop a partition") && error.contains("lock timeout"), "{error}");
    assert_eq!(count(&mut report, "dead_letters").await, 0, "the other steps were done");
    report.rollback().await.unwrap();
    let upkeep = archive.keep_partitions(now).await.unwrap();
    assert_eq!(upkeep.dropped, ["summaries_2020_01"]);
}

#[tokio::test]
async fn every_statement_has_a_time_limit() {
    let (_, mut database) = database("limited").await;
    database.close().await.unwrap();
    let options = PgConnectOptions::from_str(&region().await.database).unwrap().database("limited");
    database = PgConnection::connect_with(&options).await.unwrap();
    for (setting, limit) in [
        ("statement_timeout", "20s"),
        ("lock_timeout", "15s"),
        ("idle_in_transaction_session_timeout", "1min"),
    ] {
        let ask = sqlx::AssertSqlSafe(format!("SHOW {setting}"));
        let found: String = sqlx::query_scalar(ask).fetch_one(&mut database).await.unwrap();
        assert_eq!(found, limit, "{setting}");
    }
    // A read that waits behind a lock fails, and does not wait as long as the lock is held.
    database.execute("SET idle_in_transaction_session_timeout = 0").await.unwrap();
    let mut held = database.begin().await.unwrap();
    held.execute("LOCK TABLE summaries IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let id = JobId::new(RegionTag::from_region("us-east-1"), uuid::Uuid::now_v7());
    let tenant = "demo".to_owned().try_into().unwrap();
    let archive = Archive::connect(options, None);
    let error = archive.find(&tenant, &id).await.unwrap_err();
    assert!(shared::store::Chain(&error).to_string().contains("no answer in time"), "{error}");
}

#[tokio::test]
async fn an_older_version_works_with_a_newer_schema() {
    let (archive, mut database) = database("rolled_back").await;
    let newer =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'newer', true, '', 0)";
    database.execute(newer).await.unwrap();
    archive.migrate().await.unwrap();
    archive.keep_partitions(OffsetDateTime::now_utc()).await.unwrap();
}
