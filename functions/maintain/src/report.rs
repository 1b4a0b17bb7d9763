//! What a run reports.

use serde::Serialize;

/// What was done.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Version of the newest migration, if the schema was brought up to date.
    pub schema: Option<i64>,
    /// Partitions made.
    pub made: Vec<String>,
    /// Partitions dropped.
    pub dropped: Vec<String>,
    /// Jobs entered again.
    pub entered: usize,
}
