//! The worker of a lane. It receives a batch of jobs from SQS, summarises them in parallel and
//! records that they have finished.

mod pace;
mod room;
mod worker;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_config::SdkConfig;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use shared::{
    batch::{self, Invocation},
    cache::Cache,
    completion::Completion,
    config::{self, ConfigError},
    documents::Documents,
    lanes::Queue,
    ledger::Ledger,
    service_level::ServiceLevel,
};
use tokio::time::Instant;

use pace::Pace;
use worker::Summarizer;

pub use room::Room;

/// What works on the jobs of any lane. It is made once per process.
pub struct Worker(Arc<Summarizer>);

/// The queue and the worker that every batch needs.
pub struct Context {
    queue: Queue,
    worker: Arc<Summarizer>,
}

impl Worker {
    /// The worker of a process that has this room for texts. It reads the environment variables that the
    /// template sets, and opens no connection yet.
    ///
    /// # Errors
    /// If a variable is missing or has a wrong value.
    pub fn of(aws: &SdkConfig, room: Room) -> Result<Self, ConfigError> {
        let (cache, ledger) = (Arc::new(Cache::from_env(aws)?), Arc::new(Ledger::from_env(aws)?));
        Ok(Self(Arc::new(Summarizer {
            region: config::required("AWS_REGION")?,
            completion: Completion::from_env(aws, Arc::clone(&cache), Arc::clone(&ledger))?,
            cache,
            documents: Documents::from_env(aws)?,
            ledger,
            level: ServiceLevel::from_env(aws)?,
            room,
            pace: Pace::new(),
        })))
    }

    /// The worker on the lane of this queue.
    pub fn on(&self, queue: Queue) -> Context {
        Context {
            queue,
            worker: Arc::clone(&self.0),
        }
    }
}

impl Context {
    /// The context of a function. It reads the environment variables that the template sets, and opens no
    /// connection yet.
    ///
    /// # Errors
    /// If a variable is missing or has a wrong value.
    pub async fn try_from_env() -> Result<Self, ConfigError> {
        let aws = config::aws().await;
        Ok(Worker::of(&aws, Room::of_function())?.on(Queue::from_env(&aws, "LANE_URL")?))
    }

    /// The queue of the lane.
    pub const fn queue(&self) -> &Queue {
        &self.queue
    }
}

/// Processes one batch. `deadline` is when Lambda stops the invocation.
pub async fn handle(context: &Context, event: SqsEvent, request_id: String, deadline: SystemTime) -> SqsBatchResponse {
    let left = deadline.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
    let invocation = Invocation {
        request_id,
        deadline: Instant::now() + left,
    };
    Box::pin(batch::process(&context.worker, &context.queue, event, &invocation)).await
}
