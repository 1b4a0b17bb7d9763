//! What the directory knows of a tenant and of a key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::item::{Attributes, Item, json, moment, number, text};
use crate::{
    job::{KeyHash, KeyId, Plan, Scopes, TenantId},
    quota::{Overrides, Rate},
    store::{BoxError, parse_value},
};

/// A tenant and its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub plan: Plan,
}

/// Whether a tenant may use the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The tenant may use the service.
    #[default]
    Active,
    /// Every request of the tenant is refused. Its keys, sessions and jobs stay.
    Suspended,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Tenant)]
pub struct TenantRecord {
    /// The name of the tenant. It never changes.
    #[schema(value_type = String, examples("acme"))]
    pub id: TenantId,
    pub plan: Plan,
    pub status: Standing,
    /// Limits in the place of those of the plan.
    pub limits: Overrides,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When the keys expire, in seconds since 1970, or `None` if they do not.
    #[serde(skip)]
    pub(super) keys: BTreeMap<KeyHash, Option<i64>>,
    /// How often the tenant or its keys were changed.
    #[serde(skip)]
    pub(super) version: i64,
}

impl TenantRecord {
    pub(super) fn new(tenant: &Tenant, limits: Overrides, now: OffsetDateTime) -> Self {
        Self {
            id: tenant.id.clone(),
            plan: tenant.plan,
            status: Standing::Active,
            limits,
            created_at: now,
            keys: BTreeMap::new(),
            version: 0,
        }
    }

    pub(super) fn item_id(id: &TenantId) -> String {
        format!("tenant#{id}")
    }

    pub(super) fn read(id: TenantId, item: &Item) -> Result<Self, BoxError> {
        Ok(Self {
            id,
            plan: plan(item)?,
            // An unknown status is not taken for `active`, so that an older version lets nobody in.
            status: text(item, "status").map_or(Ok(Standing::Active), |status| parse_value(status.into()))?,
            limits: json(item, "limits")?.unwrap_or_default(),
            created_at: moment(item, "created_at").unwrap_or(OffsetDateTime::UNIX_EPOCH),
            keys: json(item, "keys")?.unwrap_or_default(),
            version: number(item, "version").unwrap_or_default(),
        })
    }

    pub(super) fn item(&self) -> Result<Item, BoxError> {
        let status = match self.status {
            Standing::Active => "active",
            Standing::Suspended => "suspended",
        };
        let attributes = Attributes::default()
            .text("id", Self::item_id(&self.id))
            .text("listed_under", "tenants")
            .text("plan", self.plan.as_str())
            .text("status", status)
            .json("limits", Some(&self.limits))?
            .moment("created_at", Some(self.created_at))
            .json("keys", Some(&self.keys))?
            .number("version", Some(self.version));
        Ok(attributes.into_item())
    }
}

/// An API key, without the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyRecord {
    /// The name of the key in paths, in usage and in the audit log.
    #[schema(value_type = String, examples("key_b1a5c9e07d3f42686e10"))]
    pub id: KeyId,
    #[schema(value_type = String, examples("acme"))]
    pub tenant: TenantId,
    /// What people call the key.
    pub name: String,
    /// The first characters of the key, so that people recognise it.
    #[schema(examples("sk_4f9a2…"))]
    pub prefix: String,
    #[schema(value_type = Vec<crate::job::Scope>)]
    pub scopes: Scopes,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When the key expires. Absent if it does not.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<OffsetDateTime>,
    /// The submissions of this key, in the place of those that the plan and the tenant allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Rate>,
    /// The key that has taken the place of this one. Absent if the key was not rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub replaced_by: Option<KeyId>,
    #[serde(skip)]
    pub(super) hash: KeyHash,
    /// The plan of the tenant when the key was made. It counts if the directory has no item of the
    /// tenant.
    #[serde(skip)]
    pub(super) plan: Plan,
}

impl KeyRecord {
    pub(super) fn item_id(hash: &KeyHash) -> String {
        format!("key#{hash}")
    }

    pub(super) fn read(hash: KeyHash, item: &Item) -> Result<Self, BoxError> {
        let owned = |name| text(item, name).unwrap_or_default().to_owned();
        Ok(Self {
            id: hash.id(),
            tenant: owned("tenant").try_into()?,
            name: owned("name"),
            prefix: owned("prefix"),
            scopes: text(item, "scopes").map_or(Scopes::BEFORE, Scopes::stored),
            created_at: moment(item, "created_at").unwrap_or(OffsetDateTime::UNIX_EPOCH),
            expires_at: moment(item, "expires_at"),
            limits: json(item, "limits")?,
            replaced_by: text(item, "replaced_by").map(|id| id.to_owned().try_into()).transpose()?,
            hash,
            plan: plan(item)?,
        })
    }

    pub(super) fn item(&self) -> Result<Item, BoxError> {
        let mut attributes = Attributes::default()
            .text("id", Self::item_id(&self.hash))
            .text("listed_under", format!("keys#{}", self.tenant))
            .text("tenant", self.tenant.to_string())
            // Processes of the version before read the plan here.
            .text("plan", self.plan.as_str())
            .text("name", &self.name)
            .text("prefix", &self.prefix)
            .text("scopes", self.scopes.to_string())
            .moment("created_at", Some(self.created_at))
            .moment("expires_at", self.expires_at)
            .json("limits", self.limits.as_ref())?;
        if let Some(replaced_by) = &self.replaced_by {
            attributes = attributes.text("replaced_by", replaced_by.as_str());
        }
        Ok(attributes.into_item())
    }

    /// Whether the key has expired. DynamoDB may take days to delete its item.
    pub(super) fn has_expired(&self, now: OffsetDateTime) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}

fn plan(item: &Item) -> Result<Plan, BoxError> {
    parse_value(text(item, "plan").unwrap_or_default().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> KeyRecord {
        let hash = KeyHash::of("sk_test");
        KeyRecord {
            id: hash.id(),
            tenant: "acme".to_owned().try_into().unwrap(),
            name: "Nightly import".to_owned(),
            prefix: "sk_test…".to_owned(),
            scopes: Scopes::SESSION,
            created_at: OffsetDateTime::UNIX_EPOCH,
            expires_at: Some(OffsetDateTime::UNIX_EPOCH),
            limits: Rate::new(60, 5).ok(),
            replaced_by: Some(hash.id()),
            hash,
            plan: Plan::Pro,
        }
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        let key = key();
        assert_eq!(KeyRecord::read(key.hash, &key.item().unwrap()).unwrap(), key);
        let mut tenant = TenantRecord::new(
            &Tenant {
                id: key.tenant.clone(),
                plan: Plan::Free,
            },
            Overrides {
                key: key.limits,
                ..Overrides::default()
            },
            OffsetDateTime::UNIX_EPOCH,
        );
        tenant.status = Standing::Suspended;
        tenant.keys = BTreeMap::from([(key.hash, Some(7))]);
        assert_eq!(TenantRecord::read(key.tenant, &tenant.item().unwrap()).unwrap(), tenant);
    }

    #[test]
    fn a_resource_does_not_show_the_hash() {
        let key = key();
        let shown = serde_json::to_string(&key).unwrap();
        assert!(!shown.contains(&key.hash.to_string()), "{shown}");
    }

    #[test]
    fn a_key_of_before_there_were_scopes_is_read() {
        let item = Attributes::default().text("tenant", "acme").text("plan", "pro").into_item();
        let key = KeyRecord::read(KeyHash::of("sk_old"), &item).unwrap();
        assert_eq!((key.scopes, key.plan, key.expires_at), (Scopes::BEFORE, Plan::Pro, None));
    }
}
