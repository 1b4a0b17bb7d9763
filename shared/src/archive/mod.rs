//! Finished jobs, usage and dead letters: Postgres.
//!
//! Every unit of work is one explicit transaction and no statement is kept prepared, so that a
//! transaction pooler (RDS Proxy, PgBouncer) may hand each transaction to another backend.

mod partitions;
mod summaries;

use std::{str::FromStr, time::Duration};

use aws_config::SdkConfig;
use secrecy::ExposeSecret;
use sqlx::{
    Decode, PgPool, Postgres, Transaction, Type,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    config::{self, ConfigError},
    store::{Store, StoreError},
    tokens::{Audience, Tokens},
};

pub use partitions::{Partition, Upkeep, plan_partitions};
pub use summaries::DeadLetter;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// Longest wait for a connection.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The database.
#[derive(Clone)]
pub struct Archive {
    pool: PgPool,
    tokens: Option<Tokens>,
}

impl Archive {
    /// The archive at `DATABASE_URL`, with tokens in place of a password if `DATABASE_AUTH` is `iam`.
    /// Connects when first used; one connection per environment.
    ///
    /// # Errors
    /// If the URL is not set or no Postgres URL, or there is nothing to sign tokens with.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        const NAME: &str = "DATABASE_URL";
        let options = PgConnectOptions::from_str(&config::required(NAME)?).map_err(|_| ConfigError::Invalid {
            name: NAME,
            expected: "a URL like postgres://user@host:5432/database",
        })?;
        let tokens = config::optional("DATABASE_AUTH").filter(|auth| auth == "iam").map(|_| {
            let audience = Audience::Postgres {
                host: options.get_host().to_owned(),
                port: options.get_port(),
            };
            Tokens::signed(aws, options.get_username(), audience)
        });
        Ok(Self::connect(options, tokens.transpose()?))
    }

    /// The archive behind these options; with `tokens`, each connection begins with the current one.
    pub fn connect(options: PgConnectOptions, tokens: Option<Tokens>) -> Self {
        let options = options.application_name("summarease");
        let pool = PgPoolOptions::new().max_connections(1).min_connections(0).acquire_timeout(TIMEOUT);
        Self {
            pool: pool.connect_lazy_with(options),
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

    /// Brings the schema up to date; to be run against the database itself, not a pooler. A replica has the schema of
    /// its primary, and only has to have it already.
    ///
    /// # Errors
    /// If the database does not answer or refuses a migration, or is a replica whose primary was not migrated yet.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        const OPERATION: &str = "migrate the schema";
        if self.is_replica().await? {
            let newest = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success";
            let (has, needs): (i64, _) = (self.ask(OPERATION, newest).await?, Self::newest_migration());
            if has < needs {
                let behind = format!("its primary has schema {has} and this needs {needs}: deploy the primary's region first");
                return Err(StoreError::because(Store::Archive, OPERATION)(behind));
            }
            return Ok(());
        }
        self.refresh(OPERATION).await?;
        MIGRATIONS
            .run(&self.pool)
            .await
            .map_err(StoreError::because(Store::Archive, OPERATION))
    }

    async fn is_replica(&self) -> Result<bool, StoreError> {
        self.ask("ask whether it is a replica", "SELECT pg_is_in_recovery()").await
    }

    /// The version of the newest migration in this build.
    pub fn newest_migration() -> i64 {
        MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
    }

    /// Whether Postgres answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.ask("answer", "SELECT 1").await.map(|_: i32| ())
    }

    /// One value, in a transaction of its own.
    async fn ask<T>(&self, operation: &'static str, question: &'static str) -> Result<T, StoreError>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres> + Send + Unpin,
    {
        let mut transaction = self.begin(operation).await?;
        let answer = sqlx::query_scalar(question)
            .persistent(false)
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed(operation))?;
        transaction.commit().await.map_err(failed(operation))?;
        Ok(answer)
    }

    async fn begin(&self, operation: &'static str) -> Result<Transaction<'static, Postgres>, StoreError> {
        self.refresh(operation).await?;
        self.pool.begin().await.map_err(failed(operation))
    }
}

fn failed(operation: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    StoreError::because(Store::Archive, operation)
}
