//! The estimates of waits that a process has made a moment ago.

use std::time::Duration;

use shared::{job::Lane, recent::Recent};

/// How long an estimate is used again.
const REMEMBERED: Duration = Duration::from_secs(5);

/// The estimated waits of the last seconds, in seconds, by their lanes. `None` stands for a wait that
/// nobody can know.
pub(crate) struct LastEstimates(pub(crate) Recent<Lane, Option<u32>>);

impl Default for LastEstimates {
    fn default() -> Self {
        Self(Recent::new(Lane::ALL.len() as u64, REMEMBERED))
    }
}
