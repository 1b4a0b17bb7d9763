//! What is done to tenants and their keys.
//!
//! Whoever gives or takes a key must have its scopes, so that no key can get more rights by these
//! acts than it has.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};

use super::{
    ActError, Action, Actor, Directory, Entry, KeyRecord, Standing, Tenant, TenantRecord,
    transaction::{Act, now},
};
use crate::{
    job::{KeyHash, KeyId, Plan, Scopes, TenantId, hex},
    quota::{Overrides, Rate},
    store::{Store, StoreError},
};

/// The most keys of a tenant that are valid at the same time.
pub const MOST_KEYS: usize = 50;
/// How many characters of a key are shown.
const PREFIX: usize = 8;

/// What a tenant is to be. What is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct TenantChange {
    pub plan: Option<Plan>,
    pub status: Option<Standing>,
    pub limits: Option<Overrides>,
}

/// A key that is to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub key: SecretString,
    pub name: String,
    pub scopes: Scopes,
    pub expires_at: Option<OffsetDateTime>,
    pub limits: Option<Rate>,
}

/// Makes a key: `sk_` and 48 hexadecimal digits from the random numbers of the operating system.
///
/// # Errors
/// If the operating system has none.
pub fn fresh_key() -> Result<SecretString, StoreError> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(StoreError::because(Store::Directory, "make a key"))?;
    Ok(format!("sk_{}", hex(&bytes)).into())
}

impl Directory {
    /// Makes a tenant.
    ///
    /// # Errors
    /// If it exists already, or DynamoDB does not answer.
    pub async fn create_tenant(&self, by: &Actor, tenant: &Tenant, limits: Overrides) -> Result<TenantRecord, ActError> {
        self.act(&tenant.id, None, |known, _| {
            if known.is_some() {
                return Err(ActError::Conflict(format!(
                    "There is a tenant `{}` already. Change it, or choose another id.",
                    tenant.id
                )));
            }
            let record = TenantRecord::new(tenant, limits, now());
            let changes = json!({"plan": record.plan, "limits": record.limits});
            Ok(Act {
                entry: Entry::new(by, &tenant.id, Action::TenantCreated, &tenant.id, changes),
                result: record.clone(),
                tenant: record,
                put: Vec::new(),
                delete: None,
            })
        })
        .await
    }

    /// Changes a tenant.
    ///
    /// # Errors
    /// If there is none, if the tenant of the actor is to be suspended, or DynamoDB does not
    /// answer.
    pub async fn change_tenant(&self, by: &Actor, id: &TenantId, change: TenantChange) -> Result<TenantRecord, ActError> {
        if by.tenant == *id && change.status == Some(Standing::Suspended) {
            let why = "A tenant cannot suspend itself, because nobody could activate it again. Use a key of another tenant.";
            return Err(ActError::Conflict(why.to_owned()));
        }
        self.act(id, None, |known, _| {
            let mut tenant = known.ok_or(ActError::NotFound)?;
            let mut changes = Map::new();
            let mut note = |field: &str, before: Value, after: Value| {
                if before != after {
                    changes.insert(field.to_owned(), json!({"before": before, "after": after}));
                }
            };
            if let Some(plan) = change.plan {
                note("plan", json!(tenant.plan), json!(plan));
                tenant.plan = plan;
            }
            if let Some(status) = change.status {
                note("status", json!(tenant.status), json!(status));
                tenant.status = status;
            }
            if let Some(limits) = change.limits {
                note("limits", json!(tenant.limits), json!(limits));
                tenant.limits = limits;
            }
            Ok(Act {
                entry: Entry::new(by, id, Action::TenantChanged, id, Value::Object(changes)),
                result: tenant.clone(),
                tenant,
                put: Vec::new(),
                delete: None,
            })
        })
        .await
    }

    /// Makes a key for a tenant. If the directory has no item of the tenant yet, because the tenant
    /// was there before such items, `plan` is its plan; without a plan, the tenant must exist.
    ///
    /// # Errors
    /// If there is no such tenant, if it has too many keys, if the actor lacks a scope of the new
    /// key, or if DynamoDB does not answer.
    pub async fn create_key(&self, by: &Actor, tenant: &TenantId, plan: Option<Plan>, new: &NewKey) -> Result<KeyRecord, ActError> {
        allowed(by, new.scopes)?;
        self.act(tenant, None, |known, _| {
            let mut tenant = begun(known, tenant, plan)?;
            let key = record(&tenant, new)?;
            admit(&mut tenant, &key)?;
            let mut changes = json!({"name": key.name, "scopes": key.scopes});
            if let Some(expires_at) = key.expires_at {
                changes["expires_at"] = rfc3339(expires_at);
            }
            if let Some(limits) = key.limits {
                changes["limits"] = json!(limits);
            }
            Ok(Act {
                entry: Entry::new(by, &tenant.id, Action::KeyCreated, &key.id, changes),
                tenant,
                put: vec![key.clone()],
                delete: None,
                result: key,
            })
        })
        .await
    }

