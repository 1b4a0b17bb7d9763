//! `summarease work`: a worker that takes the messages of lanes itself.
//!
//! On Lambda, the poller of AWS receives messages, invokes the worker with a batch, and deletes the
//! messages that the worker does not give back. Here this process does all three.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Result, ensure};
use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use clap::Args;
use shared::{
    config,
    job::Lane,
    lanes::{CALL, Queue, URLS},
    memory::Memory,
    store::{Chain, StoreError},
    telemetry,
};
use summarize::{Context, Worker};
use tokio::{
    sync::Semaphore,
    task::{JoinError, JoinSet},
};

use crate::stop::Stop;

/// How long a batch may be worked on. It is the time-out of the functions. A Spot task gets two minutes
/// to end, so that a batch that has begun always ends.
const BATCH_TIME: Duration = Duration::from_mins(1);
/// The seconds of a long poll. A process that was told to stop waits for its end and works on what it
/// brings, because these messages would be invisible for minutes otherwise.
const POLL: i32 = 10;
/// How long the worker waits for more messages under load, so that more jobs are recorded together.
const LINGER: Duration = Duration::from_millis(20);
/// A batch with so many messages shows that there is load.
const SEVERAL: usize = 3;
/// How long a lane is left alone after an error.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a call that deletes messages is made at most.
const DELETES: u32 = 3;
/// The most bytes of the messages of one call.
const CALL_BYTES: usize = 10 * 256 * 1024;
/// Bytes for the messages of a lane, of the memory that is not for texts. Each lane has its own, because
/// a place is held while a lane waits for messages.
const MESSAGES: usize = 64 * 1024 * 1024;

#[derive(Args)]
pub struct Work {
    /// Lanes to work on: `express`, `standard` and `bulk`, separated by commas.
    #[arg(long, required = true, value_delimiter = ',', value_parser = lane)]
    lane: Vec<Lane>,
    /// Batches of each lane that are worked on at the same time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    batches: u8,
    /// Jobs in a batch at most. They are recorded together.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    batch_size: u16,
    /// Megabytes of memory that the process may use. 400 are not for texts. The lanes share the others
    /// evenly, and a text needs 128 bytes for each of its bytes.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1024..))]
    memory: u32,
}

/// The lane with this name.
fn lane(name: &str) -> Result<Lane, String> {
    let found = Lane::ALL.into_iter().find(|lane| lane.as_str() == name);
    found.ok_or_else(|| "the lanes are express, standard and bulk".to_owned())
}

/// Takes the messages of one lane.
struct Poller {
    lane: Lane,
    context: Arc<Context>,
    batch_size: usize,
    /// How many more batches may be worked on.
    free: Arc<Semaphore>,
    memory: Memory,
    stop: Stop,
}

impl Work {
    pub(crate) async fn run(self) -> Result<()> {
        telemetry::init("summarize");
        let aws = config::aws().await;
        // A lane with large texts must not hold up another one, so that each has room of its own.
        let lanes = self.lane.len().max(1);
        let stop = Stop::on_signals()?;
        let mut pollers = JoinSet::new();
        for lane in self.lane {
            let worker = Worker::of(&aws, summarize::Room::shared(self.memory as usize, lanes))?;
            let poller = Poller {
                lane,
                context: Arc::new(worker.on(Queue::from_env(&aws, URLS[lane])?)),
                batch_size: self.batch_size.into(),
                free: Arc::new(Semaphore::new(self.batches.into())),
                memory: Memory::of_bytes(MESSAGES),
                stop: stop.clone(),
            };
            tracing::info!(%lane, batches = self.batches, batch_size = self.batch_size, "The worker takes the jobs of a lane.");
            pollers.spawn(poller.run());
        }
        let ended = pollers.join_all().await;
        telemetry::flush();
        ensure!(
            ended.into_iter().all(|is_whole| is_whole),
            "a batch ended with an internal error; see the log"
        );
        Ok(())
    }
}

