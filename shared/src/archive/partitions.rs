//! Monthly partitions of the table `summaries`. They are made some months ahead and dropped when
//! all their jobs have expired.

use sqlx::Row;
use time::{Date, Duration, Month, OffsetDateTime, macros::date};
use uuid::Uuid;

use super::{Archive, failed};
use crate::{job::RETENTION, store::StoreError};

/// For how many months after the current one partitions are made.
const AHEAD: u8 = 3;
/// How long after its submission a job may finish at the latest. SQS keeps a message for 14 days in
/// its lane and its dead-letter queue together. Twice that time leaves a margin.
const LONGEST_LIFE: Duration = Duration::days(28);

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
    /// Makes the partitions that are missing at `now` and drops the expired ones. A second call
    /// changes nothing. A replica receives its partitions from its primary, so nothing is done
    /// there.
    ///
    /// # Errors
    /// If the database does not answer.
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
        let existing: Vec<_> = rows.iter().filter_map(|row| Partition::parse(row.get("name"))).collect();
        let (missing, expired) = plan_partitions(&existing, now);
        let made = missing.iter().map(|month| {
            let (name, from, to) = (month.name(), month.lowest_id(), month.next().lowest_id());
            format!("CREATE TABLE IF NOT EXISTS {name} PARTITION OF summaries FOR VALUES FROM ('{from}') TO ('{to}')")
        });
        let dropped = expired.iter().map(|month| format!("DROP TABLE IF EXISTS {}", month.name()));
        for statement in made.chain(dropped) {
            // This is safe from SQL injection, because this module makes all names and bounds from
            // numbers.
            let statement = sqlx::AssertSqlSafe(statement);
            sqlx::query(statement)
                .persistent(false)
                .execute(&mut *transaction)
                .await
                .map_err(failed(OPERATION))?;
        }
        transaction.commit().await.map_err(failed(OPERATION))?;
        let names = |months: Vec<Partition>| months.into_iter().map(Partition::name).collect();
        Ok(Upkeep {
            made: names(missing),
            dropped: names(expired),
        })
    }
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
