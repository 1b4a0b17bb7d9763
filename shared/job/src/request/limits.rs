//! The limits of a submission.

/// The limits of a submission, as the API documents them.
pub struct Limits;

impl Limits {
    /// The most bytes of a text in UTF-8. A request to Lambda may have 6 MB, and escapes in JSON
    /// need a part of them.
    pub const TEXT_BYTES: usize = 4 * 1024 * 1024;
    /// The most bytes of the whole request body.
    pub const BODY_BYTES: usize = 5 * 1024 * 1024;
    /// The most sentences of a summary.
    pub const SENTENCES: u32 = 100;
    /// The most words of a summary.
    pub const WORDS: u32 = 5_000;
    /// The most characters (Unicode scalar values) of a summary.
    pub const CHARACTERS: u32 = 50_000;
    /// The most bytes of a result as JSON with its quotes escaped. A response of Lambda may have 6
    /// MB.
    pub const RESULT_BYTES: usize = 5_500_000;
    /// The most characters of `focus`.
    pub const FOCUS: usize = 500;
    /// The shortest time for which a finished job is kept, if it is kept at all, in seconds.
    pub const EXPIRES_IN_LEAST: u32 = 3_600;
    /// The longest time for which a finished job is kept, in seconds.
    pub const EXPIRES_IN_MOST: u32 = 30 * 24 * 3_600;
    /// How far in the future a deadline may be, in days. A message waits in its lane no longer.
    pub const DEADLINE_DAYS: i64 = 10;
    /// The most entries of `metadata`.
    pub const METADATA_ENTRIES: usize = 16;
    /// The most characters of a key of `metadata`.
    pub const METADATA_KEY: usize = 64;
    /// The most characters of a value of `metadata`.
    pub const METADATA_VALUE: usize = 512;
}
