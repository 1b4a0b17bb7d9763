//! What the jobs of a tenant add to its usage, by day and key.

use std::collections::BTreeMap;

use sqlx::{
    Postgres, Row,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use time::Date;

use super::{Archive, failed};
use crate::{
    job::{Counts, Ended, KeyId, Status, Tally, TenantId, Usage},
    store::{BoxError, Store, StoreError},
};

/// Adds to the usage of tenants. It is a plain `INSERT` statement, for the same reason as those in
/// the module `summaries`.
const COUNT: &str = "
INSERT INTO usage_by_key AS usage
    (tenant, day, key, accepted, deferred, succeeded, failed, canceled, input_characters, output_characters)
SELECT * FROM unnest($1::text[], $2::date[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
                     $9::bigint[], $10::bigint[])
ON CONFLICT (tenant, day, key) DO UPDATE SET
    accepted = usage.accepted + excluded.accepted,
    deferred = usage.deferred + excluded.deferred,
    succeeded = usage.succeeded + excluded.succeeded,
    failed = usage.failed + excluded.failed,
    canceled = usage.canceled + excluded.canceled,
    input_characters = usage.input_characters + excluded.input_characters,
    output_characters = usage.output_characters + excluded.output_characters";

/// The usage of a tenant from one day to another, both included. Version 0.2.0 has counted in
/// `usage_daily`, without keys.
pub const READ: &str = "
SELECT day, key, accepted, deferred, succeeded, failed, canceled, input_characters, output_characters
FROM usage_by_key WHERE tenant = $1 AND day BETWEEN $2 AND $3
UNION ALL
SELECT day, '', succeeded + failed, 0, succeeded, failed, 0, input_characters, 0
FROM usage_daily WHERE tenant = $1 AND day BETWEEN $2 AND $3";

/// The tallies of a tenant from one day to another, both included.
pub const TALLIES: &str = "
SELECT day, key, region, generation, refused, cached FROM tallies WHERE tenant = $1 AND day BETWEEN $2 AND $3
ORDER BY day, region, generation";

/// Notes submissions that made no job. The numbers are those of the whole count, so that a number that
/// was noted before is only raised.
const NOTE: &str = "
INSERT INTO tallies AS tally (tenant, day, key, region, generation, refused, cached) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant, day, key, region, generation) DO UPDATE SET
    refused = greatest(tally.refused, excluded.refused), cached = greatest(tally.cached, excluded.cached)";

/// The numbers of one row, in the order of the statement.
const NUMBERS: usize = 7;

/// One row for each tenant, day and key. They are sorted, so that two transactions lock the rows in
/// the same order.
#[derive(Default)]
pub(super) struct Additions {
    tenants: Vec<String>,
    days: Vec<Date>,
    keys: Vec<String>,
    numbers: [Vec<i64>; NUMBERS],
}

impl Additions {
    /// What these jobs add. A job is accepted on the day of its submission, and everything else is
    /// counted on the day on which it finished.
    pub(super) fn of<'a>(jobs: impl Iterator<Item = &'a Ended>) -> Self {
        let mut sums: BTreeMap<(String, Date, String), [i64; NUMBERS]> = BTreeMap::new();
        for job in jobs {
            let key = job.key.as_ref().map(|key| key.as_str().to_owned()).unwrap_or_default();
            let mut add = |day: Date, numbers: [i64; NUMBERS]| {
                let sum = sums.entry((job.tenant.to_string(), day, key.clone())).or_default();
                for (sum, number) in sum.iter_mut().zip(numbers) {
                    *sum += number;
                }
            };
            let is = |status: Status| i64::from(job.status == status);
            let characters = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
            add(day_of(job.created_at), [1, i64::from(job.deferred), 0, 0, 0, 0, 0]);
            add(
                day_of(job.finished_at),
                [
                    0,
                    0,
                    is(Status::Succeeded),
                    is(Status::Failed),
                    is(Status::Canceled),
                    characters(job.input_characters),
                    characters(job.output_characters),
                ],
            );
        }
        let mut additions = Self::default();
        for ((tenant, day, key), sum) in sums {
            additions.tenants.push(tenant);
            additions.days.push(day);
            additions.keys.push(key);
            for (column, number) in additions.numbers.iter_mut().zip(sum) {
                column.push(number);
            }
        }
        additions
    }

    /// What takes these jobs out of the usage again.
    pub(super) fn reversed(mut self) -> Self {
        for number in self.numbers.iter_mut().flatten() {
            *number = -*number;
        }
        self
    }

    pub(super) fn insert(&self) -> Query<'_, Postgres, PgArguments> {
        let query = sqlx::query(COUNT).bind(&self.tenants).bind(&self.days).bind(&self.keys);
        self.numbers.iter().fold(query, Query::bind).persistent(false)
    }
}

