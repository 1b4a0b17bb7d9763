//! Monthly partitions of the table `summaries`. They are made some months ahead and dropped when
//! all their jobs have expired.

use std::error::Error;

use sqlx::{Row, error::DatabaseError};
use time::{Date, Duration, Month, OffsetDateTime, macros::date};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Archive, failed, summaries::EMPTY_EXPIRED};
use crate::{
    job::RETENTION,
    store::{Chain, Store, StoreError},
};

/// For how many months after the current one partitions are made.
const AHEAD: u8 = 3;
/// How long after its submission a job may finish at the latest. SQS keeps a message for 14 days in
/// its lane and its dead-letter queue together. Twice that time leaves a margin.
const LONGEST_LIFE: Duration = Duration::days(28);

/// How often a step of the upkeep is tried, and how long it pauses between two tries.
const TRIES: u32 = 4;
const BETWEEN_TRIES: std::time::Duration = std::time::Duration::from_secs(5);
/// How long the steps of one run may take together. The function `maintain` has five minutes, and the
/// last step may take one of them.
const MOST: std::time::Duration = std::time::Duration::from_mins(3);
/// The rows that no partition drops, by their table.
///
/// - Jobs that no partition covered, after they have expired.
/// - Dead letters after 60 days, when the bucket deletes their bodies.
/// - Selections of dead letters that nobody can confirm any more.
/// - The usage of a day after 25 months, so that two years can be compared.
pub const EXPIRED_ROWS: [(&str, &str); 6] = [
    ("summaries_default", "expires_at < now()"),
    ("dead_letters", "parked_at < now() - interval '60 days'"),
    ("dead_letter_selections", "expires_at < now()"),
    ("usage_daily", "day < now() - interval '25 months'"),
    ("usage_by_key", "day < now() - interval '25 months'"),
    ("tallies", "day < now() - interval '25 months'"),
];

/// The partition for the jobs of one month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Partition {
    first: Date,
}

/// What was done to the partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// Names of partitions that were made.
    pub made: Vec<String>,
    /// Names of partitions that were dropped.
    pub dropped: Vec<String>,
    /// Names of indexes that were made for partitions.
    pub indexed: Vec<String>,
    /// How many expired rows were deleted or emptied.
    pub deleted: u64,
}

impl Partition {
    /// The partition of the month that contains `at` in UTC.
    pub fn of(at: OffsetDateTime) -> Self {
        Self {
            first: at
                .to_offset(time::UtcOffset::UTC)
                .date()
                .replace_day(1)
                .unwrap_or(date!(1970 - 01 - 01)),
        }
    }

    /// The partition of the next month.
    #[must_use]
    pub fn next(self) -> Self {
        let (year, month) = (
            self.first.year() + i32::from(self.first.month() == Month::December),
            self.first.month().next(),
        );
        Self {
            first: Date::from_calendar_date(year, month, 1).unwrap_or(Date::MAX),
        }
    }

    /// The name of the table, such as `summaries_2026_11`.
    pub fn name(self) -> String {
        format!("summaries_{}_{:02}", self.first.year(), u8::from(self.first.month()))
    }

    fn parse(name: &str) -> Option<Self> {
        let (year, month) = name.strip_prefix("summaries_")?.split_once('_')?;
        let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
        let partition = Self {
            first: Date::from_calendar_date(year.parse().ok()?, month, 1).ok()?,
        };
        (partition.name() == name).then_some(partition)
    }

    fn starts_at(self) -> OffsetDateTime {
        self.first.midnight().assume_utc()
    }

    /// The lowest UUIDv7 of the month. Its first 48 bits are the milliseconds since 1970 (RFC 9562
    /// §5.7), and all others are zero.
    fn lowest_id(self) -> Uuid {
        let millis = u64::try_from(self.starts_at().unix_timestamp()).unwrap_or_default() * 1000;
        Uuid::from_u128(u128::from(millis) << 80)
    }

