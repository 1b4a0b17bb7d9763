//! Steps at which a test can stop a process, as a crash would. Release builds stop at none of them.

/// A step between two effects that must not be torn apart by a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The submission is admitted, and nothing is recorded.
    Admitted,
    /// The job is in the ledger.
    Recorded,
    /// The text is in the documents bucket, if it is stored there at all.
    Stored,
    /// The summary was made inside the request.
    Made,
    /// The final result of such a summary is in the ledger.
    Kept,
    /// The message is in its lane.
    Sent,
    /// The message of a repeated submission is in its lane once more.
    SentAgain,
}

impl Step {
    /// All steps, in the order in which a submission passes them. A submission with an idempotency
    /// key whose summary is made inside the request passes `Sent` before `Kept`.
    pub const ALL: [Self; 7] = [
        Self::Admitted,
        Self::Recorded,
        Self::Stored,
        Self::Made,
        Self::Kept,
        Self::Sent,
        Self::SentAgain,
    ];

    /// The value of the environment variable `KILL_AT` that stops a process here.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Recorded => "recorded",
            Self::Stored => "stored",
            Self::Made => "made",
            Self::Kept => "kept",
            Self::Sent => "sent",
            Self::SentAgain => "sent-again",
        }
    }
}

/// Ends the process at once if the environment variable `KILL_TEXT` is set and is a part of this text, as
/// a text would that the process cannot bear.
#[inline]
pub fn by(text: &str) {
    if cfg!(debug_assertions) && std::env::var("KILL_TEXT").is_ok_and(|part| text.contains(&part)) {
        std::process::abort();
    }
}

/// Ends the process at once if the environment variable `KILL_AT` names this step.
#[inline]
pub fn at(step: Step) {
    if cfg!(debug_assertions) && std::env::var("KILL_AT").is_ok_and(|name| name == step.as_str()) {
        std::process::abort();
    }
}
