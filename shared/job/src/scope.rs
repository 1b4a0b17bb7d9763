//! What an API key or a session may do.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A right that an API key or a session has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Scope {
    /// To read summaries.
    #[serde(rename = "summaries:read")]
    SummariesRead,
    /// To submit texts.
    #[serde(rename = "summaries:write")]
    SummariesWrite,
    /// To read how much the tenant has used.
    #[serde(rename = "usage:read")]
    UsageRead,
    /// To make, change and revoke the API keys of the tenant, and to read its audit log.
    #[serde(rename = "keys")]
    Keys,
    /// To make, list and end sessions of the tenant.
    #[serde(rename = "sessions")]
    Sessions,
    /// To do the same for every tenant, and to make and change tenants.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// All scopes, in the order in which they are listed.
    pub const ALL: [Self; 6] = [
        Self::SummariesRead,
        Self::SummariesWrite,
        Self::UsageRead,
        Self::Keys,
        Self::Sessions,
        Self::Admin,
    ];

    /// The name, as it is written in requests and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SummariesRead => "summaries:read",
            Self::SummariesWrite => "summaries:write",
            Self::UsageRead => "usage:read",
            Self::Keys => "keys",
            Self::Sessions => "sessions",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of scopes. In JSON it is a list.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Scope>", into = "Vec<Scope>")]
pub struct Scopes(u8);

impl Scopes {
    /// Every scope.
    pub const ALL: Self = Self::of(&Scope::ALL);
    /// The scopes of a key that was stored before there were scopes: all but `admin`.
    pub const BEFORE: Self = Self(Self::ALL.0 & !Scope::Admin.bit());
    /// The scopes with which texts are submitted and summaries are read.
    pub const SUMMARIES: Self = Self::of(&[Scope::SummariesRead, Scope::SummariesWrite]);
    /// The scopes that a session may have. A stolen session can make no keys and no sessions.
    pub const SESSION: Self = Self::of(&[Scope::SummariesRead, Scope::SummariesWrite, Scope::UsageRead]);

    /// The set of these scopes.
    pub const fn of(scopes: &[Scope]) -> Self {
        let (mut bits, mut index) = (0, 0);
        while index < scopes.len() {
            bits |= scopes[index].bit();
            index += 1;
        }
        Self(bits)
    }

    /// The scopes in a stored text, which separates them with spaces. A name that this version does
    /// not know is left out, so that an older version gives fewer rights and not an error.
    pub fn stored(text: &str) -> Self {
        let known = |name: &str| Scope::ALL.into_iter().find(|scope| scope.as_str() == name);
        text.split(' ').filter_map(known).collect()
    }

    /// Whether the scope is in this set.
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// The scopes that are in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The first scope of this set that is not in `holder`.
    pub fn missing_in(self, holder: Self) -> Option<Scope> {
        self.iter().find(|scope| !holder.has(*scope))
    }

    /// Whether the set has no scope.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes, in the order in which they are listed.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl From<Vec<Scope>> for Scopes {
    fn from(scopes: Vec<Scope>) -> Self {
        scopes.into_iter().collect()
    }
}

impl From<Scopes> for Vec<Scope> {
    fn from(scopes: Scopes) -> Self {
        scopes.iter().collect()
    }
}

/// The names, separated with spaces, as they are stored.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::as_str).collect();
        f.write_str(&names.join(" "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_everywhere() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
            assert_eq!(Scopes::stored(scope.as_str()), Scopes::of(&[scope]));
        }
        assert_eq!(Scopes::stored(&Scopes::ALL.to_string()), Scopes::ALL);
        assert_eq!(
            serde_json::from_str::<Scopes>(r#"["keys","keys"]"#).unwrap(),
            Scopes::of(&[Scope::Keys])
        );
    }

    #[test]
    fn an_unknown_stored_scope_gives_no_right() {
        assert_eq!(Scopes::stored("keys everything"), Scopes::of(&[Scope::Keys]));
        assert!(Scopes::stored("").is_empty());
    }

    #[test]
    fn neither_an_old_key_nor_a_session_is_an_admin() {
        assert!(!Scopes::BEFORE.has(Scope::Admin) && Scopes::BEFORE.has(Scope::Keys));
        assert_eq!(Scopes::ALL.missing_in(Scopes::BEFORE), Some(Scope::Admin));
        for scope in [Scope::Keys, Scope::Sessions, Scope::Admin] {
            assert!(!Scopes::SESSION.has(scope));
        }
        assert_eq!(Scopes::SESSION.missing_in(Scopes::BEFORE), None);
    }
}
