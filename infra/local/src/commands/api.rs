//! The HTTP API, as an operator asks it.

use std::env;

use anyhow::{Context, Result, bail};
use clap::Args;
use local::{
    Instance,
    cloud::{addresses, instance::DEFAULT_REGION, tenant::ADMIN_KEY},
    progress,
};
use reqwest::{Client, Method, StatusCode, Url, header::RETRY_AFTER};
use serde_json::{Map, Value};
use shared::job::{KeyId, TenantId};

use super::say;

const URL: &str = "SUMMAREASE_URL";
const KEY: &str = "SUMMAREASE_ADMIN_KEY";

/// Which API is asked.
#[derive(Args)]
pub(crate) struct Where {
    /// Region of the local cloud. To ask another API, set `SUMMAREASE_URL` to its address and
    /// `SUMMAREASE_ADMIN_KEY` to a key with the scope `admin` in the place of this option.
    #[arg(long, global = true)]
    region: Option<String>,
}

/// The API, asked as an admin.
pub(crate) struct Api {
    url: Url,
    key: String,
    http: Client,
}

impl Where {
    /// The API at `SUMMAREASE_URL` with the key in `SUMMAREASE_ADMIN_KEY`. Without these variables, the API
    /// of the running local cloud.
    pub(crate) fn api(&self, instance: &Instance) -> Result<Api> {
        let (url, from) = match env::var(URL) {
            Ok(_) if self.region.is_some() => {
                bail!("--region names a region of the local cloud, and {URL} another API; leave one of them out")
            }
            Ok(url) => (url, URL),
            Err(_) => {
                let region = self.region.as_deref().unwrap_or(DEFAULT_REGION);
                (addresses::api_url(instance, region)?, "the local cloud")
            }
        };
        let parsed = Url::parse(&url).ok();
        let is_web = |url: &Url| url.has_host() && ["http", "https"].contains(&url.scheme());
        let parsed = parsed.filter(is_web).with_context(|| {
            format!("the address of the API is `{url}` (from {from}); it must be an address such as https://api.example.com")
        })?;
        progress::print(&format!("Asking {url} (from {from})."));
        Ok(Api {
            url: parsed,
            key: env::var(KEY).unwrap_or_else(|_| ADMIN_KEY.to_owned()),
            http: Client::new(),
        })
    }
}

