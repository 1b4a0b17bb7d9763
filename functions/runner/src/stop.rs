//! When a process has to stop.

use std::time::Duration;

use anyhow::{Context, Result};
use shared::telemetry;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// How often metrics are written.
const FLUSHED: Duration = Duration::from_secs(10);

/// Becomes true when the process has to stop.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens for SIGTERM, which ECS sends two minutes before it takes a Spot task away, and for Ctrl-C.
    /// Writes metrics every ten seconds until then.
    pub(crate) fn on_signals() -> Result<Self> {
        let (sender, receiver) = watch::channel(false);
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
        tokio::spawn(async move {
            let mut flush = tokio::time::interval(FLUSHED);
            loop {
                tokio::select! {
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                    _ = flush.tick() => telemetry::flush(),
                }
            }
            tracing::info!("The process was told to stop. It takes no new work and finishes what it has begun.");
            sender.send_replace(true);
        });
        Ok(Self(receiver))
    }

    pub(crate) fn is_told(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the process has to stop.
    pub(crate) async fn told(&self) {
        // An error would mean that nobody can tell any more.
        let _ = self.0.clone().wait_for(|told| *told).await;
    }
}
