//! Steps at which a test can stop a process, as a crash would. Release builds stop at none of them.
//!
//! The tests kill a process at each of these steps. A new step needs its place in the code, and in the
//! tests what a process does that passes it. Without it, the tests do not compile.

macro_rules! steps {
    ($($(#[$doc:meta])* $step:ident = $name:literal,)+) => {
        /// A step between two effects that must not be torn apart by a crash.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Step {
            $($(#[$doc])* $step,)+
        }

        impl Step {
            /// All steps.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$step),+];

            /// The value of the environment variable `KILL_AT` that stops a process here.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$step => $name,)+
                }
            }
        }
    };
}

// First those of a submission, in the order in which it passes them. A submission with an idempotency
// key whose summary is made inside the request passes `Sent` before `Kept`.
steps! {
    /// The submission is admitted, and nothing is recorded.
    Admitted = "admitted",
    /// The job is in the ledger.
    Recorded = "recorded",
    /// The text is in the documents bucket, if it is stored there at all.
    Stored = "stored",
    /// The summary was made inside the request.
    Made = "made",
    /// The final result of such a summary is in the ledger.
    Kept = "kept",
    /// The message is in its lane.
    Sent = "sent",
    /// The message of a repeated submission is in its lane once more.
    SentAgain = "sent-again",

    /// The ledger knows that a worker works on this job alone.
    NotedAlone = "noted-alone",
    /// The cache knows that a worker has begun the job.
    Begun = "begun",
    /// The worker has made the summary.
    Summarized = "summarized",
    /// The worker has committed the jobs that ended, and those that are to be tried again are not noted.
    Committed = "committed",
    /// The failed attempts are in the ledger.
    AttemptsNoted = "attempts-noted",
    /// Everything of a batch is done but the answer, after which its messages are deleted.
    Answering = "answering",
    /// A worker has counted a check of a job that shows no sign of life.
    Checked = "checked",

    /// The archive has the end of a job.
    Archived = "archived",
    /// The cache was told of the end of a job, and the ledger perhaps.
    CacheTold = "cache-told",
    /// The ledger was told of the end of a job, and the cache perhaps.
    LedgerTold = "ledger-told",
    /// The ledger has all parts of a large finished job but the first one.
    PartsKept = "parts-kept",

    /// The message that erases a job once more is in its lane.
    EraseSent = "erase-sent",
    /// The documents of an erased job are deleted.
    DocumentsErased = "documents-erased",
    /// The archive has erased a job.
    ArchiveErased = "archive-erased",
    /// The ledger has erased a job, and the cache perhaps.
    LedgerErased = "ledger-erased",
    /// The cache knows that a job is erased, and may still have its result for others.
    CacheMarked = "cache-marked",

    /// That a dead letter is sent to its lane again is counted.
    ReplayCounted = "replay-counted",
    /// A dead letter is in its lane again, and still in its queue.
    Replayed = "replayed",
    /// The body of a dead letter is in the documents bucket.
    BodyKept = "body-kept",
    /// Dead letters are recorded everywhere, and still in their queue.
    Parked = "parked",

    /// The ledger knows that a failed job is unfinished again, and the cache and the archive have its end.
    Reopened = "reopened",
    /// The cache has the end of a failed job no more, and the archive has it.
    Forgotten = "forgotten",
    /// No store has the end of a job that an operator replays, and its message is not sent.
    Unarchived = "unarchived",
    /// The message of such a job is in its lane, and its dead letter is not marked.
    Resent = "resent",
    /// The body of a dead letter that an operator purges is deleted.
    Discarded = "discarded",

    /// That a job is to be checked is noted.
    CheckNoted = "check-noted",
    /// The message that checks a job is in its lane.
    CheckSent = "check-sent",
    /// Some of the jobs that the archive had lost are entered again.
    Entered = "entered",
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
