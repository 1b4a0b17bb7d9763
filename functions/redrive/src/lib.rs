//! Empties the dead-letter queues. A message is in such a queue because its deliveries failed too
//! often. Its job is recorded as failed, with the reason, so that the client of every accepted job
//! receives a final result. The body of the message is kept in the documents bucket.

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
use letter::{End, ReadLetter};

/// No new messages are received when less than this time of the invocation is left.
const RESERVED_TIME: Duration = Duration::from_secs(15);

/// Moves dead letters to the table `dead_letters` until the queues are empty or `deadline` is near.
/// Returns how many were moved, by lane.
///
/// # Errors
/// If a store does not answer. A dead letter that was not moved stays in its queue.
pub async fn handle(context: &Context, deadline: SystemTime) -> Result<BTreeMap<&'static str, usize>, StoreError> {
    let mut moved = BTreeMap::new();
    for lane in Lane::ALL {
        let queue = &context.dead_letters[lane];
        let count = moved.entry(lane.as_str()).or_insert(0);
        while SystemTime::now() + RESERVED_TIME < deadline {
            let messages = queue.receive().await?;
            if messages.is_empty() {
                break;
            }
            let receipts: Vec<String> = messages.iter().filter_map(|message| message.receipt_handle.clone()).collect();
            *count += messages.len();
            record(context, lane, messages).await?;
            queue.delete(&receipts).await?;
        }
        if *count > 0 {
            metrics::counter!(metric::DEAD_LETTERS, "lane" => lane.as_str()).increment(*count as u64);
            tracing::error!(%lane, count, "Dead letters were moved to the table dead_letters. Jobs that had not finished are recorded as failed.");
        }
    }
    Ok(moved)
}

async fn record(context: &Context, lane: Lane, messages: Vec<Message>) -> Result<(), StoreError> {
    let read: Vec<ReadLetter> = try_join_all(messages.into_iter().map(|message| letter::read(context, lane, message))).await?;
    let (mut letters, mut finished, mut unkept) = (Vec::new(), Vec::new(), Vec::new());
    for ReadLetter { letter, ended, trace } in read {
        letters.extend(letter);
        match ended {
            Some(End::Finished(job)) => finished.push(Finished::alone(*job, trace)),
            Some(End::Unkept(ended)) => unkept.push(ended),
            None => {}
        }
    }
    context.completion.record(&finished, &unkept, &letters).await.map(drop)
}
