//! Read-only calls of AWS. boto3 makes them, which finds the account and the region in the same way
//! as `sam deploy`.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    checkout::workspace,
    tools::{process, python::Environment},
};

/// What to do without valid credentials.
const SIGN_IN: &str = "Sign in (`aws sso login`), or set AWS_PROFILE";

/// The codes with which AWS refuses credentials, apart from those that say `ExpiredToken`.
const SIGNED_OUT: [&str; 5] = [
    "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidAccessKeyId", "AuthFailure",
];

/// A read-only call of AWS.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Call {
    pub(super) service: &'static str,
    /// The operation, as boto3 spells it.
    pub(super) operation: &'static str,
    pub(super) parameters: Value,
    /// What is taken from the answer, in `JMESPath`.
    pub(super) query: String,
    pub(super) region: String,
}

/// What AWS answered to a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Is(Value),
    /// There is no such thing.
    Absent,
    /// AWS refused the call or did not answer. The text says why.
    Unknown(String),
}

impl Answer {
    /// The numbers, names or lists in the answer. An absent thing has none.
    pub(super) fn value(&self) -> &Value {
        match self {
            Self::Is(value) => value,
            Self::Absent | Self::Unknown(_) => &Value::Null,
        }
    }
}

impl Call {
    pub(super) fn new(service: &'static str, operation: &'static str, parameters: Value, query: impl Into<String>) -> Self {
        Self {
            service,
            operation,
            parameters,
            query: query.into(),
            region: String::new(),
        }
    }

    #[must_use]
    pub(super) fn in_region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    /// The IAM action that the caller needs.
    pub(super) fn permission(&self) -> String {
        if self.service == "apigatewayv2" {
            return "apigateway:GET".to_owned();
        }
        let action = match self.operation {
            "list_buckets" => "ListAllMyBuckets".to_owned(),
            operation => operation.split('_').map(capitalised).collect(),
        };
        let service = if self.service == "service-quotas" {
            "servicequotas"
        } else {
            self.service
        };
        format!("{service}:{action}")
    }

    fn read(&self, line: &str) -> Result<Answer> {
        let line: Value = serde_json::from_str(line).with_context(|| format!("boto3 printed {line}"))?;
        let failure = |kind: &str| {
            line[kind]
                .as_str()
                .map(|why| why.lines().next().unwrap_or_default().trim_end_matches('.'))
        };
        if let Some(url) = failure("unreachable") {
            return Ok(Answer::Unknown(format!(
                "AWS cannot be reached at {url}. Check the network and AWS_ENDPOINT_URL"
            )));
        }
        if let Some(why) = failure("signed_out") {
            return Ok(Answer::Unknown(format!("{why}. {SIGN_IN}")));
        }
        if let Some(why) = failure("unasked") {
            return Ok(Answer::Unknown(format!("{} could not be asked: {why}", self.permission())));
        }
        let Some(code) = line["code"].as_str() else {
            return Ok(Answer::Is(line["answer"].clone()));
        };
        let message = line["message"].as_str().unwrap_or_default();
        let is_absent = ["NotFound", "NoSuchEntity", "NoSuchResource", "NonExistent", "DoesNotExist"]
            .iter()
            .any(|sign| code.contains(sign));
        if is_absent || (code == "ValidationError" && message.contains("does not exist")) {
            return Ok(Answer::Absent);
        }
        let is_refused = ["AccessDenied", "Unauthorized", "NotAuthorized", "Forbidden"]
            .iter()
            .any(|sign| code.contains(sign));
        let is_signed_out = code.contains("ExpiredToken") || SIGNED_OUT.contains(&code);
        let message = message.lines().next().unwrap_or_default();
        Ok(Answer::Unknown(if is_refused {
            format!("the permission {} is missing", self.permission())
        } else if is_signed_out {
            format!("AWS does not accept the credentials ({code}: {message}). {SIGN_IN}")
        } else {
            format!("AWS answered {} with {code}: {}", self.permission(), message)
        }))
    }
}

