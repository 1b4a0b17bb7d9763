//! One question about the account, and what was found out.

use super::ask::{Answer, Call};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is in the way.
    Fine,
    /// The deployment would work, but there is something to know.
    Warning,
    /// The deployment would fail.
    Fails,
    /// AWS refused to say, or did not answer.
    Unknown,
}

/// What one check found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub outcome: Outcome,
    /// One or two sentences: what would happen, and what to do about it.
    pub text: String,
}

impl Finding {
    pub(super) fn fine(text: impl Into<String>) -> Self {
        Self::new(Outcome::Fine, text)
    }

    pub(super) fn warning(text: impl Into<String>) -> Self {
        Self::new(Outcome::Warning, text)
    }

    pub(super) fn fails(text: impl Into<String>) -> Self {
        Self::new(Outcome::Fails, text)
    }

    pub(super) fn unknown(text: impl Into<String>) -> Self {
        Self::new(Outcome::Unknown, text)
    }

    fn new(outcome: Outcome, text: impl Into<String>) -> Self {
        Self {
            outcome,
            text: text.into(),
        }
    }
}

/// Judges the answers to the calls of a check.
type Judge<'a> = Box<dyn Fn(&[Answer]) -> Finding + 'a>;

/// One question about the account.
pub(super) struct Check<'a> {
    /// What is checked, as the subject of "… could not be checked".
    subject: String,
    pub(super) calls: Vec<Call>,
    judge: Judge<'a>,
}

impl<'a> Check<'a> {
    pub(super) fn new(subject: impl Into<String>, calls: Vec<Call>, judge: impl Fn(&[Answer]) -> Finding + 'a) -> Self {
        Self {
            subject: subject.into(),
            calls,
            judge: Box::new(judge),
        }
    }

    /// The finding, if every call was answered that the check cannot do without. A quota that cannot
    /// be read has a known default.
    pub(super) fn finding(&self, answers: &[Answer]) -> Finding {
        let needed = self.calls.iter().zip(answers).filter(|(call, _)| call.service != "service-quotas");
        for (_, answer) in needed {
            if let Answer::Unknown(why) = answer {
                return Finding::unknown(format!("{} could not be checked: {why}.", self.subject));
            }
        }
        (self.judge)(answers)
    }
}
