//! The one error of every adapter: which store, doing what, and why.

use std::{error::Error, fmt};

/// A cause of any type.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A store that the service depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Store {
    /// Postgres.
    Archive,
    /// Valkey.
    Cache,
    /// DynamoDB, API keys.
    Directory,
    /// S3.
    Documents,
    /// SQS.
    Lanes,
    /// DynamoDB, accepted jobs.
    Ledger,
}

impl Store {
    /// The name used in logs, metrics and the deep health check.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Cache => "cache",
            Self::Directory => "directory",
            Self::Documents => "documents",
            Self::Lanes => "lanes",
            Self::Ledger => "ledger",
        }
    }
}

/// A store did not do what it was asked. Its causes are its sources: log it as a [`Chain`].
#[derive(Debug, thiserror::Error)]
#[error("{}: could not {operation}", .store.as_str())]
pub struct StoreError {
    /// Which store.
    pub store: Store,
    /// What was asked, as in "put a job".
    pub operation: &'static str,
    source: BoxError,
}

impl StoreError {
    /// Wraps the cause.
    pub fn new(store: Store, operation: &'static str, source: impl Into<BoxError>) -> Self {
        Self {
            store,
            operation,
            source: source.into(),
        }
    }

    /// For `map_err`: wraps whatever cause comes.
    pub fn because<E: Into<BoxError>>(store: Store, operation: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::new(store, operation, source)
    }
}

/// Shows an error with all its causes. For logs and operators only: a cause may name hosts.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
