//! What would fail in `sam deploy` of an environment to an AWS account, before anything is made.
//!
//! The checks know the templates as they would be deployed, and ask the account with read-only
//! calls. A call that is refused or not answered makes a finding of its own, because it says nothing
//! about the account.
//!
//! - [`ask`] makes the calls.
//! - [`account`] checks the stack, the concurrency and the roles, [`network`] the zones and the
//!   quotas, and [`names`] the names that must be free.

mod account;
mod ask;
mod names;
mod network;

use std::collections::VecDeque;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::template::{self, STACK, rules::Estate};
use account::Present;
use ask::{Answer, Call};

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
    fn fine(text: impl Into<String>) -> Self {
        Self::new(Outcome::Fine, text)
    }

    fn warning(text: impl Into<String>) -> Self {
        Self::new(Outcome::Warning, text)
    }

    fn fails(text: impl Into<String>) -> Self {
        Self::new(Outcome::Fails, text)
    }

    fn unknown(text: impl Into<String>) -> Self {
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
struct Check<'a> {
    /// What is checked, as the subject of "… could not be checked".
    subject: String,
    calls: Vec<Call>,
    judge: Judge<'a>,
}

impl<'a> Check<'a> {
    fn new(subject: impl Into<String>, calls: Vec<Call>, judge: impl Fn(&[Answer]) -> Finding + 'a) -> Self {
        Self {
            subject: subject.into(),
            calls,
            judge: Box::new(judge),
        }
    }

    /// The finding, if every call was answered that the check cannot do without. A quota that cannot
    /// be read has a known default.
    fn finding(&self, answers: &[Answer]) -> Finding {
        let needed = self.calls.iter().zip(answers).filter(|(call, _)| call.service != "service-quotas");
        for (_, answer) in needed {
            if let Answer::Unknown(why) = answer {
                return Finding::unknown(format!("{} could not be checked: {why}.", self.subject));
            }
        }
        (self.judge)(answers)
    }
}

/// All checks of an environment.
fn checks<'a>(estate: &'a Estate, present: &'a Present) -> Vec<Check<'a>> {
    let mut checks = vec![account::concurrency(estate, present)];
    checks.extend(network::zones(estate));
    checks.extend(network::quotas(estate, present));
    checks.extend(account::roles(estate));
    checks.extend(names::retained(estate, present));
    checks.extend(names::names(estate, present));
    checks
}

/// Checks the account and the region in which `sam deploy --config-env` would deploy an environment,
/// and calls `show` with each finding as soon as it is there.
///
/// # Errors
/// If there is no such environment, or the caller has no account or no region.
pub fn run(environment: &str, mut show: impl FnMut(&Finding)) -> Result<()> {
    let environments = template::environments()?;
    let Some((region, parameters)) = environments.get(environment) else {
        let known: Vec<_> = environments.keys().map(String::as_str).collect();
        bail!("samconfig.toml has no environment {environment}; it has {}", known.join(", "));
    };
    let region = match region {
        Some(region) => region.clone(),
        None => {
            ask::usual_region()?.context("no region is set: set AWS_DEFAULT_REGION, or a region in the profile that AWS_PROFILE names")?
        }
    };
    let whoami = Call::new("sts", "get_caller_identity", json!({}), "Account").in_region(&region);
    let account = match &ask::answers(&[whoami])?[..] {
        [Answer::Is(account)] => template::stack::text(account),
        [Answer::Unknown(why)] => bail!("the account is not known: {why}. Sign in, or set AWS_PROFILE"),
        _ => bail!("the account is not known"),
    };
    show(&Finding::fine(format!(
        "The stack {STACK} would be deployed to the account {account} in {region}."
    )));
    let (estate, _) = template::estate(environment, &(Some(region.clone()), parameters.clone()))?;
    let present = account::present(&region, &mut show)?;
    let checks = checks(&estate, &present);
    let calls: Vec<Call> = checks
        .iter()
        .flat_map(|check| &check.calls)
        .map(|call| call.clone().in_region(&region))
        .collect();
    let (mut waiting, mut answers) = (VecDeque::from(checks), Vec::new());
    ask::ask(&calls, |answer| {
        answers.push(answer);
        if waiting.front().is_some_and(|check| check.calls.len() == answers.len())
            && let Some(check) = waiting.pop_front()
        {
            show(&check.finding(&answers));
            answers.clear();
        }
    })?;
    Ok(())
}
