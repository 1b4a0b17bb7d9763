//! `cargo local tenant`: tenants, their keys and the audit log, through the HTTP API.

use std::env;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use local::{
    Instance,
    cloud::{addresses, instance::DEFAULT_REGION, tenant::ADMIN_KEY},
};
use reqwest::{Client, Method};
use serde_json::{Map, Value, json};

use super::{runtime, say};

/// It asks the API at `SUMMAREASE_URL` with the key in `SUMMAREASE_ADMIN_KEY`. Without these
/// variables, it asks the running local cloud.
#[derive(Args)]
pub(crate) struct Tenant {
    #[command(subcommand)]
    command: Command,
    /// Region of the local cloud.
    #[arg(long, default_value = DEFAULT_REGION, global = true)]
    region: String,
}

#[derive(Subcommand)]
enum Command {
    /// Make a tenant.
    Create {
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
    Show { tenant: String },
    /// Change a tenant.
    Set {
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
    Audit { tenant: String },
}

#[derive(Subcommand)]
enum Key {
    /// Make a key, and show it once.
    Create {
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
    List { tenant: String },
    /// Make a key that takes the place of another one, and show it once.
    Rotate {
        tenant: String,
        key: String,
        /// Seconds after which the old key expires.
        #[arg(long)]
        overlap_seconds: Option<u32>,
    },
    /// Revoke a key.
    Revoke { tenant: String, key: String },
}

#[derive(Args)]
struct Limits {
    /// Limits in the place of those of the plan, such as
    /// `{"tenant":{"per_minute":600,"burst":100}}`.
    #[arg(long, value_parser = |text: &str| serde_json::from_str::<Value>(text))]
    limits: Option<Value>,
}

impl Tenant {
    pub(crate) fn run(self, instance: &Instance) -> Result<()> {
        let api = Api {
            url: env::var("SUMMAREASE_URL").or_else(|_| addresses::api_url(instance, &self.region))?,
            key: env::var("SUMMAREASE_ADMIN_KEY").unwrap_or_else(|_| ADMIN_KEY.to_owned()),
            http: Client::new(),
        };
        runtime()?.block_on(self.command.ask(&api))
    }
}

impl Command {
    async fn ask(self, api: &Api) -> Result<()> {
        let tenants = "/v1/tenants";
        match self {
            Self::Create { tenant, plan, limits } => {
                let body = object([("id", Some(json!(tenant))), ("plan", Some(json!(plan))), ("limits", limits.limits)]);
                api.show(Method::POST, tenants, Some(body)).await
            }
            Self::List => api.list(tenants).await,
            Self::Show { tenant } => api.show(Method::GET, &format!("{tenants}/{tenant}"), None).await,
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
                api.show(Method::PATCH, &format!("{tenants}/{tenant}"), Some(body)).await
            }
            Self::Key(key) => key.ask(api).await,
            Self::Audit { tenant } => api.list(&format!("/v1/audit?tenant={tenant}")).await,
        }
    }
}

impl Key {
    async fn ask(self, api: &Api) -> Result<()> {
        let keys = |tenant: &str| format!("/v1/tenants/{tenant}/keys");
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
                api.show(Method::POST, &keys(&tenant), Some(body)).await
            }
            Self::List { tenant } => api.list(&keys(&tenant)).await,
            Self::Rotate {
                tenant,
                key,
                overlap_seconds,
            } => {
                let body = object([("overlap_seconds", overlap_seconds.map(Value::from))]);
                api.show(Method::POST, &format!("{}/{key}/rotate", keys(&tenant)), Some(body)).await
            }
            Self::Revoke { tenant, key } => api.show(Method::DELETE, &format!("{}/{key}", keys(&tenant)), None).await,
        }
    }
}

/// The API, asked as an admin.
struct Api {
    url: String,
    key: String,
    http: Client,
}

impl Api {
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let reply = request.send().await.context("the API does not answer")?;
        let status = reply.status();
        let text = reply.text().await?;
        if !status.is_success() {
            bail!("the API answered {status}: {text}");
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn show(&self, method: Method, path: &str, body: Option<Value>) -> Result<()> {
        match self.ask(method, path, body).await? {
            Value::Null => Ok(()),
            answer => say(&format!("{answer:#}")),
        }
    }

    async fn list(&self, path: &str) -> Result<()> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut page = self.ask(Method::GET, path, None).await?;
        loop {
            for item in page["items"].as_array().into_iter().flatten() {
                say(&item.to_string())?;
            }
            let Some(cursor) = page["next_cursor"].as_str() else {
                return Ok(());
            };
            page = self.ask(Method::GET, &format!("{path}{joint}cursor={cursor}"), None).await?;
        }
    }
}

/// An object of the fields that have a value.
fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(fields.collect::<Map<_, _>>())
}
