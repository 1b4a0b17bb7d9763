//! The HTTP API, as an operator asks it.

use std::env;

use anyhow::{Context, Result, bail};
use clap::Args;
use local::{
    Instance,
    cloud::{addresses, instance::DEFAULT_REGION, tenant::ADMIN_KEY},
};
use reqwest::{Client, Method};
use serde_json::{Map, Value};

use super::say;

/// Which API is asked.
#[derive(Args)]
pub(crate) struct Where {
    /// Region of the local cloud.
    #[arg(long, default_value = DEFAULT_REGION, global = true)]
    region: String,
}

/// The API, asked as an admin.
pub(crate) struct Api {
    url: String,
    key: String,
    http: Client,
}

impl Where {
    /// The API at `SUMMAREASE_URL` with the key in `SUMMAREASE_ADMIN_KEY`. Without these variables, the API
    /// of the running local cloud.
    pub(crate) fn api(&self, instance: &Instance) -> Result<Api> {
        Ok(Api {
            url: env::var("SUMMAREASE_URL").or_else(|_| addresses::api_url(instance, &self.region))?,
            key: env::var("SUMMAREASE_ADMIN_KEY").unwrap_or_else(|_| ADMIN_KEY.to_owned()),
            http: Client::new(),
        })
    }
}

impl Api {
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
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

    pub(crate) async fn show(&self, method: Method, path: &str, body: Option<Value>) -> Result<()> {
        match self.ask(method, path, body).await? {
            Value::Null => Ok(()),
            answer => say(&format!("{answer:#}")),
        }
    }

    pub(crate) async fn list(&self, path: &str) -> Result<()> {
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
pub(crate) fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(fields.collect::<Map<_, _>>())
}
