//! The answer of a run.

use serde::Serialize;

/// What a run has done.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Version of the newest migration. Present if the run brought the schema up to date.
    pub schema: Option<i64>,
    /// Names of the partitions that were made.
    pub made: Vec<String>,
    /// Names of the partitions that were dropped.
    pub dropped: Vec<String>,
    /// How many expired rows were deleted or emptied.
    pub deleted: u64,
    /// Of how many tenants tallies were copied.
    pub noted: usize,
    /// How many unfinished jobs were checked.
    pub checked: usize,
    /// How many jobs were entered into the archive again.
    pub entered: usize,
    /// How many finished jobs in the ledger cannot be read. The log names them.
    pub damaged: usize,
    /// Where `reconcile` goes on, if there was too little time for all jobs.
    pub next: Option<String>,
}
