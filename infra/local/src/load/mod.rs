//! Load runs: many jobs at a rate that does not depend on how fast the service is, and a report of what
//! they took, which ends with an audit of every accepted job.

mod client;
mod meter;
mod numbers;
mod outcome;
mod report;
mod schedule;
mod settings;
pub mod system;
mod texts;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tokio::{task::JoinSet, time::Instant};

use client::Client;
use meter::Meter;
use outcome::Outcome;
use texts::Texts;

pub use numbers::Numbers;
pub use report::Report;
pub use schedule::Schedule;
pub use settings::Load;

use crate::progress::Step;

/// How often the progress is shown, and the memory is looked at.
const SHOWN: Duration = Duration::from_secs(1);
/// How long the last jobs are waited for after the last submission.
const PATIENCE: Duration = Duration::from_mins(5);

/// Submits all jobs of the schedule, each at its moment, follows them to their ends, and reports. `system`
/// is what runs on this machine.
///
/// # Errors
/// If the system cannot be measured, or an accepted job has no end.
pub async fn run(load: &Load, system: Option<&system::System>, step: &Step) -> Result<Report> {
    let client = Arc::new(Client::new(load)?);
    let texts = Arc::new(Texts::new(load));
    let mut meter = Meter::start(system).await?;
    let mut jobs = JoinSet::new();
    let outcomes: Arc<Mutex<Vec<Outcome>>> = Arc::default();
    let begun = Instant::now();
    let mut shown = begun;
    let mut show = || {
        if shown.elapsed() > SHOWN {
            shown = Instant::now();
            step.part(&client.progress(begun.elapsed()));
            meter.tick();
        }
    };
    for (number, offset) in load.schedule.arrivals(load.seed).enumerate() {
        tokio::time::sleep_until(begun + offset).await;
        let (job, texts, outcomes) = (Arc::clone(&client), Arc::clone(&texts), Arc::clone(&outcomes));
        jobs.spawn(async move {
            let outcome = job.job(number, &texts, begun + offset).await;
            outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
        });
        show();
    }
    let submitted = begun.elapsed();
    let deadline = Instant::now() + PATIENCE;
    while !jobs.is_empty() {
        ensure!(Instant::now() < deadline, "{} jobs have no end after five minutes", jobs.len());
        let _ = tokio::time::timeout(SHOWN, jobs.join_next()).await;
        show();
    }
    let took = begun.elapsed();
    let used = meter.end().await?;
    let outcomes = std::mem::take(&mut *outcomes.lock().unwrap_or_else(PoisonError::into_inner));
    let audit = match system {
        Some(system) => Some(system.audit(&outcomes).await.context("the audit failed")?),
        None => None,
    };
    Ok(Report::of(load, &outcomes, client.reads(), submitted, took, &used, audit))
}
