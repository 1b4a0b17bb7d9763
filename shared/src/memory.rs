//! Memory for what a process holds at the same time, counted in bytes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory is counted in this many bytes.
const UNIT: usize = 1024;

/// The free memory.
pub struct Memory {
    free: Arc<Semaphore>,
    units: u32,
}

/// A part of the memory. It becomes free when this is dropped.
pub struct Place(#[expect(dead_code, reason = "it is kept so that it can be dropped")] OwnedSemaphorePermit);

impl Memory {
    /// So many free bytes.
    pub fn of_bytes(bytes: usize) -> Self {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        Self {
            free: Arc::new(Semaphore::new(units as usize)),
            units,
        }
    }

    /// Waits until so many bytes are free. If that is more than there are, it waits for all of them.
    pub async fn take(&self, bytes: usize) -> Option<Place> {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).clamp(1, self.units);
        // The semaphore is never closed, so that this is always there.
        Arc::clone(&self.free).acquire_many_owned(units).await.ok().map(Place)
    }
}
