//! Failed attempts, and what becomes of a job after one more of them.
//!
//! | cause of the failure | the job is tried again after | until |
//! |---|---|---|
//! | outside of the job, such as a store that does not answer | 8–15 s, then twice as long each time, up to 450–900 s | its message has been received [`MOST_RECEIVES`] times |
//! | too little time was left | nothing: at once | the same |
//! | perhaps the job itself | 0–2 s, then up to twice as long each time | the fifth such attempt |
//! | a worker stopped that worked on nothing but this job | the visibility timeout of the lane | the second time |
//! | certainly the job itself | never | |
//!
//! The waits are random ("full jitter" and "equal jitter" in "Exponential Backoff And Jitter", AWS
//! Architecture Blog, 2015). If a store does not answer, a wait has at least half of its longest
//! length, so that even the shortest waits together outlast an hour.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::failure::{Consequence, FailureCode, JobError, MOST_CRASHES, MOST_FAILURES};

/// How often a message is received from its lane before it is moved to the dead-letter queue. The
/// template has the same number.
pub const MOST_RECEIVES: u32 = 20;
/// The longest wait after the first failure that may lie in the job itself, in seconds.
const FIRST_WAIT: u32 = 2;
/// The longest waits after a failure outside of the job: the first one, and any of them, in seconds.
const FIRST_OUTAGE_WAIT: u32 = 15;
const LONGEST_OUTAGE_WAIT: u32 = 900;

/// One attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// The number of the attempt, from 1. It is the receive count of the message. The numbers begin
    /// again after a replay, which has the number 0.
    pub number: u32,
    /// When the attempt failed, RFC 3339.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    #[serde(flatten)]
    pub error: JobError,
    /// The id of the worker's invocation, for the operator. Absent if no worker reported the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// From when on the job is tried again, RFC 3339. Absent if no worker reported the attempt.
    #[serde(with = "time::serde::rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_try_at: Option<OffsetDateTime>,
}

impl Attempt {
    /// An attempt whose outcome no worker has reported.
    pub fn unreported(number: u32, at: OffsetDateTime, error: JobError) -> Self {
        Self {
            number,
            at,
            error,
            request_id: None,
            next_try_at: None,
        }
    }

    /// What stands among the attempts of a job that had failed with `error`, where an operator sent it to
    /// its lane again.
    pub(crate) fn replay(at: OffsetDateTime, error: &JobError) -> Self {
        let message = format!(
            "The operator of the service sent the job to its lane again, after it had failed with `{}`.",
            error.code
        );
        Self::unreported(0, at.truncate_to_microsecond(), JobError::new(FailureCode::Replayed, message))
    }
}

/// The attempts of a job since an operator sent it to its lane again, if that has happened. Only these
/// count for what becomes of it.
pub fn since_replay(attempts: &[Attempt]) -> &[Attempt] {
    let replay = attempts.iter().rposition(|attempt| attempt.error.code == FailureCode::Replayed);
    replay.map_or(attempts, |at| &attempts[at + 1..])
}

/// The error of the last attempt that failed. A replay is none.
pub fn last_failure(attempts: &[Attempt]) -> Option<&JobError> {
    let mut errors = attempts.iter().rev().map(|attempt| &attempt.error);
    errors.find(|error| error.code != FailureCode::Replayed)
}

/// What becomes of a job after a failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The job fails.
    Fail(JobError),
    /// The job is tried again after so many seconds.
    TryAgain { seconds: u32 },
}

/// What becomes of a job whose attempt number `receives` has failed with `error`. `earlier` are the
/// attempts that failed before, as far as they are known, and `chance` is a random number.
pub fn next(earlier: &[Attempt], receives: u32, error: &JobError, chance: u32) -> Next {
    let is_limited = |attempt: &&Attempt| attempt.error.code.consequence() == Consequence::Limited;
    let failures = since_replay(earlier).iter().filter(is_limited).count();
    match error.code.consequence() {
        Consequence::Final => Next::Fail(error.clone()),
        Consequence::Limited if failures + 1 >= MOST_FAILURES => Next::Fail(exhausted(Some(error))),
        Consequence::Limited => Next::TryAgain {
            seconds: up_to(chance, 0, doubled(FIRST_WAIT, failures, u32::MAX)),
        },
        Consequence::Passing if error.code == FailureCode::NoTimeLeft => Next::TryAgain { seconds: 0 },
        // The receives are counted, because the earlier attempts are not known if the ledger is the
        // store that does not answer.
        Consequence::Passing => {
            let longest = doubled(FIRST_OUTAGE_WAIT, receives.saturating_sub(1) as usize, LONGEST_OUTAGE_WAIT);
            Next::TryAgain {
                seconds: up_to(chance, longest.div_ceil(2), longest),
            }
        }
    }
}

/// Why no further attempt at a job may begin, if that is so: workers stopped while they worked on
/// nothing else.
pub fn refusal(earlier: &[Attempt]) -> Option<JobError> {
    let attempts = since_replay(earlier).iter();
    let crashes = attempts.filter(|attempt| attempt.error.code == FailureCode::WorkerCrashed);
    (crashes.count() >= MOST_CRASHES).then(|| exhausted(last_failure(earlier)))
}

