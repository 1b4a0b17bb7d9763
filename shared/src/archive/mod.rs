//! The archive in Postgres. It holds finished jobs, usage and dead letters.
//!
//! Every operation is one explicit transaction, and no prepared statement is kept. A pooler in
//! transaction mode (RDS Proxy, PgBouncer) may therefore run each transaction on another connection
//! to the database.

mod dead_letters;
mod indexes;
mod list;
mod partitions;
mod reader;
mod server;
mod summaries;
mod usage;
mod writes;

use std::{num::NonZeroU16, time::Duration};

use aws_config::SdkConfig;
use sqlx::{
    Decode, Postgres, Transaction, Type,
    postgres::{PgArguments, PgConnectOptions, PgRow},
    query::Query,
};

use crate::{
    config::ConfigError,
    job::TenantId,
    store::{Store, StoreError, in_time},
    tokens::Tokens,
};
use reader::Reader;
use server::{Queries, Server, failed};

pub use dead_letters::{DeadLetter, Letter, LetterAct, LetterFilter, LetterStatus, Selection, in_utc};
pub use partitions::{Partition, Upkeep, plan_partitions};
pub use summaries::{Archived, Entered};
pub use writes::Writes;

/// Statements whose plans are tested.
#[doc(hidden)]
pub mod statements {
    pub use super::{
        dead_letters::{LIST as LETTERS, OF_JOB as LETTERS_OF_JOB},
        list::{LIST, LIST_BY_METADATA},
        partitions::EXPIRED_ROWS,
        summaries::{EMPTY_EXPIRED, ERASE, FIND},
        usage::{READ as USAGE, TALLIES},
    };
}

/// A version that is rolled back finds migrations that it does not know. It works with them, because
/// every migration leaves the version before it able to work.
static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate::Migrator {
    ignore_missing: true,
    ..sqlx::migrate!()
};

/// How long the answer to a read is waited for.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The database: the server that takes writes, and perhaps a replica that answers what clients ask.
#[derive(Clone)]
pub struct Archive {
    writer: Server,
    reader: Option<Reader>,
}

