//! Dead letters: a message that failed too often becomes a failed job with its reason, so that no
//! accepted job ends in silence. Its body is kept in the documents bucket.

mod context;
mod letter;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use aws_sdk_sqs::types::Message;
use futures::future::try_join_all;
use shared::{completion::Finished, job::Lane, store::StoreError, telemetry::metric};

pub use context::Context;
use letter::Parked;

/// Kept free at the end of an invocation.
const SPARE: Duration = Duration::from_secs(15);

/// Parks dead letters until the queues are empty or `deadline` is near; returns how many by lane.
///
/// # Errors
/// If a store does not answer. Letters that are not parked stay in their queue.
pub async fn handle(context: &Context, deadline: SystemTime) -> Result<BTreeMap<&'static str, usize>, StoreError> {
    let mut parked = BTreeMap::new();
    for lane in Lane::ALL {
        let queue = &context.dead_letters[lane];
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
            tracing::error!(%lane, count, "Dead letters were moved to the table dead_letters; their jobs have failed.");
        }
    }
    Ok(parked)
}

async fn park(context: &Context, lane: Lane, messages: Vec<Message>) -> Result<(), StoreError> {
    let parked: Vec<Parked> = try_join_all(messages.into_iter().map(|message| letter::read(context, lane, message))).await?;
    let (letters, failed): (Vec<_>, Vec<_>) = parked.into_iter().map(|parked| (parked.letter, parked.failed)).unzip();
    let failed = failed.into_iter().flatten().map(|job| Finished { job, fingerprint: None });
    context.completion.record(&failed.collect::<Vec<_>>(), &letters).await
}
