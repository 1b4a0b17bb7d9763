//! Examples of the operations on tenants, keys, sessions and the audit log.

use serde_json::{Value, json};

use super::operations::Named;

const KEY: &str = "key_b1a5c9e07d3f42686e10";

pub(super) fn requests(operation: &str) -> Named {
    match operation {
        "openSession" => vec![(
            "short",
            "A session that may read summaries",
            json!({"ttl_seconds": 900, "sliding": true, "scopes": ["summaries:read"]}),
        )],
        "createKey" | "createTenantKey" => vec![(
            "import",
            "A key that may submit and read",
            json!({"name": "Nightly import", "scopes": ["summaries:read", "summaries:write"]}),
        )],
        "rotateKey" | "rotateTenantKey" => vec![("hour", "The old key works for another hour", json!({"overlap_seconds": 3600}))],
        "createTenant" => vec![("free", "A tenant on the plan `free`", json!({"id": "acme", "plan": "free"}))],
        "changeTenant" => vec![
            (
                "limits",
                "More submissions than the plan allows",
                json!({"limits": {"tenant": {"per_minute": 5000, "burst": 500}}}),
            ),
            ("suspended", "No request of the tenant is served", json!({"status": "suspended"})),
        ],
        _ => Vec::new(),
    }
}

pub(super) fn responses(operation: &str, status: &str) -> Named {
    let page = |item: Value| json!({"items": [item]});
    match (operation, status) {
        ("openSession", "201") => {
            let mut opened = session();
            opened["token"] = "ses_acme.Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF".into();
            vec![("new", "The session, with its token", opened)]
        }
        ("listSessions", "200") => vec![("one", "The only session", page(session()))],
        ("endSessions", "200") => vec![("three", "Three sessions were ended", json!({"ended": 3}))],
        ("createKey" | "createTenantKey" | "rotateKey" | "rotateTenantKey", "201") => {
            let mut shown = key();
            shown["key"] = "sk_4f9a2c1b0d3e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60".into();
            vec![("new", "The key, which is shown only here", shown)]
        }
        ("listKeys" | "listTenantKeys", "200") => {
            let mut listed = key();
            listed["last_used_at"] = "2026-11-24T11:30:00Z".into();
            vec![("one", "The only key", page(listed))]
        }
        ("createTenant", "201") | ("readTenant" | "changeTenant", "200") => vec![("acme", "The tenant", tenant())],
        ("listTenants", "200") => vec![("one", "The only tenant", page(tenant()))],
        ("readAuditLog", "200") => vec![("one", "A key was made", page(entry()))],
        _ => Vec::new(),
    }
}

fn session() -> Value {
    json!({
        "id": "ses_5d41402abc4b2a76b971",
        "key": KEY,
        "scopes": ["summaries:read"],
        "sliding": true,
        "created_at": "2026-11-24T10:00:00Z",
        "expires_at": "2026-11-24T10:15:00Z",
        "not_after": "2026-11-25T10:00:00Z",
    })
}

fn key() -> Value {
    json!({
        "id": KEY,
        "tenant": "acme",
        "name": "Nightly import",
        "prefix": "sk_4f9a2",
        "scopes": ["summaries:read", "summaries:write"],
        "created_at": "2026-11-24T10:00:00Z",
    })
}

fn tenant() -> Value {
    json!({"id": "acme", "plan": "free", "status": "active", "limits": {}, "created_at": "2026-11-24T10:00:00Z"})
}

fn entry() -> Value {
    json!({
        "id": "0193a5c0-7c1e-7d3a-9b52-6f1f0f6f2a11",
        "at": "2026-11-24T10:00:00Z",
        "tenant": "acme",
        "action": "key.created",
        "subject": KEY,
        "actor": {"tenant": "operator", "key": "key_0123456789abcdef0123"},
        "changes": {"name": "Nightly import", "scopes": ["summaries:read", "summaries:write"]},
        "request_id": "7c4a1b2e-5f0d-4c43-9f0e-3a9d1f6b2c11",
    })
}
