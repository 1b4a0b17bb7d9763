//! What would fail in `sam deploy` of an environment to an AWS account, before anything is made.
//!
//! The checks know the templates as they would be deployed, and ask the account with read-only
//! calls. A call that is refused or not answered makes a finding of its own, because it says nothing
//! about the account.
//!
//! - `ask` makes the calls.
//! - `check` is one question about the account, and what was found out.
//! - `account` checks the stack, the concurrency and the roles, `network` the zones and the
//!   quotas, and `names` the names that must be free.

mod account;
mod ask;
mod check;
mod names;
mod network;

use std::collections::{BTreeSet, VecDeque};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::{
    progress::Step,
    template::{self, STACK, rules::Estate, stack::Parameters},
    tools::python::Environment,
};
use account::Present;
use ask::{Answer, Call, Caller};
use check::Check;
pub use check::{Finding, Outcome};

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

/// The IAM actions that the checks of an environment need. Everyone may ask for the own identity.
pub fn permissions(estate: &Estate) -> BTreeSet<String> {
    let present = Present::default();
    let calls = checks(estate, &present).into_iter().flat_map(|check| check.calls);
    let mut permissions: BTreeSet<String> = calls.map(|call| call.permission()).collect();
    // These are needed if the stack is there already.
    permissions.extend(account::PERMISSIONS.map(str::to_owned));
    permissions
}

/// The types and properties with a fixed name that no check looks for.
pub fn fixed_names(estate: &Estate) -> BTreeSet<(String, String)> {
    names::unchecked(estate)
}

/// The region and the parameters of an environment that is deployed to AWS.
fn find(environment: &str) -> Result<(Option<String>, Parameters)> {
    let mut environments = template::environments()?;
    let known: Vec<_> = environments.keys().cloned().collect();
    let known = known.join(", ");
    environments.remove(environment).with_context(|| {
        if environment == "local" {
            format!("the environment local belongs to `cargo local deploy`. Those that are deployed to AWS are {known}")
        } else {
            format!("samconfig.toml has no environment {environment}. It has {known}")
        }
    })
}

/// The region of the environment, or else of the caller, who must have credentials too.
fn settled(region: Option<String>, caller: Caller) -> Result<String> {
    let mut missing = Vec::new();
    if !caller.has_credentials {
        missing.push("No credentials were found. Sign in (`aws sso login`), or set AWS_PROFILE.");
    }
    let region = region.or(caller.region);
    if region.is_none() {
        missing.push("No region was found. Set AWS_DEFAULT_REGION, or a region in the profile that AWS_PROFILE names.");
    }
    match region {
        Some(region) if missing.is_empty() => Ok(region),
        _ => bail!("{}", missing.join(" ")),
    }
}

/// Checks the account and the region in which `sam deploy --config-env` would deploy an environment,
/// and calls `show` with each finding as soon as it is there. The tools are installed if they are
/// missing.
///
/// # Errors
/// If there is no such environment, or the caller has no account or no region.
pub fn run(environment: &str, mut show: impl FnMut(&Finding)) -> Result<()> {
    let (region, parameters) = find(environment)?;
    Environment::Tools.install()?;
    let step = Step::begin("Asking AWS for the account");
    let caller = ask::caller()?;
    let is_unread = region.is_none() && caller.is_unread;
    let region = settled(region, caller)?;
    let whoami = Call::new("sts", "get_caller_identity", json!({}), "Account").in_region(&region);
    let account = match &ask::answers(&[whoami])?[..] {
        [Answer::Is(account)] => template::stack::text(account),
        [Answer::Unknown(why)] => bail!("{why}."),
        _ => bail!("the account is not known"),
    };
    step.done();
    show(&Finding::fine(format!(
        "The stack {STACK} would be deployed to the account {account} in {region}."
    )));
    if is_unread {
        show(&Finding::warning(format!(
            "The region is only in AWS_REGION, which `sam deploy` does not read. Set it with `export AWS_DEFAULT_REGION={region}` before you deploy."
        )));
    }
    let (estate, _) = template::estate(environment, &(Some(region.clone()), parameters))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_the_caller_lacks_is_said_at_once() {
        let settled = |own: Option<&str>, region: Option<&str>, has_credentials| {
            let mut caller = Caller::default();
            (caller.region, caller.has_credentials) = (region.map(str::to_owned), has_credentials);
            super::settled(own.map(str::to_owned), caller).map_err(|error| error.to_string())
        };
        assert_eq!(settled(Some("eu-west-1"), Some("us-east-1"), true).unwrap(), "eu-west-1");
        assert_eq!(settled(None, Some("us-east-1"), true).unwrap(), "us-east-1");
        let both = settled(None, None, false).unwrap_err();
        assert!(both.contains("No credentials") && both.contains("No region"), "{both}");
        let credentials = settled(Some("eu-west-1"), None, false).unwrap_err();
        assert!(!credentials.contains("No region"), "{credentials}");
        let region = settled(None, None, true).unwrap_err();
        assert!(!region.contains("No credentials"), "{region}");
    }

    #[test]
    fn an_environment_that_is_not_deployed_to_aws_is_refused() {
        assert!(find("growth").is_ok());
        for (name, says) in [
            ("grwth", "no environment grwth. It has growth, scale"),
            ("local", "`cargo local deploy`"),
        ] {
            let error = find(name).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
