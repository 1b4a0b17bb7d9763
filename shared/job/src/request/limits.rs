//! The limits of a submission.

/// The bounds of a submission, as the API documents them.
pub struct Limits;

impl Limits {
    /// Bytes of the text as UTF-8. A Lambda request holds 6 MB, and JSON escapes take their share.
    pub const TEXT_BYTES: usize = 4 * 1024 * 1024;
    /// Bytes of the whole request body.
    pub const BODY_BYTES: usize = 5 * 1024 * 1024;
    /// Sentences of a summary.
    pub const SENTENCES: u32 = 100;
    /// Words of a summary.
    pub const WORDS: u32 = 5_000;
    /// Characters (Unicode scalar values) of a summary.
    pub const CHARACTERS: u32 = 50_000;
    /// Bytes of a result as JSON, its quotes escaped: what Lambda returns may have 6 MB.
    pub const RESULT_BYTES: usize = 5_500_000;
    /// Characters of `focus`.
    pub const FOCUS: usize = 500;
    /// Entries of `metadata`.
    pub const METADATA_ENTRIES: usize = 16;
    /// Characters of a key of `metadata`.
    pub const METADATA_KEY: usize = 64;
    /// Characters of a value of `metadata`.
    pub const METADATA_VALUE: usize = 512;
}
