//! A submission with an idempotency key, and what an earlier one has led to.

use aws_sdk_dynamodb::types::AttributeValue;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use super::item::{Item, item, seconds, text};
use crate::{
    job::{JobId, TenantId, hex},
    store::BoxError,
};

/// How long a key is kept.
const KEPT: Duration = Duration::hours(24);
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

    pub(super) fn item(&self, job: &JobId, now: OffsetDateTime) -> Item {
        item([
            ("id", AttributeValue::S(self.item_id())),
            ("tenant", AttributeValue::S(self.tenant.to_string())),
            ("job", AttributeValue::S(job.to_string())),
            ("body", AttributeValue::S(self.body.clone())),
            ("expires_at", seconds(now + KEPT)),
        ])
    }

    pub(super) fn earlier(&self, item: &Item) -> Result<Earlier, BoxError> {
        Ok(Earlier {
            job: text(item, "job")?.parse()?,
            is_same: text(item, "body")? == self.body,
        })
    }
}
