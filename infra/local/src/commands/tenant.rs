//! `cargo local tenant`: tenants, their keys and the audit log, through the HTTP API.

use anyhow::Result;
use clap::{Args, Subcommand};
use local::Instance;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    api::{Api, Where, key, object, tenant},
    runtime,
};

/// It asks the API at `SUMMAREASE_URL` with the key in `SUMMAREASE_ADMIN_KEY`. Without these
/// variables, it asks the running local cloud.
#[derive(Args)]
pub(crate) struct Tenant {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    at: Where,
}

#[derive(Subcommand)]
enum Command {
    /// Make a tenant.
    Create {
        /// The id of a tenant, such as `acme`.
        #[arg(value_parser = tenant)]
        tenant: String,
        /// `free`, `pro` or `enterprise`.
        #[arg(long)]
        plan: String,
        #[command(flatten)]
        limits: Limits,
    },
    /// All tenants, one on each line.
    List,
    /// One tenant.
    Show {
        /// The id of a tenant, such as `acme`.
        #[arg(value_parser = tenant)]
        tenant: String,
    },
    /// Change a tenant.
    Set {
        /// The id of a tenant, such as `acme`.
        #[arg(value_parser = tenant)]
        tenant: String,
        /// `free`, `pro` or `enterprise`.
        #[arg(long)]
        plan: Option<String>,
        /// `active` or `suspended`.
        #[arg(long)]
        status: Option<String>,
        #[command(flatten)]
        limits: Limits,
    },
    /// The keys of a tenant.
    #[command(subcommand)]
    Key(Key),
    /// The audit log of a tenant, the newest entry first, one on each line.
    Audit {
        /// The id of a tenant, such as `acme`.
        #[arg(value_parser = tenant)]
        tenant: String,
    },
}

#[derive(Subcommand)]
enum Key {
    /// Make a key, and show it once.
    Create {
        /// The id of a tenant, such as `acme`.
        #[arg(value_parser = tenant)]
        tenant: String,
        #[arg(long)]
        name: String,
        /// What the key may do; may be given more than once.
        #[arg(long = "scope", required = true)]
        scopes: Vec<String>,
        /// When the key expires, such as 2027-01-01T00:00:00Z.
        #[arg(long)]
        expires_at: Option<String>,
    },
    /// All valid keys, one on each line.
    List {
        /// The id of a tenant, such as `acme`.
        #[arg(value_parser = tenant)]
        tenant: String,
    },
    /// Make a key that takes the place of another one, and show it once.
    Rotate {
        /// The id of a tenant, such as `acme`.
        #[arg(value_parser = tenant)]
        tenant: String,
        /// The id of a key, as `key list` prints it, and not the key itself.
        #[arg(value_parser = key)]
        key: String,
        /// Seconds after which the old key expires.
        #[arg(long)]
        overlap_seconds: Option<u32>,
    },
    /// Revoke a key.
    Revoke {
        /// The id of a tenant, such as `acme`.
        #[arg(value_parser = tenant)]
        tenant: String,
        /// The id of a key, as `key list` prints it, and not the key itself.
        #[arg(value_parser = key)]
        key: String,
    },
}

#[derive(Args)]
struct Limits {
    /// Limits in the place of those of the plan, such as
    /// `{"tenant":{"per_minute":600,"burst":100}}`.
    #[arg(long, value_parser = |text: &str| serde_json::from_str::<Value>(text))]
    limits: Option<Value>,
}

const TENANTS: [&str; 2] = ["v1", "tenants"];

impl Tenant {
    pub(crate) fn run(self, instance: &Instance) -> Result<()> {
        let api = self.at.api(instance)?;
        runtime()?.block_on(self.command.ask(&api))
    }
}

impl Command {
    async fn ask(self, api: &Api) -> Result<()> {
        let [v1, tenants] = TENANTS;
        match self {
            Self::Create { tenant, plan, limits } => {
                let body = object([("id", Some(json!(tenant))), ("plan", Some(json!(plan))), ("limits", limits.limits)]);
                api.show(Method::POST, &TENANTS, Some(body)).await
            }
            Self::List => api.list(&TENANTS, &[]).await,
            Self::Show { tenant } => api.show(Method::GET, &[v1, tenants, &tenant], None).await,
            Self::Set {
                tenant,
                plan,
                status,
                limits,
            } => {
                let body = object([
                    ("plan", plan.map(Value::from)),
                    ("status", status.map(Value::from)),
                    ("limits", limits.limits),
                ]);
                api.show(Method::PATCH, &[v1, tenants, &tenant], Some(body)).await
            }
            Self::Key(key) => key.ask(api).await,
            Self::Audit { tenant } => api.list(&[v1, "audit"], &[("tenant", &tenant)]).await,
        }
    }
}

impl Key {
    async fn ask(self, api: &Api) -> Result<()> {
        let [v1, tenants] = TENANTS;
        match self {
            Self::Create {
                tenant,
                name,
                scopes,
                expires_at,
            } => {
                let body = object([
                    ("name", Some(json!(name))),
                    ("scopes", Some(json!(scopes))),
                    ("expires_at", expires_at.map(Value::from)),
                ]);
                api.show(Method::POST, &[v1, tenants, &tenant, "keys"], Some(body)).await
            }
            Self::List { tenant } => api.list(&[v1, tenants, &tenant, "keys"], &[]).await,
            Self::Rotate {
                tenant,
                key,
                overlap_seconds,
            } => {
                let body = object([("overlap_seconds", overlap_seconds.map(Value::from))]);
                let path = [v1, tenants, &tenant, "keys", &key, "rotate"];
                api.show(Method::POST, &path, Some(body)).await
            }
            Self::Revoke { tenant, key } => api.show(Method::DELETE, &[v1, tenants, &tenant, "keys", &key], None).await,
        }
    }
}
