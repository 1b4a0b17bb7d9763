//! What a load run submits.

use super::schedule::Schedule;

/// What is submitted, how often, and where.
pub struct Load {
    pub schedule: Schedule,
    /// Words of a usual text.
    pub words: usize,
    /// One text in so many has ten times as many words. 0 means none.
    pub long_every: usize,
    /// How many of a hundred submissions repeat an earlier text.
    pub repeated: u8,
    pub seed: u64,
    /// The base URL of the API.
    pub url: String,
    /// API keys of the tenants, who take turns.
    pub keys: Vec<String>,
    /// The priorities, which take turns.
    pub priorities: Vec<String>,
}
