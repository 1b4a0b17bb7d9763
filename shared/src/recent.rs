//! Answers that a process keeps for a short time.

use std::{
    future::Future,
    hash::Hash,
    sync::Arc,
    time::{Duration, SystemTime},
};

use moka::future::Cache;

/// Answers of the last moments. Callers that ask for the same key at the same time share one
/// look-up.
///
/// Lambda freezes a process between two requests, and the monotonic clock by which moka forgets may
/// stand still meanwhile. So each answer is kept with the wall-clock time at which it was looked up,
/// and this time counts as well.
pub struct Recent<K, V> {
    known: Cache<K, (SystemTime, V)>,
    kept: Duration,
}

impl<K, V> Recent<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Keeps up to `most` answers, each for the time `kept`.
    pub fn new(most: u64, kept: Duration) -> Self {
        Self {
            known: Cache::builder().max_capacity(most).time_to_live(kept).build(),
            kept,
        }
    }

    /// The answer for `key`. It is looked up if it is not known or too old.
    pub async fn get_with(&self, key: K, look_up: impl Future<Output = V>) -> V {
        self.forget_if_old(&key).await;
        self.known.get_with(key, async { (SystemTime::now(), look_up.await) }).await.1
    }

    /// The same for a look-up that can fail. An error is not kept.
    ///
    /// # Errors
    /// If the look-up fails.
    pub async fn try_get_with<E: Send + Sync + 'static>(&self, key: K, look_up: impl Future<Output = Result<V, E>>) -> Result<V, Arc<E>> {
        self.forget_if_old(&key).await;
        let look_up = async { Ok((SystemTime::now(), look_up.await?)) };
        Ok(self.known.try_get_with(key, look_up).await?.1)
    }

    async fn forget_if_old(&self, key: &K) {
        if let Some((at, _)) = self.known.get(key).await
            // If the clock was set back, the age is not known.
            && at.elapsed().is_ok_and(|age| age < self.kept)
        {
            return;
        }
        self.known.invalidate(key).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const KEPT: Duration = Duration::from_mins(1);

    /// An answer that moka still keeps, although it was looked up so long ago by the wall clock.
    async fn kept_since(age: Duration) -> Recent<(), u32> {
        let recent = Recent::new(1, KEPT);
        recent.known.insert((), (SystemTime::now() - age, 1)).await;
        recent
    }

    #[tokio::test]
    async fn an_answer_is_too_old_even_if_the_process_was_frozen_meanwhile() {
        let recent = kept_since(Duration::from_secs(50)).await;
        assert_eq!(recent.get_with((), async { 2 }).await, 1);
        let recent = kept_since(Duration::from_mins(2)).await;
        assert_eq!(recent.get_with((), async { 2 }).await, 2);
        let recent = kept_since(Duration::from_mins(2)).await;
        assert_eq!(recent.try_get_with((), async { Ok::<_, ()>(2) }).await, Ok(2));
        assert_eq!(recent.try_get_with((), async { Err(()) }).await, Ok(2));
    }

    #[tokio::test]
    async fn callers_share_a_look_up_and_an_error_is_not_kept() {
        let (recent, asked) = (Recent::new(1, KEPT), AtomicU32::new(0));
        let look_up = || async {
            tokio::task::yield_now().await;
            asked.fetch_add(1, Ordering::Relaxed)
        };
        let answers = tokio::join!(recent.get_with((), look_up()), recent.get_with((), look_up()));
        assert_eq!((answers, asked.load(Ordering::Relaxed)), ((0, 0), 1));
        let recent: Recent<(), u32> = Recent::new(1, KEPT);
        assert!(recent.try_get_with((), async { Err("no") }).await.is_err());
        assert_eq!(recent.try_get_with((), async { Ok::<_, &str>(3) }).await, Ok(3));
    }
}
