//! A submission with an idempotency key, and what an earlier one has led to.

use aws_sdk_dynamodb::types::AttributeValue;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use super::item::{Item, item, number, seconds, text};
use crate::{
    job::{JobId, KeyId, TenantId, hex},
    store::BoxError,
};

/// How long a key is kept.
const KEPT: Duration = Duration::hours(24);
/// How long after a message was sent again a further repetition does not send it once more.
const SENT_AGAIN: Duration = Duration::minutes(1);

/// A submission that its client may repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeatable {
    tenant: TenantId,
    key: String,
    body: String,
}

/// What an earlier submission with the same key has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    pub job: JobId,
    /// The key that submitted the job.
    pub key: Option<KeyId>,
    /// Whether the message of the job was sent again a moment ago.
    pub was_sent_again_lately: bool,
    /// Whether the earlier submission asked for the same.
    pub is_same: bool,
}

impl Repeatable {
    /// A submission of `tenant` with an idempotency key. `body` is everything that it asks for.
    pub fn new(tenant: &TenantId, key: &str, body: &[u8]) -> Self {
        Self {
            tenant: tenant.clone(),
            key: hex(&Sha256::digest(key)),
            body: hex(&Sha256::digest(body)),
        }
    }

    pub(super) fn item_id(&self) -> String {
        format!("idempotency#{}#{}", self.tenant, self.key)
    }

    pub(super) fn item(&self, job: &JobId, key: Option<&KeyId>, now: OffsetDateTime) -> Item {
        let mut repeatable = item([
            ("id", AttributeValue::S(self.item_id())),
            ("tenant", AttributeValue::S(self.tenant.to_string())),
            ("job", AttributeValue::S(job.to_string())),
            ("body", AttributeValue::S(self.body.clone())),
            ("expires_at", seconds(now + KEPT)),
        ]);
        repeatable.extend(key.map(|key| ("submitted_by".to_owned(), AttributeValue::S(key.to_string()))));
        repeatable
    }

    pub(super) fn earlier(&self, item: &Item) -> Result<Earlier, BoxError> {
        let sent_again_at: Option<i64> = item.get("sent_again_at").map(number).transpose()?;
        let lately = (OffsetDateTime::now_utc() - SENT_AGAIN).unix_timestamp();
        let key = item.get("submitted_by").and_then(|key| key.as_s().ok()).cloned();
        Ok(Earlier {
            job: text(item, "job")?.parse()?,
            key: key.map(TryInto::try_into).transpose()?,
            was_sent_again_lately: sent_again_at.is_some_and(|at| at > lately),
            is_same: text(item, "body")? == self.body,
        })
    }
}
