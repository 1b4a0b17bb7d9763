//! The error that the modules for all stores share. It says which store failed, at which operation,
//! and why.

use std::{error::Error, fmt};

/// The cause of an error, of any type.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A store that the service depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Store {
    /// Postgres.
    Archive,
    /// Valkey.
    Cache,
    /// The API keys in DynamoDB.
    Directory,
    /// S3.
    Documents,
    /// SQS.
    Lanes,
    /// The accepted jobs in DynamoDB.
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

/// An operation on a store failed. The cause is the source of this error, so it has to be logged as
/// a [`Chain`].
#[derive(Debug, thiserror::Error)]
#[error("{}: could not {operation}", .store.as_str())]
pub struct StoreError {
    /// The store that failed.
    pub store: Store,
    /// The operation in the form that follows "could not", such as "find a job".
    pub operation: &'static str,
    source: BoxError,
}

impl StoreError {
    /// Makes an error from its cause.
    pub fn new(store: Store, operation: &'static str, source: impl Into<BoxError>) -> Self {
        Self {
            store,
            operation,
            source: source.into(),
        }
    }

    /// A function for `map_err`, which makes an error from any cause.
    pub fn because<E: Into<BoxError>>(store: Store, operation: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::new(store, operation, source)
    }
}

/// Shows an error with all its causes. It is for logs and operators only, because a cause may name
/// hosts.
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