fn day_of(moment: time::OffsetDateTime) -> Date {
    moment.to_offset(time::UtcOffset::UTC).date()
}

impl Archive {
    /// The usage of a tenant from one day to another, both included, and the tallies that were
    /// noted. The reader may answer if it has the write `newest`.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn usage(&self, tenant: &TenantId, from: Date, to: Date, newest: Option<i64>) -> Result<(Usage, Vec<Tally>), StoreError> {
        const OPERATION: &str = "read the usage of a tenant";
        let queries = || {
            let bind = |statement| sqlx::query(statement).bind(tenant.as_str()).bind(from).bind(to);
            [READ, TALLIES].map(bind).into()
        };
        let rows = self.shown(tenant, newest, queries, OPERATION).await?;
        let [jobs, noted] = rows.try_into().unwrap_or_default();
        read(&jobs, &noted).map_err(StoreError::because(Store::Archive, OPERATION))
    }

    /// Notes the submissions of a day that made no job. Noting the same again changes nothing.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn note_tally(&self, tenant: &TenantId, tally: &Tally) -> Result<(), StoreError> {
        const OPERATION: &str = "note submissions that made no job";
        let mut transaction = self.begin(OPERATION).await?;
        for (day, key, counts) in tally.usage.rows() {
            let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            sqlx::query(NOTE)
                .bind(tenant.as_str())
                .bind(day)
                .bind(key.map_or("", |key| key.as_str()))
                .bind(&tally.region)
                .bind(&tally.generation)
                .bind(number(counts.refused))
                .bind(number(counts.cached))
                .persistent(false)
                .execute(&mut *transaction)
                .await
                .map_err(failed(OPERATION))?;
        }
        transaction.commit().await.map_err(failed(OPERATION))
    }
}

fn read(jobs: &[PgRow], noted: &[PgRow]) -> Result<(Usage, Vec<Tally>), BoxError> {
    let (mut usage, mut tallies) = (Usage::default(), Vec::<Tally>::new());
    for row in jobs {
        *usage.of(row.get("day"), key(row)?) += Counts {
            accepted: number(row, "accepted"),
            deferred: number(row, "deferred"),
            succeeded: number(row, "succeeded"),
            failed: number(row, "failed"),
            canceled: number(row, "canceled"),
            input_characters: number(row, "input_characters"),
            output_characters: number(row, "output_characters"),
            ..Counts::default()
        };
    }
    for row in noted {
        let mut counts = Usage::default();
        *counts.of(row.get("day"), key(row)?) += Counts {
            refused: number(row, "refused"),
            cached: number(row, "cached"),
            ..Counts::default()
        };
        tallies.push(Tally {
            day: row.get("day"),
            region: row.get("region"),
            generation: row.get("generation"),
            usage: counts,
        });
    }
    Ok((usage, tallies))
}

fn number(row: &PgRow, name: &str) -> u64 {
    u64::try_from(row.get::<i64, _>(name)).unwrap_or_default()
}

/// The key of a row. Version 0.2.0 has counted without keys.
fn key(row: &PgRow) -> Result<Option<KeyId>, BoxError> {
    let key: String = row.get("key");
    Ok(Some(key).filter(|key| !key.is_empty()).map(TryInto::try_into).transpose()?)
}
