//! `cargo local dead-letters`: messages for which jobs have failed, through the HTTP API.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use local::{Instance, progress};
use reqwest::Method;
use serde_json::{Value, json};
use shared::job::{JobId, Lane};
use uuid::Uuid;

use super::{
    api::{Api, Where, object, tenant},
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
    Show {
        /// The id of a dead letter, as `list` prints it.
        #[arg(value_parser = id)]
        letter: String,
    },
    /// Send one dead letter to its lane again, or select several by a filter. What was selected is done
    /// with `confirm`.
    Replay {
        /// The id of a dead letter, as `list` prints it.
        #[arg(conflicts_with = "Filter", value_parser = id)]
        letter: Option<String>,
        #[command(flatten)]
        filter: Filter,
    },
    /// Delete one dead letter, or select several by a filter. Those that were replayed match too, without
    /// `--status parked`. What was selected is done with `confirm`.
    Purge {
        /// The id of a dead letter, as `list` prints it.
        #[arg(conflicts_with = "Filter", value_parser = id)]
        letter: Option<String>,
        #[command(flatten)]
        filter: Filter,
    },
    /// What was selected, and is not done yet.
    ShowSelection {
        /// The id of a selection, as `replay` and `purge` print it.
        #[arg(value_parser = id)]
        selection: String,
    },
    /// Do what was selected.
    Confirm {
        /// The id of a selection, as `replay` and `purge` print it.
        #[arg(value_parser = id)]
        selection: String,
    },
}

/// Which dead letters are meant. All given options must match.
#[derive(Args)]
struct Filter {
    /// The tenant of the job.
    #[arg(long, value_parser = tenant)]
    tenant: Option<String>,
    /// The lane of the message.
    #[arg(long, value_parser = Lane::ALL.map(Lane::as_str))]
    lane: Option<String>,
    /// The failure code of the job, such as `retries_exhausted`.
    #[arg(long)]
    reason: Option<String>,
    /// The id of the job.
    #[arg(long)]
    job: Option<JobId>,
    /// Whether the letter was replayed.
    #[arg(long, value_parser = ["parked", "replayed"])]
    status: Option<String>,
    /// Parked at this moment or later, such as 2026-11-24T00:00:00Z.
    #[arg(long)]
    parked_from: Option<String>,
    /// Parked before this moment.
    #[arg(long)]
    parked_to: Option<String>,
}

const LETTERS: [&str; 2] = ["v1", "dead-letters"];

/// Reads the id of a dead letter or of a selection.
fn id(text: &str) -> Result<String> {
    let id = Uuid::try_parse(text).ok().map(|id| id.to_string());
    id.context("an id has the form 5d41402a-bc4b-4a76-b971-9d911017c592")
}

impl DeadLetters {
    pub(crate) fn run(self, instance: &Instance) -> Result<()> {
        let api = self.at.api(instance)?;
        runtime()?.block_on(self.command.ask(&api))
    }
}

impl Command {
    async fn ask(self, api: &Api) -> Result<()> {
        let [v1, letters] = LETTERS;
        match self {
            Self::List { filter } => {
                let given = filter.object();
                let given = given.as_object().into_iter().flatten();
                let query: Vec<_> = given.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
                api.list(&LETTERS, &query).await
            }
            Self::Show { letter } => api.show(Method::GET, &[v1, letters, &letter], None).await,
            Self::Replay { letter: Some(letter), .. } => api.show(Method::POST, &[v1, letters, &letter, "replay"], None).await,
            Self::Purge { letter: Some(letter), .. } => {
                api.ask(Method::DELETE, &[v1, letters, &letter], &[], None).await?;
                say(&format!("The letter {letter} is purged. Its job stays as it is."))
            }
            Self::Replay { letter: None, filter } => select(api, "replay", &filter).await,
            Self::Purge { letter: None, filter } => select(api, "purge", &filter).await,
            Self::ShowSelection { selection } => api.show(Method::GET, &[v1, letters, "selections", &selection], None).await,
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
            ("job", job.as_ref().map(|job| job.to_string().into())),
            ("status", text(status)),
            ("parked_from", text(parked_from)),
            ("parked_to", text(parked_to)),
        ])
    }
}

