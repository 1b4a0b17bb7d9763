//! Dead letters: messages that no worker could finish, and for which their jobs have failed. Operators
//! list, replay and purge them.

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Unexpected},
};
use sqlx::{
    Postgres, Row,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use time::{Duration, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Archive;
use crate::{
    job::{JobId, Lane, RegionTag, TenantId},
    page::Page,
    store::{BoxError, Store, StoreError},
};

/// The most dead letters of a selection.
const MOST_SELECTED: usize = 1_000;
/// How long a selection can be confirmed.
const SELECTED_FOR: Duration = Duration::hours(1);

const INSERT: &str = "
INSERT INTO dead_letters (message_id, lane, region, job_id, tenant, reason, receives, body_key, parked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (message_id) DO NOTHING";

/// What a filter matches.
macro_rules! matching {
    () => {
        "
FROM dead_letters
WHERE ($1::text IS NULL OR tenant = $1) AND ($2::text IS NULL OR lane = $2) AND ($3::text IS NULL OR reason = $3)
  AND ($4::uuid IS NULL OR job_id = $4) AND ($5::timestamptz IS NULL OR parked_at >= $5)
  AND ($6::timestamptz IS NULL OR parked_at < $6) AND ($7::bool IS NULL OR (replayed_at IS NOT NULL) = $7)
  AND ($8::text IS NULL OR coalesce(region, $8) = $8)"
    };
}

/// A page of dead letters, the newest first.
pub const LIST: &str = concat!(
    "SELECT message_id, lane, region, job_id, tenant, reason, receives, body_key, parked_at, replayed_at",
    matching!(),
    " AND ($9::timestamptz IS NULL OR (parked_at, message_id) < ($9, $10))
ORDER BY parked_at DESC, message_id DESC LIMIT $11"
);

/// The dead letters of a selection, the oldest first. Those that are known not to be replayable are left out
/// if `$9` is true. A job without a row may be one whose replay has stopped halfway.
const SELECT: &str = concat!(
    "SELECT message_id",
    matching!(),
    " AND (NOT $9 OR job_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM summaries WHERE id = job_id AND (status <> 'failed' OR expires_at <= now())))
ORDER BY parked_at, message_id LIMIT $10"
);

/// One dead letter.
const FIND: &str = "
SELECT message_id, lane, region, job_id, tenant, reason, receives, body_key, parked_at, replayed_at
FROM dead_letters WHERE message_id = $1";

/// The keys of the bodies of a job's dead letters.
pub const OF_JOB: &str = "SELECT body_key FROM dead_letters WHERE job_id = $1 AND tenant = $2";

/// A message that was taken from a dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub message_id: String,
    pub lane: Lane,
    /// The region whose bucket holds the body.
    pub region: String,
    pub job: Option<(JobId, TenantId)>,
    pub reason: String,
    pub receives: i32,
    /// The key of the body in the documents bucket.
    pub body_key: String,
    /// When the message was taken from its queue.
    pub parked_at: OffsetDateTime,
}

/// A dead letter as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub message_id: String,
    pub lane: Lane,
    /// The region whose bucket holds the body. Version 0.2.0 did not write it.
    pub region: Option<String>,
    /// The job that the message names.
    pub job: Option<(Uuid, TenantId)>,
    pub reason: String,
    pub receives: i32,
    pub body_key: String,
    pub parked_at: OffsetDateTime,
    /// When an operator has sent the message to its lane again.
    pub replayed_at: Option<OffsetDateTime>,
}

impl Letter {
    /// The id of the job, if the message names one. `here` is the region for letters that name none.
    pub fn job(&self, here: &str) -> Option<JobId> {
        let (uuid, _) = self.job.as_ref()?;
        Some(JobId::new(RegionTag::from_region(self.region.as_deref().unwrap_or(here)), *uuid))
    }
}

/// Whether a dead letter was sent to its lane again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeadLetterStatus)]
pub enum LetterStatus {
    /// The message is kept, and its job has failed.
    Parked,
    /// An operator has sent the message to its lane again.
    Replayed,
}

/// Which dead letters are meant. All given fields must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = DeadLetterFilter)]
pub struct LetterFilter {
    /// The tenant of the job.
    #[schema(value_type = Option<String>, examples("acme"))]
    pub tenant: Option<TenantId>,
    pub lane: Option<Lane>,
    /// The region that keeps the letter. A selection has only letters of the region that is asked, so that
    /// it needs another field too.
    #[serde(deserialize_with = "name")]
    #[schema(examples("us-east-1"))]
    pub region: Option<String>,
    /// The failure code of the job.
    #[serde(deserialize_with = "name")]
    #[schema(examples("retries_exhausted"))]
    pub reason: Option<String>,
    /// The id of the job.
    #[schema(value_type = Option<String>, examples("sum_use1_01JDCR0W00E05BQ75SEB3D7PSV"))]
    pub job: Option<JobId>,
    pub status: Option<LetterStatus>,
    /// Parked at this moment or later (RFC 3339).
    #[serde(deserialize_with = "moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub parked_from: Option<OffsetDateTime>,
    /// Parked before this moment (RFC 3339).
    #[serde(deserialize_with = "moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub parked_to: Option<OffsetDateTime>,
}

/// Reads a code or the name of a region.
fn name<'a, D: Deserializer<'a>>(text: D) -> Result<Option<String>, D::Error> {
    let Some(text) = Option::<String>::deserialize(text)? else {
        return Ok(None);
    };
    let is_name = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let expected = "1 to 64 of the characters A-Z, a-z, 0-9, - and _, such as `us-east-1` or `retries_exhausted`";
    is_name
        .then_some(Some(text))
        .ok_or_else(|| D::Error::invalid_value(Unexpected::Other("not possible"), &expected))
}

/// Reads a moment that also has a date in UTC.
fn moment<'a, D: Deserializer<'a>>(text: D) -> Result<Option<OffsetDateTime>, D::Error> {
    let Some(text) = Option::<String>::deserialize(text)? else {
        return Ok(None);
    };
    let expected = "a day with a time (RFC 3339) from the year 0 to 9999, such as `2026-11-24T00:00:00Z`";
    in_utc(&text)
        .map(Some)
        .ok_or_else(|| D::Error::invalid_value(Unexpected::Other("not possible"), &expected))
}

/// A moment (RFC 3339) in UTC. `None` if UTC has no date for it.
pub fn in_utc(text: &str) -> Option<OffsetDateTime> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    moment.checked_to_offset(UtcOffset::UTC).filter(|moment| moment.year() >= 0)
}