/// The error of a job after its last attempt has failed with `last`.
pub fn exhausted(last: Option<&JobError>) -> JobError {
    let message = last.map_or(
        "The worker stopped in every attempt without reporting a reason. Submit the document again.".to_owned(),
        |error| {
            format!(
                "Every attempt failed, the last one with `{}`: {} Submit the document again.",
                error.code, error.message
            )
        },
    );
    JobError::new(FailureCode::RetriesExhausted, message)
}

fn doubled(first: u32, times: usize, most: u32) -> u32 {
    let factor = u32::try_from(times)
        .ok()
        .and_then(|times| 1u32.checked_shl(times))
        .unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(most)
}

fn up_to(chance: u32, least: u32, most: u32) -> u32 {
    least + chance % (most - least).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attempt(code: FailureCode) -> Attempt {
        Attempt {
            number: 1,
            at: OffsetDateTime::UNIX_EPOCH,
            error: JobError::new(code, "No."),
            request_id: None,
            next_try_at: None,
        }
    }

    fn wait(earlier: &[Attempt], receives: u32, code: FailureCode, chance: u32) -> u32 {
        match next(earlier, receives, &JobError::new(code, "No."), chance) {
            Next::TryAgain { seconds } => seconds,
            Next::Fail(error) => panic!("the job fails: {error:?}"),
        }
    }

    proptest! {
        /// The first receive follows at once, so that there are as many waits as receives, less one.
        #[test]
        fn the_waits_of_an_outage_are_longer_than_an_hour_together(chances in prop::collection::vec(any::<u32>(), MOST_RECEIVES as usize - 1)) {
            let mut total = 0;
            for (receives, chance) in (1..).zip(chances) {
                let seconds = wait(&[], receives, FailureCode::CommitFailed, chance);
                prop_assert!((8..=LONGEST_OUTAGE_WAIT).contains(&seconds), "{seconds} s");
                total += seconds;
            }
            prop_assert!(total > 5400, "the message lives for {total} s");
        }

        #[test]
        fn the_waits_after_other_failures_start_at_nothing_and_grow(chance: u32, failures in 0usize..4) {
            let earlier = vec![attempt(FailureCode::WorkerPanicked); failures];
            let seconds = wait(&earlier, 1, FailureCode::OutOfTime, chance);
            prop_assert!(seconds <= 2 << failures, "{seconds} s after {failures} failures");
        }
    }

    #[test]
    fn an_outage_does_not_use_up_the_attempts_of_a_job() {
        let outage = vec![attempt(FailureCode::CommitFailed); 15];
        assert_eq!(wait(&outage, 16, FailureCode::WorkerPanicked, 0), 0);
        let panicked = vec![attempt(FailureCode::WorkerPanicked); 4];
        let last = JobError::new(FailureCode::WorkerPanicked, "The worker failed.");
        let Next::Fail(error) = next(&panicked, 5, &last, 0) else {
            panic!("the job is tried a sixth time");
        };
        assert_eq!(error.code, FailureCode::RetriesExhausted);
        assert!(error.message.contains("worker_panicked"), "{error:?}");
    }

    #[test]
    fn after_a_replay_a_job_has_all_its_attempts_again() {
        let mut attempts = vec![attempt(FailureCode::WorkerPanicked); 5];
        attempts.extend(vec![attempt(FailureCode::WorkerCrashed); 3]);
        let error = JobError::new(FailureCode::RetriesExhausted, "No.");
        attempts.push(Attempt::replay(OffsetDateTime::UNIX_EPOCH, &error));
        assert_eq!(refusal(&attempts), None);
        assert_eq!(wait(&attempts, 1, FailureCode::WorkerPanicked, 0), 0);
        assert_eq!(since_replay(&attempts), []);
    }

    #[test]
    fn a_replay_is_no_failed_attempt_and_quotes_none() {
        let mut attempts = vec![attempt(FailureCode::WorkerPanicked)];
        let error = exhausted(last_failure(&attempts));
        for _ in 0..2 {
            attempts.push(Attempt::replay(OffsetDateTime::UNIX_EPOCH, &error));
            assert_eq!(exhausted(last_failure(&attempts)), error);
        }
        let replay = &attempts[2].error.message;
        assert!(
            replay.contains("`retries_exhausted`") && !replay.contains(&error.message),
            "{replay}"
        );
        assert_eq!(last_failure(&attempts[1..]), None);
    }

    #[test]
    fn a_job_that_stopped_two_workers_alone_is_refused() {
        let stopped = attempt(FailureCode::WorkerStopped);
        let crashed = attempt(FailureCode::WorkerCrashed);
        assert_eq!(refusal(&[stopped.clone(), stopped.clone(), crashed.clone()]), None);
        let error = refusal(&[crashed.clone(), stopped, crashed]).unwrap();
        assert_eq!(error.code, FailureCode::RetriesExhausted);
    }

    #[test]
    fn without_time_a_job_is_visible_again_at_once() {
        assert_eq!(wait(&[], 9, FailureCode::NoTimeLeft, u32::MAX), 0);
    }
}
