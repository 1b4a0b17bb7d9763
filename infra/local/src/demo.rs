//! One article that goes through the whole local service.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cloud::tenant::KEY;

/// The article of the demo, in English. `infra/local/demo/CREDITS.md` says where both articles come
/// from.
pub const ARTICLE: &str = include_str!("../demo/article_en.txt");
/// An article in German, for tests.
pub const GERMAN_ARTICLE: &str = include_str!("../demo/article.txt");

/// The longest wait for the summary. It needs a second, but the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(5);

/// A finished demo run.
pub struct Finished {
    /// The summary resource.
    pub resource: Value,
    /// From the submission to the first sight of the result.
    pub took: Duration,
    /// Whether the result came from the cache.
    pub cached: bool,
}

/// Submits the article and waits for its summary.
///
/// # Errors
/// If the API refuses it, the job fails, or it is not finished within five minutes.
pub async fn run(base: &str) -> Result<Finished> {
    let (client, started) = (reqwest::Client::new(), Instant::now());
    let body = json!({"text": ARTICLE, "length": {"sentences": 3}});
    let reply = client
        .post(format!("{base}/v1/summaries"))
        .bearer_auth(KEY)
        .json(&body)
        .send()
        .await?;
    let (status, mut resource): (_, Value) = (reply.status(), reply.json().await?);
    if !status.is_success() {
        bail!("the API answered {status}: {resource}");
    }
    let link = format!("{base}{}", resource["links"]["self"].as_str().context("the job has no link")?);
    while resource["status"] == "queued" || resource["status"] == "running" {
        if started.elapsed() > PATIENCE {
            bail!(
                "the job is still {} after {} s; see `cargo local logs`",
                resource["status"],
                PATIENCE.as_secs()
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        resource = client.get(&link).bearer_auth(KEY).send().await?.error_for_status()?.json().await?;
    }
    if resource["status"] != "succeeded" {
        bail!("the job ended as {}: {}", resource["status"], resource["error"]);
    }
    Ok(Finished {
        resource,
        took: started.elapsed(),
        cached: status == reqwest::StatusCode::OK,
    })
}
