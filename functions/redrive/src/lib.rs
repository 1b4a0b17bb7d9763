//! Empties the dead-letter queues. A message is in such a queue because it was received too often.
//!
//! If the last attempt failed for a reason outside of the job, such as a store that did not answer, or
//! no attempt is recorded, the message is sent to its lane again, three times at most. Otherwise it is
//! parked: its job is recorded as failed, with the reason, so that the client of every accepted job
//! receives a final result, and the body of the message is kept in the documents bucket.

mod context;
mod letter;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use aws_sdk_sqs::types::Message;
use futures::future::join_all;
use serde::Serialize;
use shared::{
    completion::Finished,
    job::Lane,
    kill::{self, Step},
    lanes,
    store::{Chain, StoreError},
    telemetry::metric,
};

pub use context::Context;
use letter::{End, Letter, Parked};

/// No new messages are received when less than this time of the invocation is left.
const RESERVED_TIME: Duration = Duration::from_secs(15);

/// What was done with the dead letters of a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Emptied {
    /// Messages that were sent to the lane again.
    pub replayed: usize,
    /// Messages that were moved to the table `dead_letters`.
    pub parked: usize,
}

/// Takes dead letters out of their queues until these are empty or `deadline` is near. A lane whose
/// dead letters cannot be read does not stop the others, and neither does a dead letter.
///
/// # Errors
/// If a store did not answer. It is the last error, and the others are logged. What could not be done
/// stays in its queue.
pub async fn handle(context: &Context, deadline: SystemTime) -> Result<BTreeMap<&'static str, Emptied>, StoreError> {
    let (mut report, mut outcome) = (BTreeMap::new(), Ok(()));
    for lane in Lane::ALL {
        let mut emptied = Emptied::default();
        if let Err(error) = empty(context, lane, deadline, &mut emptied).await {
            tracing::error!(%lane, error = %Chain(&error), "Not all dead letters of a lane were taken out of their queue. They stay there, and the next run tries it again.");
            outcome = Err(error);
        }
        for (metric, count) in [(metric::REPLAYED, emptied.replayed), (metric::DEAD_LETTERS, emptied.parked)] {
            metrics::counter!(metric, "lane" => lane.as_str()).increment(count as u64);
        }
        if emptied.replayed > 0 {
            tracing::warn!(%lane, count = emptied.replayed, "Dead letters were sent to their lane again.");
        }
        if emptied.parked > 0 {
            tracing::error!(%lane, count = emptied.parked, "Dead letters were moved to the table dead_letters. Jobs that had not finished are recorded as failed.");
        }
        report.insert(lane.as_str(), emptied);
    }
    outcome.map(|()| report)
}

async fn empty(context: &Context, lane: Lane, deadline: SystemTime, emptied: &mut Emptied) -> Result<(), StoreError> {
    let queue = &context.dead_letters[lane];
    let mut room = lanes::FULL - context.lanes[lane].depth().await?;
    let mut outcome = Ok(());
    // A letter that stays in its queue is not received a second time in this run.
    while SystemTime::now() + RESERVED_TIME < deadline {
        let messages = queue.receive(10, 1).await?;
        if messages.is_empty() {
            break;
        }
        let mut parked = Vec::new();
        for (receipt, read) in join_all(messages.into_iter().map(|message| read(context, lane, message))).await {
            let handled = match read {
                Ok(None) => queue.delete(&[receipt]).await,
                Ok(Some(letter)) => replay_or_park(context, letter, receipt, &mut room, emptied, &mut parked).await,
                Err(error) => Err(error),
            };
            if let Err(error) = handled {
                tracing::error!(%lane, error = %Chain(&error), "A dead letter stays in its queue.");
                outcome = Err(error);
            }
        }
        if let Err(error) = record(context, lane, parked, emptied).await {
            outcome = Err(error);
        }
    }
    outcome
}

async fn read(context: &Context, lane: Lane, message: Message) -> (String, Result<Option<Letter>, StoreError>) {
    let receipt = message.receipt_handle.clone().unwrap_or_default();
    (receipt, letter::read(context, lane, message).await)
}

/// Sends a dead letter to its lane again if that may help and the lane has room, or parks it. That it is
/// sent again is counted before it is sent: if this process stops between the two, one try is lost, and
/// no message.
async fn replay_or_park(
    context: &Context,
    letter: Letter,
    receipt: String,
    room: &mut f64,
    emptied: &mut Emptied,
    parked: &mut Vec<(String, Parked)>,
) -> Result<(), StoreError> {
    if let Some(job) = letter.waiting() {
        let (id, lane) = (&job.resource.id, letter.lane());
        if *room < 1.0 {
            return context.ledger.forget_checks(id).await;
        }
        if context.ledger.may_replay(id).await? {
            kill::at(Step::ReplayCounted);
            context.lanes[lane].send(&job.tenant, letter.body()).await?;
            kill::at(Step::Replayed);
            *room -= 1.0;
            emptied.replayed += 1;
            return context.dead_letters[lane].delete(&[receipt]).await;
        }
    }
    parked.push((receipt, letter.park(context).await?));
    kill::at(Step::BodyKept);
    Ok(())
}

/// Records parked letters together. If that fails, each is recorded by itself, so that one of them does
/// not stop the others.
async fn record(context: &Context, lane: Lane, parked: Vec<(String, Parked)>, emptied: &mut Emptied) -> Result<(), StoreError> {
    if parked.is_empty() {
        return Ok(());
    }
    let (receipts, all): (Vec<String>, Vec<Parked>) = parked.into_iter().unzip();
    if record_together(context, all.clone()).await.is_ok() {
        emptied.parked += all.len();
        kill::at(Step::Parked);
        return context.dead_letters[lane].delete(&receipts).await;
    }
    let mut outcome = Ok(());
    for (receipt, letter) in receipts.into_iter().zip(all) {
        let recorded = record_together(context, vec![letter]).await;
        let deleted = match recorded {
            Ok(()) => {
                emptied.parked += 1;
                context.dead_letters[lane].delete(&[receipt]).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = deleted {
            tracing::error!(%lane, error = %Chain(&error), "A dead letter stays in its queue.");
            outcome = Err(error);
        }
    }
    outcome
}

async fn record_together(context: &Context, parked: Vec<Parked>) -> Result<(), StoreError> {
    let (mut letters, mut finished, mut unkept) = (Vec::new(), Vec::new(), Vec::new());
    for Parked { letter, ended, trace } in parked {
        letters.push(letter);
        match ended {
            Some(End::Finished(job)) => finished.push(Finished::alone(*job, trace)),
            Some(End::Unkept(ended)) => unkept.push(ended),
            None => {}
        }
    }
    context.completion.record(&finished, &unkept, &letters).await.map(drop)
}
