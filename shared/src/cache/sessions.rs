//! Sessions: short-lived tokens that stand for an API key.
//!
//! A token is `ses_<tenant>.<43 characters>`, 256 random bits in base64url. Only its SHA-256 hash
//! is kept. A session is valid only while it is also in the index of its tenant, so that a session
//! which cannot be found there, for whatever reason, cannot be used either.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use redis::{AsyncCommands, Script};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use super::{Cache, keys};
use crate::{
    job::{KeyHash, Scopes, TenantId, hex},
    page::Page,
    store::{Store, StoreError, parse},
};

/// The most sessions of a tenant at the same time.
pub const MOST_SESSIONS: usize = 1_000;
/// The latest end of a session after it was opened, however often it is used.
pub const LONGEST: Duration = Duration::days(1);
/// The length of the random part of a token.
const SECRET: usize = 43;
/// The hexadecimal digits of the hash that are in the id of a session.
const DIGITS: usize = 20;

/// A session. `key` is the API key with which it was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub key: KeyHash,
    pub scopes: Scopes,
    /// Seconds since 1970, as all times here.
    pub created_at: i64,
    pub ttl_seconds: i64,
    /// Whether each use moves the end to `ttl_seconds` after it.
    pub sliding: bool,
    /// The end that no use moves.
    pub not_after: i64,
    /// The present end. It is not stored here, because it changes.
    #[serde(skip)]
    pub expires_at: i64,
}

impl Session {
    /// A session that begins now.
    pub fn new(key: KeyHash, scopes: Scopes, ttl_seconds: i64, sliding: bool, now: OffsetDateTime) -> Self {
        let created_at = now.unix_timestamp();
        let expires_at = created_at + ttl_seconds;
        Self {
            key,
            scopes,
            created_at,
            ttl_seconds,
            sliding,
            not_after: if sliding {
                created_at + LONGEST.whole_seconds()
            } else {
                expires_at
            },
            expires_at,
        }
    }
}

/// The token of a session, as far as it is kept: its tenant and its hash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub tenant: TenantId,
    hash: String,
}

impl Token {
    /// Makes a token from the random numbers of the operating system.
    ///
    /// # Errors
    /// If it has none.
    pub fn fresh(tenant: &TenantId) -> Result<(SecretString, Self), StoreError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(StoreError::because(Store::Cache, "make a session"))?;
        let secret = SecretString::from(format!("ses_{tenant}.{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)));
        let token = Self {
            tenant: tenant.clone(),
            hash: hex(&Sha256::digest(secret.expose_secret())),
        };
        Ok((secret, token))
    }

    /// Reads a token. It is `None` if the text does not have the form of one.
    pub fn read(text: &SecretString) -> Option<Self> {
        let (tenant, secret) = text.expose_secret().strip_prefix("ses_")?.split_once('.')?;
        let is_secret = secret.len() == SECRET && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        Some(Self {
            tenant: tenant.to_owned().try_into().ok().filter(|_| is_secret)?,
            hash: hex(&Sha256::digest(text.expose_secret())),
        })
    }

    /// The public id of the session.
    pub fn id(&self) -> SessionId {
        SessionId::of_hash(&self.hash)
    }
}

/// The public id of a session: `ses_` and the first 20 hexadecimal digits of the hash of its token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SessionId(String);

impl SessionId {
    fn of_hash(hash: &str) -> Self {
        Self(format!("ses_{}", hash.get(..DIGITS).unwrap_or_default()))
    }

    /// Reads an id. It is `None` if the text does not have the form of one.
    pub fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("ses_")?;
        let is_id = digits.len() == DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_id.then(|| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn digits(&self) -> &str {
        &self.0["ses_".len()..]
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Opens a session unless there are too many. The index is kept as long as any session can last.
const OPEN: &str = "
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[5]) then return 0 end
redis.call('SET', KEYS[2], ARGV[4], 'EXAT', ARGV[2])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[6])
return 1";

/// Finds a session and its end, and moves the end of a sliding one.
const USE: &str = "
local json = redis.call('GET', KEYS[2])
local ends = redis.call('ZSCORE', KEYS[1], ARGV[2])
if not json or not ends then return false end
local session = cjson.decode(json)
if session.sliding then
  ends = math.min(ARGV[1] + session.ttl_seconds, session.not_after)
  redis.call('EXPIREAT', KEYS[2], ends)
  redis.call('ZADD', KEYS[1], 'XX', ends, ARGV[2])
end
return {json, tonumber(ends)}";

/// Ends the session whose hash begins with these digits.
const END: &str = "
for _, hash in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.sub(hash, 1, #ARGV[1]) == ARGV[1] then return redis.call('ZREM', KEYS[1], hash) end
end
return 0";

/// Ends all sessions, and says how many there were.
const END_ALL: &str = "
local sessions = redis.call('ZCOUNT', KEYS[1], ARGV[1], '+inf')
redis.call('UNLINK', KEYS[1])
return sessions";

impl Cache {
    /// Opens a session. It is refused, with `false`, if the tenant has too many.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn open_session(&self, token: &Token, session: &Session) -> Result<bool, StoreError> {
        const OPERATION: &str = "open a session";
        let json = serde_json::to_string(session).map_err(StoreError::because(Store::Cache, OPERATION))?;
        self.ask(OPERATION, async |mut connection| {
            let opened: i64 = Script::new(OPEN)
                .key(keys::sessions(&token.tenant))
                .key(keys::session(&token.tenant, &token.hash))
                .arg(session.created_at)
                .arg(session.expires_at)
                .arg(&token.hash)
                .arg(json)
                .arg(MOST_SESSIONS)
                .arg(LONGEST.whole_seconds())
                .invoke_async(&mut connection)
                .await?;
            Ok(opened == 1)
        })
        .await
    }

    /// Finds a session that has not ended. This is a use of it: a sliding session lasts longer
    /// then.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn use_session(&self, token: &Token, now: OffsetDateTime) -> Result<Option<Session>, StoreError> {
        self.ask("find a session", async |mut connection| {
            let found: Option<(String, i64)> = Script::new(USE)
                .key(keys::sessions(&token.tenant))
                .key(keys::session(&token.tenant, &token.hash))
                .arg(now.unix_timestamp())
                .arg(&token.hash)
                .invoke_async(&mut connection)
                .await?;
            let read = found.map(|(json, expires_at)| {
                let session = parse::<Session>(&json)?;
                Ok(Session { expires_at, ..session })
            });
            read.transpose()
        })
        .await
    }

