//! The hash of an API key, which stands for it in every store.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{fingerprint::hex, tenant::KeyId};

/// The SHA-256 hash of an API key. As text it is 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyHash([u8; 32]);

/// The text is not the hash of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hash of a key must be 64 of the characters 0-9 and a-f")]
pub struct InvalidKeyHash;

impl KeyHash {
    /// The hash of a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// The name of the key.
    pub fn id(&self) -> KeyId {
        KeyId::of_hash(&self.0)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({})", self.id())
    }
}

impl TryFrom<String> for KeyHash {
    type Error = InvalidKeyHash;

    fn try_from(text: String) -> Result<Self, InvalidKeyHash> {
        let digits = text.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 64 {
            return Err(InvalidKeyHash);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| InvalidKeyHash)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| InvalidKeyHash)?;
        }
        let hash = Self(bytes);
        (hash.to_string() == text).then_some(hash).ok_or(InvalidKeyHash)
    }
}

impl From<KeyHash> for String {
    fn from(hash: KeyHash) -> Self {
        hash.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_from_its_text_and_is_not_shown() {
        let hash = KeyHash::of("sk_local_demo");
        assert_eq!(hash.to_string().try_into(), Ok(hash));
        assert_eq!(format!("{hash:?}"), format!("KeyHash({})", hash.id()));
        for wrong in ["", "f00d", &"g".repeat(64), &"A".repeat(64), &"é".repeat(32), &"+1".repeat(32)] {
            assert_eq!(KeyHash::try_from(wrong.to_owned()), Err(InvalidKeyHash), "{wrong}");
        }
    }
}
