//! Dead letters: a message that failed too often becomes a failed job with its reason, so that no
//! accepted job ends in silence. Its body is kept in the documents bucket.

mod letter;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use aws_sdk_sqs::types::Message;
use futures::future::try_join_all;
use shared::{
    archive::Archive,
    cache::{self, Cache},
    config::{self, ConfigError},
    documents::Documents,
    job::{Job, Lane},
    lanes::Lanes,
    ledger::Ledger,
    store::StoreError,
    telemetry::metric,
};

use letter::Parked;

/// Kept free at the end of an invocation.
const SPARE: Duration = Duration::from_secs(15);

/// What every run needs; made once per cold start.
pub struct Context {
    archive: Archive,
    cache: Cache,
    documents: Documents,
    dead_letters: Lanes,
    ledger: Ledger,
}

impl Context {
    /// Reads the environment that the template sets. Connects to nothing yet.
    ///
    /// # Errors
    /// If a variable is missing or wrong.
    pub async fn try_from_env() -> Result<Self, ConfigError> {
        let aws = config::aws().await;
        Ok(Self {
            archive: Archive::from_env(&aws)?,
            cache: Cache::from_env(&aws)?,
            documents: Documents::from_env(&aws)?,
            dead_letters: Lanes::from_env(
                &aws,
                ["EXPRESS_DEAD_LETTERS_URL", "STANDARD_DEAD_LETTERS_URL", "BULK_DEAD_LETTERS_URL"],
            )?,
            ledger: Ledger::from_env(&aws)?,
        })
    }
}

/// Parks dead letters until the queues are empty or `deadline` is near; returns how many by lane.
///
/// # Errors
/// If a store does not answer. Letters that are not parked stay in their queue.
pub async fn handle(context: &Context, deadline: SystemTime) -> Result<BTreeMap<&'static str, usize>, StoreError> {
    let mut parked = BTreeMap::new();
    for lane in Lane::ALL {
        let queue = context.dead_letters.of(lane);
        let count = parked.entry(lane.as_str()).or_insert(0);
        while SystemTime::now() + SPARE < deadline {
            let messages = queue.receive().await?;
            if messages.is_empty() {
                break;
            }
            let receipts: Vec<String> = messages.iter().filter_map(|message| message.receipt_handle.clone()).collect();
            *count += messages.len();
            park(context, lane, messages).await?;
            queue.delete(&receipts).await?;
        }
        if *count > 0 {
            metrics::counter!(metric::DEAD_LETTERS, "lane" => lane.as_str()).increment(*count as u64);
            tracing::error!(%lane, count, "dead letters were parked; see the table dead_letters");
        }
    }
    Ok(parked)
}

async fn park(context: &Context, lane: Lane, messages: Vec<Message>) -> Result<(), StoreError> {
    let parked: Vec<Parked> = try_join_all(messages.into_iter().map(|message| letter::read(context, lane, message))).await?;
    let (letters, failed): (Vec<_>, Vec<Option<Job>>) = parked.into_iter().map(|parked| (parked.letter, parked.job)).unzip();
    let failed: Vec<Job> = failed.into_iter().flatten().collect();
    let entered = context.archive.finish_and_park(&failed, &letters).await?;
    let new = failed.iter().filter(|job| entered.contains(&job.resource.id.uuid()));
    let outcomes: Vec<_> = new
        .map(|job| cache::Outcome {
            tenant: &job.tenant,
            resource: &job.resource,
            fingerprint: None,
        })
        .collect();
    if let Err(error) = context.cache.finished(&outcomes).await {
        tracing::warn!(%error, "failed jobs are not in the cache");
    }
    context.ledger.end(&failed).await
}
