//! The worker of a lane. It receives a batch of jobs from SQS, summarises them in parallel and
//! records that they have finished.

mod pace;
mod room;
mod worker;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

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
use room::Room;
use worker::Summarizer;

/// The queue and the worker that every batch needs. They are made once per cold start.
pub struct Context {
    queue: Queue,
    worker: Arc<Summarizer>,
}

impl Context {
    /// Reads the environment variables that the template sets. It opens no connection yet.
    ///
    /// # Errors
    /// If a variable is missing or has a wrong value.
    pub async fn try_from_env() -> Result<Self, ConfigError> {
        let aws = config::aws().await;
        let (cache, ledger) = (Arc::new(Cache::from_env(&aws)?), Arc::new(Ledger::from_env(&aws)?));
        let worker = Summarizer {
            region: config::required("AWS_REGION")?,
            completion: Completion::from_env(&aws, Arc::clone(&cache), Arc::clone(&ledger))?,
            cache,
            documents: Documents::from_env(&aws)?,
            ledger,
            level: ServiceLevel::from_env(&aws)?,
            room: Room::from_env(),
            pace: Pace::new(),
        };
        Ok(Self {
            queue: Queue::from_env(&aws, "LANE_URL")?,
            worker: Arc::new(worker),
        })
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
