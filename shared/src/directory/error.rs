//! Why an act on a tenant or a key was not done.

use crate::{job::Scope, store::StoreError};

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// There is no such tenant or key.
    #[error("there is no such tenant or key")]
    NotFound,
    /// The present state does not allow it. The text says why, and what to do.
    #[error("{0}")]
    Conflict(String),
    /// The key of the actor lacks a scope.
    #[error("the key lacks the scope {}", .0.as_str())]
    Missing(Scope),
    #[error(transparent)]
    Store(#[from] StoreError),
}