/// Selects letters, and says how to go on.
async fn select(api: &Api, action: &str, filter: &Filter) -> Result<()> {
    let body = json!({"action": action, "filter": filter.object()});
    let [v1, letters] = LETTERS;
    let selection = api.ask(Method::POST, &[v1, letters, "selections"], &[], Some(body)).await?;
    say(&format!("{selection:#}"))?;
    let count = selection["count"].as_u64().unwrap_or_default();
    let settle = "Letters that were parked in the last two minutes are never selected.";
    if count == 0 {
        return say(&format!("There is nothing to {action}: no letter matches. {settle}"));
    }
    let more = if selection["more"] == true {
        " More letters match: select again when these are done."
    } else {
        ""
    };
    say(&format!(
        "Nothing was done yet. {settle}{more} To {action} {}, until {}: cargo local dead-letters confirm {}",
        number(count),
        selection["expires_at"].as_str().unwrap_or_default(),
        selection["id"].as_str().unwrap_or_default()
    ))
}

/// Confirms a selection until nothing is left, and says what was done.
async fn confirm(api: &Api, selection: &str) -> Result<()> {
    let mut done = Done::default();
    let outcome = confirm_all(api, selection, &mut done).await;
    if !done.action.is_empty() {
        say(&done.to_string())?;
    }
    outcome
}

async fn confirm_all(api: &Api, selection: &str, done: &mut Done) -> Result<()> {
    let [v1, letters] = LETTERS;
    loop {
        let progress = api
            .ask(Method::POST, &[v1, letters, "selections", selection, "confirm"], &[], None)
            .await?;
        let handled = done.add(&progress);
        match progress["left"].as_u64() {
            Some(0) => return Ok(()),
            Some(left) if handled > 0 => progress::print(&format!("Of the selection, {} left.", number(left))),
            _ => bail!("the API did nothing in one confirmation; look at its logs, and then confirm the selection again"),
        }
    }
}

/// What the confirmations of a selection have done.
#[derive(Default)]
struct Done {
    action: String,
    letters: u64,
    /// How many letters were skipped for which reason.
    skipped: BTreeMap<String, u64>,
}

impl Done {
    /// Adds what one confirmation has done. Returns with how many letters it has dealt.
    fn add(&mut self, progress: &Value) -> u64 {
        progress["action"].as_str().unwrap_or_default().clone_into(&mut self.action);
        let done = progress["done"].as_u64().unwrap_or_default();
        self.letters += done;
        let mut handled = done;
        for skipped in progress["skipped"].as_array().into_iter().flatten() {
            let why = skipped["detail"].as_str().unwrap_or_default();
            *self.skipped.entry(why.to_owned()).or_default() += 1;
            handled += 1;
        }
        handled
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.letters == 0 && self.skipped.is_empty() {
            return write!(
                f,
                "There was nothing to {}: the selection was confirmed before, or was empty.",
                self.action
            );
        }
        let past = if self.action == "purge" { "Purged" } else { "Replayed" };
        write!(f, "{past} {}", number(self.letters))?;
        if self.skipped.is_empty() {
            return write!(f, ".");
        }
        write!(f, ", skipped {}:", self.skipped.values().sum::<u64>())?;
        for (why, count) in &self.skipped {
            write!(f, "\n  {}: {why}", number(*count))?;
        }
        Ok(())
    }
}

fn number(letters: u64) -> String {
    format!("{letters} {}", if letters == 1 { "letter" } else { "letters" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_reasons_are_counted_together() {
        let mut done = Done::default();
        assert_eq!(done.add(&json!({"action": "replay", "done": 0, "skipped": [], "left": 0})), 0);
        assert_eq!(
            done.to_string(),
            "There was nothing to replay: the selection was confirmed before, or was empty."
        );
        let skipped = |why: &str| json!({"id": "a", "detail": why});
        let two = json!({"action": "purge", "done": 1, "skipped": [skipped("It is old."), skipped("It is new.")], "left": 1});
        assert_eq!(done.add(&two), 3);
        assert_eq!(
            done.add(&json!({"action": "purge", "done": 0, "skipped": [skipped("It is old.")], "left": 0})),
            1
        );
        assert_eq!(
            done.to_string(),
            "Purged 1 letter, skipped 3:\n  1 letter: It is new.\n  2 letters: It is old."
        );
    }
}