impl LetterFilter {
    fn bind<'q>(&'q self, statement: &'static str) -> Query<'q, Postgres, PgArguments> {
        sqlx::query(statement)
            .bind(self.tenant.as_ref().map(TenantId::as_str))
            .bind(self.lane.map(Lane::as_str))
            .bind(self.reason.as_deref())
            .bind(self.job.as_ref().map(JobId::uuid))
            .bind(self.parked_from)
            .bind(self.parked_to)
            .bind(self.status.map(|status| status == LetterStatus::Replayed))
            .bind(self.region.as_deref())
            .persistent(false)
    }
}

/// What is to be done with selected dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeadLetterAct)]
pub enum LetterAct {
    /// Send the messages to their lanes again. Their jobs are `queued` again.
    Replay,
    /// Delete the messages. Their jobs stay as they are.
    Purge,
}

impl LetterAct {
    const ALL: [Self; 2] = [Self::Replay, Self::Purge];

    /// The name used in the API, the archive and the logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Purge => "purge",
        }
    }
}

/// Dead letters that were selected by a filter. Later dead letters do not join them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    pub id: Uuid,
    pub act: LetterAct,
    /// The ids of the messages with which nothing was done yet, the oldest first.
    pub letters: Vec<String>,
    /// Until when it can be confirmed.
    pub expires_at: OffsetDateTime,
}

impl DeadLetter {
    pub(super) fn insert(&self) -> Query<'_, Postgres, PgArguments> {
        let (job, tenant) = self.job.as_ref().map(|(job, tenant)| (job.uuid(), tenant.as_str())).unzip();
        sqlx::query(INSERT)
            .bind(&self.message_id)
            .bind(self.lane.as_str())
            .bind(&self.region)
            .bind(job)
            .bind(tenant)
            .bind(&self.reason)
            .bind(self.receives)
            .bind(&self.body_key)
            .bind(self.parked_at)
            .persistent(false)
    }
}