impl Poller {
    /// Takes batches until the process has to stop, and waits for those that have begun. Returns whether
    /// none of them has panicked.
    async fn run(self) -> bool {
        let mut batches = JoinSet::new();
        let (mut is_whole, mut last) = (true, 0);
        while !self.stop.is_told() {
            while let Some(ended) = batches.try_join_next() {
                is_whole &= self.ended(&ended);
            }
            let (place, room) = tokio::select! {
                () = self.stop.told() => break,
                places = async {
                    // The semaphore is never closed.
                    let place = Arc::clone(&self.free).acquire_owned().await.ok();
                    (place, self.memory.take(CALL_BYTES * self.batch_size.div_ceil(CALL)).await)
                } => places,
            };
            if (SEVERAL..self.batch_size).contains(&last) {
                tokio::time::sleep(LINGER).await;
            }
            let received = self.receive().await;
            last = received.as_ref().map_or(0, Vec::len);
            match received {
                Ok(messages) if messages.is_empty() => {}
                Ok(messages) => {
                    let context = Arc::clone(&self.context);
                    batches.spawn(async move {
                        work(&context, messages).await;
                        drop((place, room));
                    });
                }
                Err(error) => {
                    tracing::warn!(lane = %self.lane, error = %Chain(&error), "Messages could not be received. The worker tries again in a second.");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        while let Some(ended) = batches.join_next().await {
            is_whole &= self.ended(&ended);
        }
        is_whole
    }

    fn ended(&self, ended: &Result<(), JoinError>) -> bool {
        if ended.is_err() {
            tracing::error!(lane = %self.lane, "A batch ended with an internal error. Its messages are delivered again.");
        }
        ended.is_ok()
    }

    /// Receives messages for one batch. It waits for the first ones, and takes more as long as each call
    /// is full.
    async fn receive(&self) -> Result<Vec<SqsMessage>, StoreError> {
        let queue = self.context.queue();
        let mut messages = Vec::new();
        loop {
            let wait = if messages.is_empty() { POLL } else { 0 };
            let most = CALL.min(self.batch_size - messages.len());
            let received = match queue.receive(i32::try_from(most).unwrap_or(1), wait).await {
                Ok(received) => received,
                Err(error) if messages.is_empty() => return Err(error),
                Err(error) => {
                    tracing::warn!(lane = %self.lane, error = %Chain(&error), "No more messages could be received for a batch.");
                    return Ok(messages);
                }
            };
            let is_full = received.len() == most;
            messages.extend(received.into_iter().map(record));
            if !is_full || messages.len() == self.batch_size || self.stop.is_told() {
                return Ok(messages);
            }
        }
    }
}

/// A message as Lambda's poller passes it on.
fn record(message: aws_sdk_sqs::types::Message) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = message.message_id;
    record.receipt_handle = message.receipt_handle;
    record.body = message.body;
    let attributes = message.attributes.into_iter().flatten();
    record.attributes = attributes.map(|(name, value)| (name.as_str().to_owned(), value)).collect();
    record
}

/// Works on a batch, and deletes the messages that the worker does not give back. A message that cannot
/// be deleted comes again, and changes nothing then.
async fn work(context: &Context, messages: Vec<SqsMessage>) {
    let receipts = messages
        .iter()
        .map(|message| (message.message_id.clone(), message.receipt_handle.clone()));
    let receipts: Vec<_> = receipts.collect();
    let mut event = SqsEvent::default();
    event.records = messages;
    let id = uuid::Uuid::new_v4().to_string();
    let response = summarize::handle(context, event, id, SystemTime::now() + BATCH_TIME).await;
    // The collector of metrics keeps only some values of each kind.
    telemetry::flush();
    let returned = |id: &Option<String>| {
        response
            .batch_item_failures
            .iter()
            .any(|failure| Some(&failure.item_identifier) == id.as_ref())
    };
    let done = receipts.into_iter().filter(|(id, _)| !returned(id));
    let done: Vec<String> = done.filter_map(|(_, receipt)| receipt).collect();
    for number in 1..=DELETES {
        let Err(error) = context.queue().delete_together(&done).await else {
            return;
        };
        tracing::warn!(number, error = %Chain(&error), "Messages of finished jobs could not be deleted.");
        tokio::time::sleep(PAUSE).await;
    }
}