    /// The sessions of a tenant by their ids, after the one called `after`.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn sessions(
        &self,
        tenant: &TenantId,
        now: OffsetDateTime,
        limit: usize,
        after: Option<&SessionId>,
    ) -> Result<Page<(SessionId, Session)>, StoreError> {
        self.ask("list sessions", async |mut connection| {
            let now = now.unix_timestamp();
            let found: Vec<(String, i64)> = connection
                .zrangebyscore_withscores(keys::sessions(tenant), format!("({now}"), "+inf")
                .await?;
            let mut listed: Vec<_> = found
                .into_iter()
                .map(|(hash, expires_at)| (SessionId::of_hash(&hash), keys::session(tenant, &hash), expires_at))
                .filter(|(id, ..)| after.is_none_or(|after| id > after))
                .collect();
            listed.sort();
            let page = Page::first(listed, limit);
            if page.items.is_empty() {
                return Ok(Page::first(Vec::new(), limit));
            }
            let keys: Vec<_> = page.items.iter().map(|(_, key, _)| key).collect();
            let values: Vec<Option<String>> = connection.mget(&keys).await?;
            let mut items = Vec::new();
            for ((id, _, expires_at), json) in page.items.into_iter().zip(values) {
                // A session may end between the two questions.
                if let Some(json) = json {
                    let session = parse::<Session>(&json)?;
                    items.push((id, Session { expires_at, ..session }));
                }
            }
            Ok(Page { items, more: page.more })
        })
        .await
    }

    /// Ends a session. It is `false` if the tenant has no such session.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn end_session(&self, tenant: &TenantId, id: &SessionId) -> Result<bool, StoreError> {
        self.ask("end a session", async |mut connection| {
            let ended: i64 = Script::new(END)
                .key(keys::sessions(tenant))
                .arg(id.digits())
                .invoke_async(&mut connection)
                .await?;
            Ok(ended == 1)
        })
        .await
    }

    /// Ends all sessions of a tenant, and says how many there were.
    ///
    /// # Errors
    /// If Valkey does not answer.
    pub async fn end_sessions(&self, tenant: &TenantId, now: OffsetDateTime) -> Result<u64, StoreError> {
        self.ask("end all sessions", async |mut connection| {
            let ended: u64 = Script::new(END_ALL)
                .key(keys::sessions(tenant))
                .arg(now.unix_timestamp())
                .invoke_async(&mut connection)
                .await?;
            Ok(ended)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_one_form() {
        let tenant: TenantId = "acme-1".to_owned().try_into().unwrap();
        let (secret, token) = Token::fresh(&tenant).unwrap();
        let text = secret.expose_secret().to_owned();
        assert!(
            text.starts_with("ses_acme-1.") && text.len() == "ses_acme-1.".len() + SECRET,
            "{text}"
        );
        assert_eq!(Token::read(&secret), Some(token.clone()));
        assert_eq!(SessionId::read(token.id().as_str()), Some(token.id()));
        for wrong in [
            "",
            "ses_",
            "sk_local_demo",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text}a"),
            &text.replace('.', "}."),
        ] {
            assert_eq!(Token::read(&wrong.to_owned().into()), None, "{wrong}");
        }
        for wrong in ["", "ses_", "ses_0123456789abcdef012", "ses_0123456789abcdef012G", &text] {
            assert_eq!(SessionId::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_session_is_kept_without_its_present_end() {
        let session = Session::new(KeyHash::of("sk"), Scopes::SESSION, 900, true, OffsetDateTime::UNIX_EPOCH);
        assert_eq!((session.expires_at, session.not_after), (900, 86_400));
        let json = serde_json::to_string(&session).unwrap();
        let read: Session = parse(&json).unwrap();
        assert_eq!((read.expires_at, read.scopes), (0, Scopes::SESSION));
        let fixed = Session::new(session.key, Scopes::SESSION, 900, false, OffsetDateTime::UNIX_EPOCH);
        assert_eq!(fixed.not_after, fixed.expires_at);
    }
}
