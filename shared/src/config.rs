//! Settings from environment variables. They are read once per cold start.

use std::{env, str::FromStr};

/// A setting is missing or has a wrong value. The error does not contain the value, because it may
/// be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The variable is not set, or is empty.
    #[error("the environment variable {0} is not set; deploy the function with template.yaml, which sets it")]
    Missing(&'static str),
    /// The variable has a value that cannot be used.
    #[error("the environment variable {name} has a wrong value; it must be {expected}")]
    Invalid {
        /// The name of the variable.
        name: &'static str,
        /// What the value must be.
        expected: &'static str,
    },
    /// The settings ask for signed tokens, but there are no credentials to sign them with.
    #[error(transparent)]
    NoCredentials(#[from] crate::tokens::NoCredentials),
}

/// Reads a variable that must be set.
///
/// # Errors
/// If it is not set or is empty.
pub fn required(name: &'static str) -> Result<String, ConfigError> {
    optional(name).ok_or(ConfigError::Missing(name))
}

/// Reads a variable that may be missing. An empty variable counts as missing.
pub fn optional(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads and parses a variable that must be set. `expected` describes its values in an error.
///
/// # Errors
/// If it is not set, is empty, or cannot be parsed.
pub fn parsed<T: FromStr>(name: &'static str, expected: &'static str) -> Result<T, ConfigError> {
    optional_parsed(name, expected)?.ok_or(ConfigError::Missing(name))
}

/// Reads and parses a variable that may be missing. An empty variable counts as missing.
///
/// # Errors
/// If it cannot be parsed.
pub fn optional_parsed<T: FromStr>(name: &'static str, expected: &'static str) -> Result<Option<T>, ConfigError> {
    let value = optional(name).map(|value| value.parse());
    value.transpose().map_err(|_| ConfigError::Invalid { name, expected })
}

/// The configuration of the AWS SDK from the environment: region, credentials, endpoints, and
/// timeouts.
pub async fn aws() -> aws_config::SdkConfig {
    let timeouts = aws_config::timeout::TimeoutConfig::builder()
        .connect_timeout(std::time::Duration::from_secs(1))
        .operation_attempt_timeout(std::time::Duration::from_secs(3))
        .operation_timeout(std::time::Duration::from_secs(8))
        .build();
    aws_config::defaults(aws_config::BehaviorVersion::v2026_01_12())
        .timeout_config(timeouts)
        .load()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variable_is_named() {
        let error = required("SUMMAREASE_NOT_SET").unwrap_err();
        assert!(error.to_string().contains("SUMMAREASE_NOT_SET"));
    }
}