impl Archive {
    /// The archive at `DATABASE_URL`, with the replica at `DATABASE_READER_URL` if there is one. If
    /// `DATABASE_AUTH` is `iam`, signed tokens are used as passwords. It opens at most
    /// `DATABASE_CONNECTIONS` connections to each of the two, when they are needed. One is enough
    /// for a function that works on one request or batch at a time.
    ///
    /// # Errors
    /// If the URL is not set, or a URL is not one of Postgres, or if the number is wrong, or if
    /// tokens cannot be signed.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        const WRITER: &str = "DATABASE_URL";
        Ok(Self {
            writer: Server::from_env(aws, WRITER)?.ok_or(ConfigError::Missing(WRITER))?,
            reader: Server::from_env(aws, "DATABASE_READER_URL")?.map(Reader::new),
        })
    }

    /// The archive with these connection options and one connection. With `tokens`, each connection
    /// begins with the current token.
    pub fn connect(options: PgConnectOptions, tokens: Option<Tokens>) -> Self {
        Self {
            writer: Server::connect(options, tokens, NonZeroU16::MIN),
            reader: None,
        }
    }

    /// The archive with a replica that answers what clients ask.
    #[must_use]
    pub fn with_reader(self, options: PgConnectOptions) -> Self {
        let reader = Server::connect(options, None, NonZeroU16::MIN);
        Self {
            reader: Some(Reader::new(reader)),
            ..self
        }
    }

    /// Whether clients can be answered by a reader.
    pub fn has_reader(&self) -> bool {
        self.reader.is_some()
    }

    /// Brings the schema up to date. A migration takes a lock that belongs to its session. The
    /// connection must therefore go to the database itself or to a pooler that keeps such a session
    /// on one connection, as RDS Proxy does.
    ///
    /// A replica receives the schema from its primary. For a replica, this only checks that the
    /// schema is up to date.
    ///
    /// # Errors
    /// If the database does not answer or refuses a migration, or if it is a replica whose primary
    /// has not been migrated yet.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        const OPERATION: &str = "migrate the schema";
        if self.is_replica().await? {
            let newest = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success";
            let (has, needs): (i64, _) = (self.ask(OPERATION, newest).await?, Self::newest_migration());
            if has < needs {
                let behind = format!("its primary has schema {has}, but schema {needs} is needed; deploy the primary's region first");
                return Err(StoreError::because(Store::Archive, OPERATION)(behind));
            }
            return Ok(());
        }
        let mut connection = self.writer.acquire(OPERATION).await?;
        // A migration may take longer than any other statement, and may wait for another one.
        for limit in ["SET statement_timeout = 0", "SET lock_timeout = '4min'"] {
            let set = sqlx::query(limit).persistent(false).execute(&mut *connection).await;
            set.map_err(failed(OPERATION))?;
        }
        let migrated = MIGRATIONS.run(&mut *connection).await;
        // The connection is not used again, because it has another time-out.
        let closed = connection.close().await;
        migrated.map_err(StoreError::because(Store::Archive, OPERATION))?;
        closed.map_err(failed(OPERATION))
    }

    async fn is_replica(&self) -> Result<bool, StoreError> {
        self.ask("find out whether the database is a replica", "SELECT pg_is_in_recovery()")
            .await
    }

    /// The version of the newest migration in this build.
    pub fn newest_migration() -> i64 {
        MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
    }

    /// Checks that Postgres answers.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.ask("reach the database", "SELECT 1").await.map(|_: i32| ())
    }

    /// Reads one value in a transaction of its own, within [`READ_TIMEOUT`].
    async fn ask<T>(&self, operation: &'static str, question: &'static str) -> Result<T, StoreError>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres> + Send + Unpin,
    {
        let ask = async {
            let mut transaction = self.begin(operation).await?;
            let answer = sqlx::query_scalar(question)
                .persistent(false)
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed(operation))?;
            transaction.commit().await.map_err(failed(operation))?;
            Ok(answer)
        };
        in_time(Store::Archive, operation, READ_TIMEOUT, ask).await
    }

    async fn begin(&self, operation: &'static str) -> Result<Transaction<'static, Postgres>, StoreError> {
        self.writer.begin(operation).await
    }

    /// The rows of one query, in a transaction of its own.
    async fn rows(&self, query: Query<'_, Postgres, PgArguments>, operation: &'static str) -> Result<Vec<PgRow>, StoreError> {
        let mut rows = self.all_rows(vec![query], operation).await?;
        Ok(rows.pop().unwrap_or_default())
    }

    /// The rows of each query of a read, in one transaction.
    async fn all_rows(&self, queries: Queries<'_>, operation: &'static str) -> Result<Vec<Vec<PgRow>>, StoreError> {
        let read = async { server::rows(self.begin(operation).await?, queries, operation).await };
        in_time(Store::Archive, operation, READ_TIMEOUT, read).await
    }

    /// The rows of each query of a read that a client asks for. `newest` is the newest write of the
    /// tenant, if it is known. Then the reader answers if it has this write.
    async fn shown<'q>(
        &self,
        tenant: &TenantId,
        newest: Option<i64>,
        queries: impl Fn() -> Queries<'q>,
        operation: &'static str,
    ) -> Result<Vec<Vec<PgRow>>, StoreError> {
        if let Some((reader, newest)) = self.reader.as_ref().zip(newest)
            && let Some(rows) = reader.rows((tenant, newest), queries(), operation).await
        {
            return Ok(rows);
        }
        self.all_rows(queries(), operation).await
    }

    /// Runs one statement, in a transaction of its own.
    async fn execute(&self, query: Query<'_, Postgres, PgArguments>, operation: &'static str) -> Result<(), StoreError> {
        let run = async {
            let mut transaction = self.begin(operation).await?;
            query.execute(&mut *transaction).await.map_err(failed(operation))?;
            transaction.commit().await.map_err(failed(operation))
        };
        in_time(Store::Archive, operation, READ_TIMEOUT, run).await
    }
}
