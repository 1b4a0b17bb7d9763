//! How long the engine needs for a text. A worker begins with no text that it would probably not
//! finish.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Nanoseconds for each byte of the slowest known text: 4.4 s for 4 MiB.
const SLOWEST_KNOWN: u64 = 1_100;
/// What every text needs beside that, however short it is.
const LEAST: Duration = Duration::from_millis(250);
/// How long the engine may work on one text. The slowest known text of 4 MiB takes 4.4 CPU seconds.
/// A text that takes longer than this in two attempts would take as long in every attempt, so that its
/// job fails. A worker that has just been invoked has more
/// time than this, so that it begins with every text.
pub(crate) const ENGINE_TIME: Duration = Duration::from_secs(20);
/// Texts with fewer bytes say nothing about the time for each byte.
const ENOUGH: usize = 64 * 1024;

/// The nanoseconds that a slow text has lately needed for each byte, in this process.
pub(crate) struct Pace(AtomicU64);

impl Pace {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(SLOWEST_KNOWN))
    }

    /// How long the engine will need at most for a text with this many bytes, if it is like those
    /// before.
    pub(crate) fn needed(&self, bytes: usize) -> Duration {
        let nanoseconds = self.0.load(Ordering::Relaxed).saturating_mul(bytes as u64);
        LEAST.saturating_add(Duration::from_nanos(nanoseconds)).min(ENGINE_TIME)
    }

    /// Takes note of how long a text took. A slow text is remembered at once and forgotten over the
    /// next ones.
    pub(crate) fn took(&self, bytes: usize, time: Duration) {
        if bytes < ENOUGH {
            return;
        }
        let seen = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) / bytes as u64;
        let known = self.0.load(Ordering::Relaxed);
        self.0.store(seen.max(known - known / 8), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEGABYTE: usize = 1024 * 1024;

    #[test]
    fn a_slow_text_is_remembered_and_forgotten_again() {
        let pace = Pace::new();
        assert!((4..5).contains(&pace.needed(4 * MEGABYTE).as_secs()));
        assert!(pace.needed(1000) < Duration::from_millis(300));
        for _ in 0..40 {
            pace.took(MEGABYTE, Duration::from_millis(100));
        }
        let usual = pace.needed(4 * MEGABYTE);
        assert!((600..800).contains(&usual.as_millis()), "{usual:?}");
        pace.took(MEGABYTE, Duration::from_millis(900));
        assert!(pace.needed(4 * MEGABYTE) > Duration::from_millis(3800));
        pace.took(MEGABYTE, Duration::from_mins(1));
        assert_eq!(pace.needed(4 * MEGABYTE), ENGINE_TIME);
        pace.took(10, Duration::from_mins(1));
        pace.took(MEGABYTE, Duration::ZERO);
        assert!(pace.needed(10) < LEAST + Duration::from_millis(1), "a short text says nothing");
    }
}
