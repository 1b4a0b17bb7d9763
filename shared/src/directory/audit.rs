//! The audit log: who did what to a tenant, its keys and its sessions.
//!
//! An entry is the item `audit#<UUIDv7>` of the directory, with `entry` (JSON). It is written in
//! one transaction with the act itself, and kept for 400 days.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use super::item::{Attributes, Item, json};
use crate::{
    job::{KeyId, Scopes, TenantId},
    store::BoxError,
};

/// How long an entry is kept.
const KEPT: Duration = Duration::days(400);

/// Who acts.
#[derive(Clone, Debug)]
pub struct Actor {
    pub tenant: TenantId,
    pub key: KeyId,
    pub scopes: Scopes,
    /// The id of the request, which the logs have too.
    pub request_id: String,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Action {
    #[serde(rename = "tenant.created")]
    TenantCreated,
    #[serde(rename = "tenant.changed")]
    TenantChanged,
    #[serde(rename = "key.created")]
    KeyCreated,
    #[serde(rename = "key.rotated")]
    KeyRotated,
    #[serde(rename = "key.revoked")]
    KeyRevoked,
    /// All sessions of the tenant were ended.
    #[serde(rename = "sessions.revoked")]
    SessionsRevoked,
    /// Dead letters were sent to their lanes again.
    #[serde(rename = "dead_letter.replayed")]
    DeadLetterReplayed,
    /// Dead letters were deleted.
    #[serde(rename = "dead_letter.purged")]
    DeadLetterPurged,
}

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct Entry {
    #[schema(examples("0193a5c0-7c1e-7d3a-9b52-6f1f0f6f2a11"))]
    pub id: String,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The tenant to which it was done.
    #[schema(value_type = String, examples("acme"))]
    pub tenant: TenantId,
    pub action: Action,
    /// The id of what was changed: a tenant, a key, a dead letter or a selection of dead letters.
    #[schema(examples("key_b1a5c9e07d3f42686e10"))]
    pub subject: String,
    pub actor: By,
    /// What was changed, by the names of the fields. It never holds a key.
    pub changes: Value,
    /// The `X-Request-Id` of the request that did it.
    pub request_id: String,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditActor)]
pub struct By {
    #[schema(value_type = String, examples("operator"))]
    pub tenant: TenantId,
    #[schema(value_type = String, examples("key_b1a5c9e07d3f42686e10"))]
    pub key: KeyId,
}

impl Entry {
    pub(super) fn new(actor: &Actor, tenant: &TenantId, action: Action, subject: &impl ToString, changes: Value) -> Self {
        Self {
            id: Uuid::now_v7().to_string(),
            at: OffsetDateTime::now_utc(),
            tenant: tenant.clone(),
            action,
            subject: subject.to_string(),
            actor: By {
                tenant: actor.tenant.clone(),
                key: actor.key.clone(),
            },
            changes,
            request_id: actor.request_id.clone(),
        }
    }

    pub(super) fn item_id(id: &str) -> String {
        format!("audit#{id}")
    }

    pub(super) fn item(&self) -> Result<Item, BoxError> {
        let attributes = Attributes::default()
            .text("id", Self::item_id(&self.id))
            .text("listed_under", format!("audit#{}", self.tenant))
            .json("entry", Some(self))?
            .moment("expires_at", Some(self.at + KEPT));
        Ok(attributes.into_item())
    }

    pub(super) fn read(item: &Item) -> Result<Self, BoxError> {
        json(item, "entry")?.ok_or_else(|| "an item of the audit log has no entry".into())
    }
}