    /// Makes a key that takes the place of another one: with its name, scopes and limits, and with
    /// its expiry unless there is another. The old key expires after `overlap`.
    ///
    /// # Errors
    /// If there is no such key, if it was rotated already, if the tenant has too many keys, if the
    /// actor lacks a scope of the key, or if DynamoDB does not answer.
    pub async fn rotate_key(
        &self,
        by: &Actor,
        tenant: &TenantId,
        id: &KeyId,
        (key, expires_at): (&SecretString, Option<OffsetDateTime>),
        overlap: Duration,
    ) -> Result<KeyRecord, ActError> {
        self.act(tenant, Some(id), |known, old| {
            let (mut tenant, mut old) = known.zip(old).ok_or(ActError::NotFound)?;
            allowed(by, old.scopes)?;
            if let Some(replaced_by) = &old.replaced_by {
                return Err(ActError::Conflict(format!(
                    "The key was rotated already, and `{replaced_by}` has taken its place. Rotate that one."
                )));
            }
            let new = NewKey {
                key: key.clone(),
                name: old.name.clone(),
                scopes: old.scopes,
                expires_at: expires_at.or(old.expires_at),
                limits: old.limits,
            };
            let new = record(&tenant, &new)?;
            let ends = now() + overlap;
            old.expires_at = Some(old.expires_at.map_or(ends, |expires_at| expires_at.min(ends)));
            old.replaced_by = Some(new.id.clone());
            tenant.keys.insert(old.hash, old.expires_at.map(OffsetDateTime::unix_timestamp));
            admit(&mut tenant, &new)?;
            let changes = json!({"replaced_by": new.id, "expires_at": old.expires_at.map(rfc3339)});
            Ok(Act {
                entry: Entry::new(by, &tenant.id, Action::KeyRotated, id, changes),
                tenant,
                put: vec![old, new.clone()],
                delete: None,
                result: new,
            })
        })
        .await
    }

    /// Revokes a key.
    ///
    /// # Errors
    /// If there is no such key, if the actor lacks a scope of the key, or if DynamoDB does not
    /// answer.
    pub async fn revoke_key(&self, by: &Actor, tenant: &TenantId, id: &KeyId) -> Result<(), ActError> {
        self.act(tenant, Some(id), |known, old| {
            let (mut tenant, old) = known.zip(old).ok_or(ActError::NotFound)?;
            allowed(by, old.scopes)?;
            tenant.keys.remove(&old.hash);
            Ok(Act {
                entry: Entry::new(by, &tenant.id, Action::KeyRevoked, id, json!({"name": old.name})),
                tenant,
                put: Vec::new(),
                delete: Some(old.hash),
                result: (),
            })
        })
        .await
    }

    /// Writes into the audit log of a tenant what is done outside of the directory.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn note(
        &self,
        by: &Actor,
        tenant: &TenantId,
        action: Action,
        subject: &impl ToString,
        changes: Value,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "write into the audit log";
        let entry = Entry::new(by, tenant, action, subject, changes).item();
        let entry = entry.map_err(StoreError::because(Store::Directory, OPERATION))?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(entry));
        put.send().await.map(drop).map_err(StoreError::because(Store::Directory, OPERATION))
    }
}

/// Refuses an actor who lacks one of the scopes.
fn allowed(by: &Actor, scopes: Scopes) -> Result<(), ActError> {
    scopes.missing_in(by.scopes).map_or(Ok(()), |scope| Err(ActError::Missing(scope)))
}

/// The tenant, or a new one with the plan.
fn begun(known: Option<TenantRecord>, id: &TenantId, plan: Option<Plan>) -> Result<TenantRecord, ActError> {
    let made = plan.map(|plan| {
        let tenant = Tenant { id: id.clone(), plan };
        TenantRecord::new(&tenant, Overrides::default(), now())
    });
    known.or(made).ok_or(ActError::NotFound)
}

fn record(tenant: &TenantRecord, new: &NewKey) -> Result<KeyRecord, ActError> {
    let hash = KeyHash::of(new.key.expose_secret());
    if tenant.keys.contains_key(&hash) {
        return Err(ActError::Conflict("There is such a key already.".to_owned()));
    }
    let shown: String = new.key.expose_secret().chars().take(PREFIX).collect();
    Ok(KeyRecord {
        id: hash.id(),
        tenant: tenant.id.clone(),
        name: new.name.clone(),
        prefix: format!("{shown}…"),
        scopes: new.scopes,
        created_at: now(),
        expires_at: new.expires_at,
        limits: new.limits,
        replaced_by: None,
        hash,
        plan: tenant.plan,
    })
}

/// Gives the key a place among those of the tenant.
fn admit(tenant: &mut TenantRecord, key: &KeyRecord) -> Result<(), ActError> {
    let now = now().unix_timestamp();
    let live = tenant.keys.values().filter(|expires_at| expires_at.is_none_or(|at| at > now));
    if live.count() >= MOST_KEYS {
        return Err(ActError::Conflict(format!(
            "The tenant has {MOST_KEYS} valid keys, and more are not possible. Revoke one, or wait until one expires."
        )));
    }
    tenant.keys.insert(key.hash, key.expires_at.map(OffsetDateTime::unix_timestamp));
    Ok(())
}

fn rfc3339(at: OffsetDateTime) -> Value {
    at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default().into()
}
