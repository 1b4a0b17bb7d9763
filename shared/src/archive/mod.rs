//! The archive in Postgres. It holds finished jobs, usage and dead letters.
//!
//! Every operation is one explicit transaction, and no prepared statement is kept. A pooler in
//! transaction mode (RDS Proxy, PgBouncer) may therefore run each transaction on another connection
//! to the database.

mod dead_letters;
mod indexes;
mod list;
mod partitions;
mod summaries;
mod usage;

use std::{num::NonZeroU16, time::Duration};

use aws_config::SdkConfig;
use secrecy::ExposeSecret;
use sqlx::{
    Decode, PgPool, Postgres, Transaction, Type,
    error::DatabaseError,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow},
    query::Query,
};

use crate::{
    config::{self, ConfigError},
    store::{Store, StoreError, in_time},
    tokens::{Audience, Tokens},
};

pub use dead_letters::{DeadLetter, Letter, LetterAct, LetterFilter, LetterStatus, Selection, in_utc};
pub use partitions::{Partition, Upkeep, plan_partitions};
pub use summaries::Archived;

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

/// How long a connection is waited for.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long the answer to a read is waited for.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The database.
#[derive(Clone)]
pub struct Archive {
    pool: PgPool,
    tokens: Option<Tokens>,
}

impl Archive {
    /// The archive at `DATABASE_URL`. If `DATABASE_AUTH` is `iam`, signed tokens are used as
    /// passwords. It opens at most `DATABASE_CONNECTIONS` connections, each at its first use. One is
    /// enough for a function that works on one request or batch at a time.
    ///
    /// # Errors
    /// If the URL is not set, or is not a Postgres URL, or if the number is wrong, or if tokens cannot
    /// be signed.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        let options: PgConnectOptions = config::parsed("DATABASE_URL", "a URL like postgres://user@host:5432/database")?;
        let connections = config::optional_parsed("DATABASE_CONNECTIONS", "a number of connections, at least 1")?;
        let tokens = config::optional("DATABASE_AUTH").filter(|auth| auth == "iam").map(|_| {
            let audience = Audience::Postgres {
                host: options.get_host().to_owned(),
                port: options.get_port(),
            };
            Tokens::signed(aws, options.get_username(), audience)
        });
        Ok(Self::pooled(options, tokens.transpose()?, connections.unwrap_or(NonZeroU16::MIN)))
    }

    /// The archive with these connection options and one connection. With `tokens`, each connection
    /// begins with the current token.
    pub fn connect(options: PgConnectOptions, tokens: Option<Tokens>) -> Self {
        Self::pooled(options, tokens, NonZeroU16::MIN)
    }

    fn pooled(options: PgConnectOptions, tokens: Option<Tokens>, connections: NonZeroU16) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(connections.get().into())
            .acquire_timeout(TIMEOUT);
        Self {
            pool: pool.connect_lazy_with(options.application_name("summarease")),
            tokens,
        }
    }

    async fn refresh(&self, operation: &'static str) -> Result<(), StoreError> {
        if let Some(tokens) = &self.tokens {
            let token = tokens.current().await.map_err(StoreError::because(Store::Archive, operation))?;
            let options = self.pool.connect_options();
            self.pool
                .set_connect_options(options.as_ref().clone().password(token.expose_secret()));
        }
        Ok(())
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
        self.refresh(OPERATION).await?;
        let mut connection = self.pool.acquire().await.map_err(failed(OPERATION))?;
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
        self.refresh(operation).await?;
        self.pool.begin().await.map_err(failed(operation))
    }

    /// The rows of one query, in a transaction of its own.
    async fn rows(&self, query: Query<'_, Postgres, PgArguments>, operation: &'static str) -> Result<Vec<PgRow>, StoreError> {
        let read = async {
            let mut transaction = self.begin(operation).await?;
            let rows = query.fetch_all(&mut *transaction).await.map_err(failed(operation))?;
            transaction.commit().await.map_err(failed(operation))?;
            Ok(rows)
        };
        in_time(Store::Archive, operation, READ_TIMEOUT, read).await
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

/// The database is a replica, and its cluster does not forward writes to the writer.
#[derive(Debug, thiserror::Error)]
#[error("the database of this region refuses writes; infra/runbooks/add-region.md says how to forward them")]
struct WritesRefused(#[source] sqlx::Error);

fn failed(operation: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| {
        // read_only_sql_transaction
        let is_refused = error.as_database_error().and_then(DatabaseError::code).as_deref() == Some("25006");
        if is_refused {
            StoreError::new(Store::Archive, operation, WritesRefused(error))
        } else {
            StoreError::new(Store::Archive, operation, error)
        }
    }
}
