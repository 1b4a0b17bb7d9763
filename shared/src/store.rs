//! The error that the modules for all stores share, and the wait for an answer. The error says which
//! store failed, at which operation, and why.

use std::{error::Error, fmt, future::Future, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::{Value, error::Category};

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

/// Reads a stored value from its text. The cause of an error in it is not kept, because it may quote
/// the value, and the value may hold document text.
///
/// # Errors
/// If the value is not JSON of that type.
pub fn parse<T: DeserializeOwned>(json: &str) -> Result<T, BoxError> {
    serde_json::from_str(json).map_err(|error| unquoted(&error))
}

/// Reads a stored value from its JSON. An error in it quotes nothing of it either.
///
/// # Errors
/// If the value is not of that type.
pub fn parse_value<T: DeserializeOwned>(value: Value) -> Result<T, BoxError> {
    serde_json::from_value(value).map_err(|error| unquoted(&error))
}

fn unquoted(error: &serde_json::Error) -> BoxError {
    let what = match error.classify() {
        Category::Data => "does not have the expected fields",
        Category::Io | Category::Syntax | Category::Eof => "is not JSON",
    };
    format!("a stored value {what} (line {}, column {})", error.line(), error.column()).into()
}

/// Waits for the answer of a store for `limit` at most.
///
/// # Errors
/// The error of the store, or one that says that there was no answer in time.
pub async fn in_time<T>(
    store: Store,
    operation: &'static str,
    limit: Duration,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let late = || StoreError::new(store, operation, "there was no answer in time");
    // The future of a request holds many others. A boxed one lies on the heap, so that the compiler
    // does not have to lay it out as a part of its caller.
    tokio::time::timeout(limit, Box::pin(answer)).await.unwrap_or_else(|_| Err(late()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::SummaryResource;

    #[test]
    fn an_error_of_a_stored_value_quotes_nothing_of_it() {
        for value in [
            r#"{"secret": 1}"#,
            r#""secret""#,
            r#"["secret"]"#,
            r#"{"id": "secret", "status": "secret"}"#,
            r#"{"secret"#,
        ] {
            let error = parse::<SummaryResource>(value).unwrap_err();
            let error = StoreError::new(Store::Cache, "find a job", error);
            let shown = Chain(&error).to_string();
            assert!(shown.contains("a stored value"), "{shown}");
            assert!(!shown.contains("secret") && !format!("{error:?}").contains("secret"), "{shown}");
        }
        let error = parse_value::<crate::job::Plan>("secret".into()).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        assert_eq!(parse::<u8>("7").unwrap(), 7);
    }
}
