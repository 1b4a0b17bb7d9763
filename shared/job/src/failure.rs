//! The reasons for which a job, or one attempt at it, fails.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// How many attempts may fail for a reason that may lie in the job itself. Then the job fails.
pub(crate) const MOST_FAILURES: usize = 5;
/// How often a worker may stop while it works on nothing but one job. Then that job fails.
pub(crate) const MOST_CRASHES: usize = 2;

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// The job fails at once, because every further attempt would fail too.
    Final,
    /// The job is tried again, but not often, because it may be the cause itself.
    Limited,
    /// The job is tried again for as long as its message lives, because it is not the cause.
    Passing,
}

/// The name of a failure for programs. A name never changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The result is larger than a response of the API can be.
    ResultTooLarge,
    /// The text has no sentence that can be summarised.
    NoSentence,
    /// The engine needed too much time for the text.
    TextTooComplex,
    /// The stored document no longer exists.
    DocumentMissing,
    /// The stored document could not be read in this attempt.
    DocumentUnavailable,
    /// The result could not be stored in this attempt.
    CommitFailed,
    /// Too little time of the invocation was left to begin with the work.
    NoTimeLeft,
    /// The worker reported no outcome of this delivery. It may have stopped because of another job.
    WorkerStopped,
    /// The worker stopped while it worked on nothing but this job.
    WorkerCrashed,
    /// The worker stopped with an internal error.
    WorkerPanicked,
    /// The work took longer than the time limit of an attempt.
    OutOfTime,
    /// No worker had begun the job at its `deadline`.
    Expired,
    /// The queued message could not be read.
    UnreadableMessage,
    /// The message of the job is in no lane.
    MessageLost,
    /// The job had failed, and an operator has sent it to its lane again. This is no failure: it stands
    /// among the attempts, between those of before and those of after.
    Replayed,
    /// Every attempt failed.
    RetriesExhausted,
    /// A code that another version of the service has written. It is kept as it is.
    #[serde(untagged)]
    Other(String),
}

impl FailureCode {
    /// Every code that this version writes.
    pub const ALL: [Self; 16] = [
        Self::ResultTooLarge,
        Self::NoSentence,
        Self::TextTooComplex,
        Self::DocumentMissing,
        Self::DocumentUnavailable,
        Self::CommitFailed,
        Self::NoTimeLeft,
        Self::WorkerStopped,
        Self::WorkerCrashed,
        Self::WorkerPanicked,
        Self::OutOfTime,
        Self::Expired,
        Self::UnreadableMessage,
        Self::MessageLost,
        Self::Replayed,
        Self::RetriesExhausted,
    ];

    /// What follows from this failure. Every code is named here, so that a new one cannot be
    /// forgotten.
    pub const fn consequence(&self) -> Consequence {
        match self {
            Self::ResultTooLarge
            | Self::NoSentence
            | Self::TextTooComplex
            | Self::DocumentMissing
            | Self::Expired
            | Self::UnreadableMessage
            | Self::MessageLost
            | Self::RetriesExhausted => Consequence::Final,
            Self::WorkerCrashed | Self::WorkerPanicked | Self::OutOfTime | Self::Other(_) => Consequence::Limited,
            Self::DocumentUnavailable | Self::CommitFailed | Self::NoTimeLeft | Self::WorkerStopped | Self::Replayed => {
                Consequence::Passing
            }
        }
    }

    /// The name used in the API, the archive and the logs.
    pub fn as_str(&self) -> &str {
        match self {
            Self::ResultTooLarge => "result_too_large",
            Self::NoSentence => "no_sentence",
            Self::TextTooComplex => "text_too_complex",
            Self::DocumentMissing => "document_missing",
            Self::DocumentUnavailable => "document_unavailable",
            Self::CommitFailed => "commit_failed",
            Self::NoTimeLeft => "no_time_left",
            Self::WorkerStopped => "worker_stopped",
            Self::WorkerCrashed => "worker_crashed",
            Self::WorkerPanicked => "worker_panicked",
            Self::OutOfTime => "out_of_time",
            Self::Expired => "expired",
            Self::UnreadableMessage => "unreadable_message",
            Self::MessageLost => "message_lost",
            Self::Replayed => "replayed",
            Self::RetriesExhausted => "retries_exhausted",
            Self::Other(code) => code,
        }
    }
}

/// Why a job, or one attempt at it, failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobError {
    pub code: FailureCode,
    /// What happened, and what to do next.
    pub message: String,
}

impl JobError {
    /// Makes an error from a code and its explanation.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialSchema for FailureCode {
    fn schema() -> RefOr<Schema> {
        // `enum` would make clients refuse the codes of later versions, so that the known ones
        // stand in an extension that names the values of an open list.
        let known = Self::ALL.map(|code| code.as_str().to_owned());
        let those = |consequence| {
            let codes = Self::ALL
                .iter()
                .filter(|code| code.consequence() == consequence && **code != Self::Replayed);
            codes.map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ")
        };
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(format!(
                "A name for programs, which never changes. A job fails at once with {}. A job is tried again after {}, and fails with `{}` after {MOST_FAILURES} such attempts, or after {MOST_CRASHES} with `{}`. It is also tried again, for hours, after {}. `{}` stands among the attempts where an operator has sent a failed job to its lane again. Later versions may add codes, so that a client must take one that it does not know as a failure like others.",
                those(Consequence::Final),
                those(Consequence::Limited),
                Self::RetriesExhausted,
                Self::WorkerCrashed,
                those(Consequence::Passing),
                Self::Replayed,
            )))
            .examples(known.clone())
            .extensions(Some([("x-extensible-enum", known)].into_iter().collect()))
            .into()
    }
}

impl ToSchema for FailureCode {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("FailureCode")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_the_json_and_unknown_ones_are_kept() {
        for code in FailureCode::ALL {
            assert_eq!(serde_json::to_value(&code).unwrap(), code.as_str());
            assert_eq!(serde_json::from_value::<FailureCode>(code.as_str().into()).unwrap(), code);
        }
        let newer: FailureCode = serde_json::from_str(r#""out_of_luck""#).unwrap();
        assert_eq!(newer, FailureCode::Other("out_of_luck".into()));
        assert_eq!(serde_json::to_value(&newer).unwrap(), "out_of_luck");
    }
}