impl Api {
    /// Asks the path with these segments, none of which can lead to another one.
    pub(crate) async fn ask(&self, method: Method, path: &[&str], query: &[(&str, &str)], body: Option<Value>) -> Result<Value> {
        let url = address(&self.url, path, query)?;
        let mut request = self.http.request(method, url).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let reply = request.send().await.context("the API does not answer")?;
        let status = reply.status();
        let seconds = reply
            .headers()
            .get(RETRY_AFTER)
            .and_then(|seconds| seconds.to_str().ok())
            .map(str::to_owned);
        let text = reply.text().await?;
        if !status.is_success() {
            bail!("the API answered {status}. {}", refusal(status, &text, seconds.as_deref()));
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    pub(crate) async fn show(&self, method: Method, path: &[&str], body: Option<Value>) -> Result<()> {
        match self.ask(method, path, &[], body).await? {
            Value::Null => Ok(()),
            answer => say(&format!("{answer:#}")),
        }
    }

    pub(crate) async fn list(&self, path: &[&str], query: &[(&str, &str)]) -> Result<()> {
        let mut page = self.ask(Method::GET, path, query, None).await?;
        let mut is_empty = true;
        loop {
            for item in page["items"].as_array().into_iter().flatten() {
                is_empty = false;
                say(&item.to_string())?;
            }
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            let query = [query, &[("cursor", cursor)]].concat();
            page = self.ask(Method::GET, path, &query, None).await?;
        }
        if is_empty {
            progress::print("The list is empty.");
        }
        Ok(())
    }
}

/// The address of a path below that of the API.
fn address(base: &Url, path: &[&str], query: &[(&str, &str)]) -> Result<Url> {
    if let Some(wrong) = path.iter().find(|segment| ["", ".", ".."].contains(segment)) {
        bail!("`{wrong}` is no id");
    }
    let mut url = base.clone();
    let mut segments = url.path_segments_mut().ok().context("the address of the API has no path")?;
    segments.pop_if_empty().extend(path);
    drop(segments);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}

/// What an answer says that is no success, and what to do next. `seconds` is its `Retry-After`.
fn refusal(status: StatusCode, text: &str, seconds: Option<&str>) -> String {
    let problem: Value = serde_json::from_str(text).unwrap_or_default();
    let Some(title) = problem["title"].as_str() else {
        // API Gateway answers with a message, and others with anything.
        let message = problem["message"].as_str().unwrap_or(text);
        return message.chars().take(200).collect();
    };
    let mut said = vec![format!("{title}. {}", problem["detail"].as_str().unwrap_or_default())];
    for error in problem["errors"].as_array().into_iter().flatten() {
        let [pointer, detail] = ["pointer", "detail"].map(|name| error[name].as_str().unwrap_or_default());
        let field = pointer.trim_start_matches(['#', '/', '?']);
        let field = if field.is_empty() { "the request" } else { field };
        said.push(format!("\n  {field}: {detail}"));
    }
    if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status) {
        said.push(format!(" Set {KEY} to a key of this API that has the scope `admin`."));
    }
    if let Some(seconds) = seconds {
        said.push(format!(" `Retry-After` is {seconds}."));
    }
    if problem["type"] == "/v1/problems#unavailable" {
        said.push(" `GET /v1/health/deep` says which store does not answer.".to_owned());
    }
    said.concat()
}

/// Reads the id of a tenant.
pub(crate) fn tenant(text: &str) -> Result<String> {
    Ok(TenantId::try_from(text.to_owned())?.into())
}

/// Reads the id of a key.
pub(crate) fn key(text: &str) -> Result<String> {
    Ok(KeyId::try_from(text.to_owned())?.into())
}

/// An object of the fields that have a value.
pub(crate) fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(fields.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_stays_in_its_segment() {
        for base in ["http://localhost/stage", "http://localhost/stage/"] {
            let base = Url::parse(base).unwrap();
            let url = address(&base, &["v1", "../sessions?a#b%2F c"], &[("tenant", "a&limit=1")]).unwrap();
            assert_eq!(
                url.as_str(),
                "http://localhost/stage/v1/..%2Fsessions%3Fa%23b%252F%20c?tenant=a%26limit%3D1"
            );
            for wrong in ["", ".", ".."] {
                assert!(address(&base, &["v1", wrong], &[]).is_err(), "{wrong}");
            }
        }
        for wrong in ["", "..", "../sessions", "a/b", "a?b"] {
            assert!(tenant(wrong).is_err() && key(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_refusal_is_said_in_sentences() {
        let unavailable = r#"{"type":"/v1/problems#unavailable","title":"A part does not answer","detail":"Try again."}"#;
        let unavailable = refusal(StatusCode::SERVICE_UNAVAILABLE, unavailable, Some("5"));
        assert_eq!(
            unavailable,
            "A part does not answer. Try again. `Retry-After` is 5. `GET /v1/health/deep` says which store does not answer."
        );
        let forbidden = refusal(StatusCode::FORBIDDEN, r#"{"title":"No","detail":"Ask."}"#, None);
        assert_eq!(
            forbidden,
            "No. Ask. Set SUMMAREASE_ADMIN_KEY to a key of this API that has the scope `admin`."
        );
        let invalid =
            r##"{"title":"Some fields are invalid","detail":"Correct them.","errors":[{"pointer":"#/filter/lane","detail":"No."}]}"##;
        assert_eq!(
            refusal(StatusCode::UNPROCESSABLE_ENTITY, invalid, None),
            "Some fields are invalid. Correct them.\n  filter/lane: No."
        );
        assert_eq!(refusal(StatusCode::BAD_GATEWAY, "<p>", None), "<p>");
        assert_eq!(refusal(StatusCode::BAD_GATEWAY, r#"{"message":"No."}"#, None), "No.");
    }
}
