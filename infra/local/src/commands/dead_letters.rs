//! `cargo local dead-letters`: messages for which jobs have failed, through the HTTP API.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use local::Instance;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::{
    api::{Api, Where, object},
    runtime, say,
};

/// It asks the API at `SUMMAREASE_URL` with the key in `SUMMAREASE_ADMIN_KEY`. Without these
/// variables, it asks the running local cloud.
#[derive(Args)]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    at: Where,
}

#[derive(Subcommand)]
enum Command {
    /// Dead letters, the newest first, one on each line.
    List {
        #[command(flatten)]
        filter: Filter,
    },
    /// One dead letter, and its job with all its attempts.
    Show { letter: String },
    /// Send one dead letter to its lane again, or select several by a filter. What was selected is done
    /// with `confirm`.
    Replay {
        #[arg(conflicts_with = "Filter")]
        letter: Option<String>,
        #[command(flatten)]
        filter: Filter,
    },
    /// Delete one dead letter, or select several by a filter. What was selected is done with `confirm`.
    Purge {
        #[arg(conflicts_with = "Filter")]
        letter: Option<String>,
        #[command(flatten)]
        filter: Filter,
    },
    /// Do what was selected.
    Confirm { selection: String },
}

/// Which dead letters are meant. All given options must match.
#[derive(Args)]
struct Filter {
    /// The tenant of the job.
    #[arg(long)]
    tenant: Option<String>,
    /// `express`, `standard` or `bulk`.
    #[arg(long)]
    lane: Option<String>,
    /// The failure code of the job, such as `retries_exhausted`.
    #[arg(long)]
    reason: Option<String>,
    /// The id of the job.
    #[arg(long)]
    job: Option<String>,
    /// `parked` or `replayed`.
    #[arg(long)]
    status: Option<String>,
    /// Parked at this moment or later, such as 2026-11-24T00:00:00Z.
    #[arg(long)]
    parked_from: Option<String>,
    /// Parked before this moment.
    #[arg(long)]
    parked_to: Option<String>,
}

const LETTERS: &str = "/v1/dead-letters";

impl DeadLetters {
    pub(crate) fn run(self, instance: &Instance) -> Result<()> {
        let api = self.at.api(instance)?;
        runtime()?.block_on(self.command.ask(&api))
    }
}

impl Command {
    async fn ask(self, api: &Api) -> Result<()> {
        match self {
            Self::List { filter } => {
                let given = filter.object();
                let given = given.as_object().into_iter().flatten();
                let query = given.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
                // Only the query of this address is used.
                let address = Url::parse_with_params("http://localhost", query)?;
                api.list(&format!("{LETTERS}?{}", address.query().unwrap_or_default())).await
            }
            Self::Show { letter } => api.show(Method::GET, &format!("{LETTERS}/{letter}"), None).await,
            Self::Replay { letter: Some(letter), .. } => api.show(Method::POST, &format!("{LETTERS}/{letter}/replay"), None).await,
            Self::Purge { letter: Some(letter), .. } => api.show(Method::DELETE, &format!("{LETTERS}/{letter}"), None).await,
            Self::Replay { letter: None, filter } => select(api, "replay", &filter).await,
            Self::Purge { letter: None, filter } => select(api, "purge", &filter).await,
            Self::Confirm { selection } => confirm(api, &selection).await,
        }
    }
}

impl Filter {
    fn object(&self) -> Value {
        let Self {
            tenant,
            lane,
            reason,
            job,
            status,
            parked_from,
            parked_to,
        } = self;
        let text = |value: &Option<String>| value.clone().map(Value::from);
        object([
            ("tenant", text(tenant)),
            ("lane", text(lane)),
            ("reason", text(reason)),
            ("job", text(job)),
            ("status", text(status)),
            ("parked_from", text(parked_from)),
            ("parked_to", text(parked_to)),
        ])
    }
}

/// Selects letters, and says how to go on.
async fn select(api: &Api, action: &str, filter: &Filter) -> Result<()> {
    let body = json!({"action": action, "filter": filter.object()});
    let selection = api.ask(Method::POST, &format!("{LETTERS}/selections"), Some(body)).await?;
    say(&format!("{selection:#}"))?;
    say(&format!(
        "Nothing was done yet. To {action} these {} letters: cargo local dead-letters confirm {}",
        selection["count"],
        selection["id"].as_str().unwrap_or_default()
    ))
}

/// Confirms a selection until nothing is left.
async fn confirm(api: &Api, selection: &str) -> Result<()> {
    let path = format!("{LETTERS}/selections/{selection}/confirm");
    loop {
        let progress = api.ask(Method::POST, &path, None).await?;
        say(&progress.to_string())?;
        let handled =
            progress["done"].as_u64().unwrap_or_default() + progress["skipped"].as_array().map_or(0, |skipped| skipped.len() as u64);
        match progress["left"].as_u64() {
            Some(0) => return Ok(()),
            Some(_) if handled > 0 => {}
            _ => bail!("the API did nothing in one confirmation; look at its logs, and then confirm the selection again"),
        }
    }
}