impl Archive {
    /// Dead letters that match a filter, the newest first, behind the one that `after` names by the moment
    /// at which it was parked and its id.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn dead_letters(
        &self,
        filter: &LetterFilter,
        limit: usize,
        after: Option<&(OffsetDateTime, String)>,
    ) -> Result<Page<Letter>, StoreError> {
        const OPERATION: &str = "list dead letters";
        let (at, id) = after.map(|(at, id)| (*at, id.as_str())).unzip();
        let query = filter.bind(LIST).bind(at).bind(id).bind(count(limit + 1));
        let rows = self.rows(query, OPERATION).await?;
        let letters: Result<Vec<Letter>, BoxError> = rows.iter().map(letter).collect();
        let letters = letters.map_err(StoreError::because(Store::Archive, OPERATION))?;
        Ok(Page::first(letters, limit))
    }

    /// One dead letter.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn dead_letter(&self, message_id: &str) -> Result<Option<Letter>, StoreError> {
        const OPERATION: &str = "find a dead letter";
        let query = sqlx::query(FIND).bind(message_id).persistent(false);
        let rows = self.rows(query, OPERATION).await?;
        let found = rows.first().map(letter).transpose();
        found.map_err(StoreError::because(Store::Archive, OPERATION))
    }

    /// The keys of the bodies of a job's dead letters in the documents bucket.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn letters(&self, tenant: &TenantId, id: &JobId) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query(OF_JOB).bind(id.uuid()).bind(tenant.as_str()).persistent(false);
        let rows = self.rows(query, "find the dead letters of a job").await?;
        Ok(rows.iter().map(|row| row.get("body_key")).collect())
    }

    /// Notes that a dead letter was sent to its lane again.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn replayed(&self, message_id: &str) -> Result<(), StoreError> {
        let note = "UPDATE dead_letters SET replayed_at = now() WHERE message_id = $1";
        let query = sqlx::query(note).bind(message_id).persistent(false);
        self.execute(query, "note a replay").await
    }

    /// Deletes a dead letter. Its body is deleted before.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn purge(&self, message_id: &str) -> Result<(), StoreError> {
        let query = sqlx::query("DELETE FROM dead_letters WHERE message_id = $1").bind(message_id);
        self.execute(query.persistent(false), "delete a dead letter").await
    }

    /// Selects the oldest dead letters that match a filter. To replay, those that are known not to be
    /// replayable are left out. Returns the selection, and whether more letters match than it holds.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn select_letters(&self, act: LetterAct, filter: &LetterFilter) -> Result<(Selection, bool), StoreError> {
        const OPERATION: &str = "select dead letters";
        let select = filter.bind(SELECT).bind(act == LetterAct::Replay).bind(count(MOST_SELECTED + 1));
        let rows = self.rows(select, OPERATION).await?;
        let mut letters: Vec<String> = rows.iter().map(|row| row.get("message_id")).collect();
        let more = letters.len() > MOST_SELECTED;
        letters.truncate(MOST_SELECTED);
        let selection = Selection {
            id: Uuid::now_v7(),
            act,
            letters,
            expires_at: (OffsetDateTime::now_utc() + SELECTED_FOR).truncate_to_second(),
        };
        let insert = sqlx::query("INSERT INTO dead_letter_selections (id, act, letters, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(selection.id)
            .bind(act.as_str())
            .bind(&selection.letters)
            .bind(selection.expires_at);
        self.execute(insert.persistent(false), OPERATION).await?;
        Ok((selection, more))
    }

    /// A selection that has not expired.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn selection(&self, id: Uuid) -> Result<Option<Selection>, StoreError> {
        const OPERATION: &str = "find selected dead letters";
        let query =
            sqlx::query("SELECT act, letters, expires_at FROM dead_letter_selections WHERE id = $1 AND expires_at > now()").bind(id);
        let rows = self.rows(query.persistent(false), OPERATION).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let act = LetterAct::ALL.into_iter().find(|act| act.as_str() == row.get::<&str, _>("act"));
        let act = act.ok_or_else(|| StoreError::new(Store::Archive, OPERATION, "the row has an unknown act"))?;
        Ok(Some(Selection {
            id,
            act,
            letters: row.get("letters"),
            expires_at: row.get("expires_at"),
        }))
    }

    /// Notes that selected dead letters were replayed or purged.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn handled(&self, selection: Uuid, letters: &[String]) -> Result<(), StoreError> {
        let note = "
UPDATE dead_letter_selections SET letters = ARRAY(
    SELECT letter FROM unnest(letters) WITH ORDINALITY AS given(letter, place) WHERE letter <> ALL ($2) ORDER BY place)
WHERE id = $1";
        let query = sqlx::query(note).bind(selection).bind(letters).persistent(false);
        self.execute(query, "note what was done with dead letters").await
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn letter(row: &PgRow) -> Result<Letter, BoxError> {
    let lane: &str = row.get("lane");
    let job: Option<Uuid> = row.get("job_id");
    let tenant: Option<String> = row.get("tenant");
    let tenant = tenant.map(TenantId::try_from).transpose()?;
    Ok(Letter {
        message_id: row.get("message_id"),
        lane: Lane::ALL
            .into_iter()
            .find(|known| known.as_str() == lane)
            .ok_or("a dead letter has an unknown lane")?,
        region: row.get("region"),
        job: job.zip(tenant),
        reason: row.get("reason"),
        receives: row.get("receives"),
        body_key: row.get("body_key"),
        parked_at: row.get("parked_at"),
        replayed_at: row.get("replayed_at"),
    })
}
