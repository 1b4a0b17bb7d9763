//! Settings from the environment, read once at cold start.

use std::{env, str::FromStr};

/// A setting is missing or wrong. The value is not repeated: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not set, or set to nothing.
    #[error("the environment variable {0} is not set; the template sets it")]
    Missing(&'static str),
    /// Set to something else than what it means.
    #[error("the environment variable {name} is not {expected}")]
    Invalid {
        /// Which variable.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// Tokens are asked for, and there is nothing to sign them with.
    #[error(transparent)]
    NoCredentials(#[from] crate::tokens::NoCredentials),
}

/// Reads a variable that must be there.
///
/// # Errors
/// If it is not set or empty.
pub fn required(name: &'static str) -> Result<String, ConfigError> {
    optional(name).ok_or(ConfigError::Missing(name))
}

/// Reads a variable that may be missing; an empty one is.
pub fn optional(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads and parses a variable that must be there.
///
/// # Errors
/// If it is not set, empty, or not `expected`.
pub fn parsed<T: FromStr>(name: &'static str, expected: &'static str) -> Result<T, ConfigError> {
    required(name)?.parse().map_err(|_| ConfigError::Invalid { name, expected })
}

/// The SDK configuration of this environment: region, credentials, endpoints, retries.
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