    fn is_expired(self, now: OffsetDateTime) -> bool {
        self.next().starts_at() + LONGEST_LIFE + RETENTION < now
    }
}

/// The partitions that are missing at `now`, and those of `existing` whose jobs have all expired.
pub fn plan_partitions(existing: &[Partition], now: OffsetDateTime) -> (Vec<Partition>, Vec<Partition>) {
    let wanted = std::iter::successors(Some(Partition::of(now)), |month| Some(month.next())).take(usize::from(AHEAD) + 1);
    let missing = wanted.filter(|month| !existing.contains(month)).collect();
    let expired = existing.iter().copied().filter(|month| month.is_expired(now)).collect();
    (missing, expired)
}

impl Archive {
    /// Makes the partitions that are missing at `now`, drops the expired ones, and deletes expired
    /// rows. A second call changes nothing. A replica receives all this from its primary, so nothing
    /// is done there.
    ///
    /// Each step is a transaction of its own, and a step that fails does not stop the others. A step
    /// that has to wait for a lock gives up after two seconds, because requests would wait behind
    /// it, and is tried again some seconds later. After three minutes no step is begun or
    /// tried again.
    ///
    /// # Errors
    /// If a step fails. The error is that of the last one, and the others are logged.
    pub async fn keep_partitions(&self, now: OffsetDateTime) -> Result<Upkeep, StoreError> {
        const OPERATION: &str = "keep the partitions";
        if self.is_replica().await? {
            return Ok(Upkeep::default());
        }
        let mut transaction = self.begin(OPERATION).await?;
        let rows = sqlx::query("SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'summaries'::regclass")
            .persistent(false)
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed(OPERATION))?;
        transaction.commit().await.map_err(failed(OPERATION))?;
        let until = Instant::now() + MOST;
        let existing: Vec<_> = rows.iter().filter_map(|row| Partition::parse(row.get("name"))).collect();
        let (missing, expired) = plan_partitions(&existing, now);
        let (mut upkeep, mut outcome) = (Upkeep::default(), Ok(()));
        for month in missing {
            match self.patiently("make a partition", &making(month), until).await {
                Ok(_) => upkeep.made.push(month.name()),
                Err(error) => outcome = Err(error),
            }
        }
        for month in expired {
            match self
                .patiently("drop a partition", &[format!("DROP TABLE {}", month.name())], until)
                .await
            {
                Ok(_) => upkeep.dropped.push(month.name()),
                Err(error) => outcome = Err(error),
            }
        }
        let deletions = EXPIRED_ROWS.map(|(table, is_expired)| format!("DELETE FROM {table} WHERE {is_expired}"));
        for statement in deletions.into_iter().chain([EMPTY_EXPIRED.to_owned()]) {
            match self.patiently("delete expired rows", &[statement], until).await {
                Ok(rows) => upkeep.deleted += rows,
                Err(error) => outcome = Err(error),
            }
        }
        match self.keep_indexes().await {
            Ok(indexed) => upkeep.indexed = indexed,
            Err(error) => outcome = Err(error),
        }
        outcome.map(|()| upkeep)
    }

    /// Runs statements in one transaction, and again if a lock cannot be had. Returns how many rows
    /// they changed.
    async fn patiently(&self, operation: &'static str, statements: &[String], until: Instant) -> Result<u64, StoreError> {
        let mut tries = 1;
        loop {
            if Instant::now() > until {
                return Err(StoreError::new(Store::Archive, operation, "there is no time left in this run"));
            }
            let error = match self.run(operation, statements).await {
                Ok(rows) => return Ok(rows),
                Err(error) => error,
            };
            if tries == TRIES || !is_locked(&error) {
                tracing::error!(error = %Chain(&error), ?statements, "A step of the upkeep failed. The other steps go on.");
                return Err(error);
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
            tries += 1;
        }
    }

    async fn run(&self, operation: &'static str, statements: &[String]) -> Result<u64, StoreError> {
        let mut transaction = self.begin(operation).await?;
        let mut rows = 0;
        let limits = [
            "SET LOCAL lock_timeout = '2s'".to_owned(),
            "SET LOCAL statement_timeout = '1min'".to_owned(),
        ];
        for statement in limits.iter().chain(statements) {
            // This is safe from SQL injection, because this module makes all names and bounds from
            // numbers.
            let statement = sqlx::AssertSqlSafe(statement.clone());
            let done = sqlx::query(statement)
                .persistent(false)
                .execute(&mut *transaction)
                .await
                .map_err(failed(operation))?;
            rows += done.rows_affected();
        }
        transaction.commit().await.map_err(failed(operation))?;
        Ok(rows)
    }
}

