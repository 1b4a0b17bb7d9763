//! What a process remembers of its last callers.

use std::time::Duration;

use shared::{
    cache::{Session, Token},
    job::KeyId,
    recent::Recent,
};

/// How long a process keeps a session that it has looked up. A session that was ended works for
/// this long in processes that have used it.
const REMEMBERED: Duration = Duration::from_secs(5);
/// How often a process writes down the use of a key.
const NOTED: Duration = Duration::from_mins(1);
/// How many sessions and how many uses a process keeps.
const MOST: u64 = 10_000;

/// What a process remembers of its last callers.
pub(crate) struct LastCallers {
    pub(crate) sessions: Recent<Token, Option<Session>>,
    pub(crate) used: Recent<KeyId, ()>,
}

impl Default for LastCallers {
    fn default() -> Self {
        Self {
            sessions: Recent::new(MOST, REMEMBERED),
            used: Recent::new(MOST, NOTED),
        }
    }
}