fn capitalised(word: &str) -> String {
    if word == "db" {
        return "DB".to_owned();
    }
    let mut letters = word.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What is known of the caller without a call of AWS.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Caller {
    /// The region of the environment variables or of the profile.
    pub(super) region: Option<String>,
    /// Whether the region is only in `AWS_REGION`, which `sam deploy` does not read.
    #[serde(default)]
    pub(super) is_unread: bool,
    #[serde(default)]
    pub(super) has_credentials: bool,
    /// Why botocore refuses the settings, such as a profile that does not exist.
    refused: Option<String>,
}

impl Caller {
    fn check(self) -> Result<Self> {
        if let Some(why) = self.refused {
            bail!(
                "{}. Set AWS_PROFILE to a profile that `aws configure list-profiles` shows, or mend ~/.aws/config and the AWS variables of this shell.",
                why.trim_end_matches('.')
            );
        }
        Ok(self)
    }
}

/// Makes the calls one after the other, and calls `show` with each answer as soon as it is there.
///
/// # Errors
/// If boto3 does not run, or refuses the settings of the caller.
pub(super) fn ask(calls: &[Call], mut show: impl FnMut(Answer)) -> Result<Caller> {
    let mut command = Command::new(Environment::Tools.bin().join("python"));
    command
        .arg(workspace().join("infra/local/python/ask.py"))
        .arg(serde_json::to_string(calls)?);
    let (mut caller, mut waiting, mut failed) = (None, calls.iter(), None);
    process::run_showing(&mut command, "ask AWS", |line| {
        if caller.is_none() {
            caller = Some(serde_json::from_str::<Caller>(line));
            return;
        }
        match waiting.next().context("an answer has no call").and_then(|call| call.read(line)) {
            Ok(answer) => show(answer),
            Err(error) => failed = failed.take().or(Some(error)),
        }
    })?;
    let caller = caller.context("boto3 printed nothing")??.check()?;
    if let Some(error) = failed {
        return Err(error);
    }
    ensure!(waiting.len() == 0, "{} calls have no answer", waiting.len());
    Ok(caller)
}

/// The caller, without a call of AWS.
///
/// # Errors
/// As [`ask`].
pub(super) fn caller() -> Result<Caller> {
    ask(&[], |_| {})
}

/// Makes the calls and returns all answers.
///
/// # Errors
/// As [`ask`].
pub(super) fn answers(calls: &[Call]) -> Result<Vec<Answer>> {
    let mut answers = Vec::new();
    ask(calls, |answer| answers.push(answer))?;
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn refused_settings_say_what_to_do() {
        let read = |line: &str| serde_json::from_str::<Caller>(line).unwrap().check();
        let error = read(r#"{"refused":"The config profile (nope) could not be found"}"#).unwrap_err();
        let says = "The config profile (nope) could not be found. Set AWS_PROFILE to";
        assert!(error.to_string().starts_with(says), "{error}");
        let caller = read(r#"{"region":null,"has_credentials":true}"#).unwrap();
        assert!(caller.region.is_none() && caller.has_credentials);
    }

    #[test]
    fn a_call_names_its_permission() {
        for (service, operation, permission) in [
            ("lambda", "get_account_settings", "lambda:GetAccountSettings"),
            ("service-quotas", "get_service_quota", "servicequotas:GetServiceQuota"),
            ("rds", "describe_db_proxy_endpoints", "rds:DescribeDBProxyEndpoints"),
            ("s3", "list_buckets", "s3:ListAllMyBuckets"),
            ("apigatewayv2", "get_domain_name", "apigateway:GET"),
        ] {
            assert_eq!(Call::new(service, operation, json!({}), "@").permission(), permission);
        }
    }

    #[test]
    fn a_refusal_is_never_taken_for_an_absence() {
        let call = Call::new("iam", "get_role", json!({}), "Role");
        let read = |code: &str, message: &str| call.read(&json!({"code": code, "message": message}).to_string()).unwrap();
        assert_eq!(read("NoSuchEntity", ""), Answer::Absent);
        assert_eq!(read("DBProxyNotFoundFault", ""), Answer::Absent);
        assert_eq!(read("ValidationError", "Stack with id x does not exist"), Answer::Absent);
        for (code, says) in [
            ("AccessDenied", "the permission iam:GetRole is missing"),
            ("UnauthorizedOperation", "the permission iam:GetRole is missing"),
            ("ValidationError", "AWS answered iam:GetRole with ValidationError"),
            ("ExpiredToken", "Sign in"),
            ("InvalidClientTokenId", "Sign in"),
            ("500", "500"),
        ] {
            let Answer::Unknown(why) = read(code, "first line\nsecond line") else {
                panic!("{code} is taken for an answer");
            };
            assert!(why.contains(says) && !why.contains("second"), "{why}");
        }
        for (line, says) in [
            (
                r#"{"unreachable":"http://127.0.0.1:9"}"#,
                "AWS cannot be reached at http://127.0.0.1:9. Check the network and AWS_ENDPOINT_URL",
            ),
            (
                r#"{"signed_out":"The token has expired."}"#,
                "The token has expired. Sign in (`aws sso login`), or set AWS_PROFILE",
            ),
            (
                r#"{"unasked":"ValueError: Invalid endpoint: x"}"#,
                "iam:GetRole could not be asked: ValueError: Invalid endpoint: x",
            ),
        ] {
            assert_eq!(call.read(line).unwrap(), Answer::Unknown(says.to_owned()));
        }
        assert_eq!(call.read(r#"{"answer":3}"#).unwrap(), Answer::Is(json!(3)));
    }
}
