//! Tenants, their keys and their plans.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::fingerprint::hex;

/// The name of a tenant. It has 1 to 40 of the characters `a-z`, `0-9` and `-`, so that it can be
/// used in cache keys, message groups and logs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

/// The text is not the name of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a tenant, expected 1 to 40 of the characters a-z, 0-9 and -, such as `acme`")]
pub struct InvalidTenant;

impl TenantId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TenantId {
    type Error = InvalidTenant;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let named = (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        named.then_some(Self(text)).ok_or(InvalidTenant)
    }
}

impl From<TenantId> for String {
    fn from(tenant: TenantId) -> Self {
        tenant.0
    }
}

/// The name of an API key. It is `key_` and the first 20 hexadecimal digits of the SHA-256 hash of the
/// key. It identifies the key in lists, in usage and in logs, and is no secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

/// The text is not the name of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a key, expected `key_` and 20 of the characters 0-9 and a-f")]
pub struct InvalidKeyId;

impl KeyId {
    const PREFIX: &str = "key_";
    const DIGITS: usize = 20;

    /// The name of the key with this SHA-256 hash.
    pub fn of_hash(hash: &[u8; 32]) -> Self {
        Self(format!("{}{}", Self::PREFIX, &hex(hash)[..Self::DIGITS]))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for KeyId {
    type Error = InvalidKeyId;

    fn try_from(text: String) -> Result<Self, InvalidKeyId> {
        let digits = text.strip_prefix(Self::PREFIX).ok_or(InvalidKeyId)?;
        let is_name = digits.len() == Self::DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_name.then_some(Self(text)).ok_or(InvalidKeyId)
    }
}

impl From<KeyId> for String {
    fn from(key: KeyId) -> Self {
        key.0
    }
}

/// What a tenant has paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// The tenant may use every priority except `express`.
    Free,
    /// The tenant may use every priority.
    Pro,
    /// The tenant may use every priority, and may submit much more.
    Enterprise,
}

impl Plan {
    /// The name, as it is written in requests and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
        }
    }
}