/// Whether a statement failed because it could not have a lock in time (`lock_not_available`).
fn is_locked(error: &StoreError) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<sqlx::Error>());
    let code = cause.and_then(sqlx::Error::as_database_error).and_then(DatabaseError::code);
    code.as_deref() == Some("55P03")
}

/// The statements that make the partition of a month. Rows of this month in the default partition
/// are moved to it, because they would otherwise forbid it. Attaching a table takes a weaker lock on
/// the parent than making it as a partition.
fn making(month: Partition) -> [String; 3] {
    let (name, from, to) = (month.name(), month.lowest_id(), month.next().lowest_id());
    [
        format!("CREATE TABLE {name} (LIKE summaries INCLUDING ALL)"),
        format!(
            "WITH moved AS (DELETE FROM summaries_default WHERE id >= '{from}' AND id < '{to}' RETURNING *)
             INSERT INTO {name} SELECT * FROM moved"
        ),
        format!("ALTER TABLE summaries ATTACH PARTITION {name} FOR VALUES FROM ('{from}') TO ('{to}')"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_month_covers_exactly_its_ids() {
        let november = Partition::of(datetime!(2026-11-23 10:00 UTC));
        let id_at = |at: OffsetDateTime| {
            let millis = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap();
            uuid::Builder::from_unix_timestamp_millis(millis, &[0xff; 10]).into_uuid()
        };
        assert!(id_at(datetime!(2026-10-31 23:59:59.999 UTC)) < november.lowest_id());
        assert!(id_at(datetime!(2026-11-01 0:00 UTC)) >= november.lowest_id());
        assert!(id_at(datetime!(2026-11-30 23:59:59.999 UTC)) < november.next().lowest_id());
        assert!(id_at(datetime!(2026-12-01 0:00 UTC)) >= november.next().lowest_id());
    }

    #[test]
    fn a_year_of_daily_upkeep_always_covers_today_and_drops_old_months() {
        let mut existing = Vec::new();
        let mut now = datetime!(2027-12-30 3:00 UTC);
        for _ in 0..366 {
            let (missing, expired) = plan_partitions(&existing, now);
            existing.retain(|month| !expired.contains(month));
            existing.extend(missing);
            assert!(existing.contains(&Partition::of(now)) && existing.contains(&Partition::of(now + Duration::days(89))));
            assert!(existing.len() <= 4 + 3, "{existing:?}");
            assert_eq!(plan_partitions(&existing, now), (Vec::new(), Vec::new()));
            now += Duration::days(1);
        }
    }

    #[test]
    fn no_month_is_dropped_while_one_of_its_jobs_may_be_read() {
        let november = Partition::of(datetime!(2026-11-23 10:00 UTC));
        let last_finish = datetime!(2026-12-01 0:00 UTC) + LONGEST_LIFE;
        assert!(!november.is_expired(last_finish + RETENTION));
        assert!(november.is_expired(last_finish + RETENTION + Duration::SECOND));
    }

    #[test]
    fn a_name_is_parsed_to_its_partition() {
        let march = Partition::of(datetime!(2027-03-01 0:00 UTC));
        assert_eq!(march.name(), "summaries_2027_03");
        assert_eq!(Partition::parse("summaries_2027_03"), Some(march));
        assert_eq!(Partition::parse("summaries_default"), None);
    }
}
