//! A server of the database: the connections to it, and transactions.

use std::{num::NonZeroU16, time::Duration};

use aws_config::SdkConfig;
use secrecy::ExposeSecret;
use sqlx::{
    PgPool, Postgres, Transaction,
    error::DatabaseError,
    pool::PoolConnection,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow},
    query::Query,
};

use crate::{
    config::{self, ConfigError},
    store::{Store, StoreError},
    tokens::{Audience, Tokens},
};

/// How long a connection is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Clone)]
pub(super) struct Server {
    pool: PgPool,
    tokens: Option<Tokens>,
}

impl Server {
    /// The server whose URL is in this environment variable, if it is set. If `DATABASE_AUTH` is
    /// `iam`, signed tokens are used as passwords. It opens at most `DATABASE_CONNECTIONS`
    /// connections.
    pub(super) fn from_env(aws: &SdkConfig, name: &'static str) -> Result<Option<Self>, ConfigError> {
        let connections = config::optional_parsed("DATABASE_CONNECTIONS", "a number of connections, at least 1")?;
        let Some(options) = config::optional_parsed(name, "a URL like postgres://user@host:5432/database")? else {
            return Ok(None);
        };
        let sign = |options: &PgConnectOptions| {
            let audience = Audience::Postgres {
                host: options.get_host().to_owned(),
                port: options.get_port(),
            };
            Tokens::signed(aws, options.get_username(), audience)
        };
        let is_signed = config::optional("DATABASE_AUTH").is_some_and(|auth| auth == "iam");
        let tokens = is_signed.then(|| sign(&options)).transpose()?;
        Ok(Some(Self::connect(options, tokens, connections.unwrap_or(NonZeroU16::MIN))))
    }

    /// The server with these connection options. With `tokens`, each connection begins with the
    /// current token.
    pub(super) fn connect(options: PgConnectOptions, tokens: Option<Tokens>, connections: NonZeroU16) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(connections.get().into())
            .acquire_timeout(CONNECT_TIMEOUT);
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

    pub(super) async fn acquire(&self, operation: &'static str) -> Result<PoolConnection<Postgres>, StoreError> {
        self.refresh(operation).await?;
        self.pool.acquire().await.map_err(failed(operation))
    }

    pub(super) async fn begin(&self, operation: &'static str) -> Result<Transaction<'static, Postgres>, StoreError> {
        self.refresh(operation).await?;
        self.pool.begin().await.map_err(failed(operation))
    }
}

/// The queries of one read.
pub(super) type Queries<'q> = Vec<Query<'q, Postgres, PgArguments>>;

/// The rows of each query of a read. The transaction ends.
pub(super) async fn rows(
    mut transaction: Transaction<'static, Postgres>,
    queries: Queries<'_>,
    operation: &'static str,
) -> Result<Vec<Vec<PgRow>>, StoreError> {
    let mut found = Vec::new();
    for query in queries {
        let query = query.persistent(false);
        found.push(query.fetch_all(&mut *transaction).await.map_err(failed(operation))?);
    }
    transaction.commit().await.map_err(failed(operation))?;
    Ok(found)
}

/// The database is a replica, and its cluster does not forward writes to the writer.
#[derive(Debug, thiserror::Error)]
#[error("the database of this region refuses writes; infra/runbooks/add-region.md says how to forward them")]
struct WritesRefused(#[source] sqlx::Error);

pub(super) fn failed(operation: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
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
