//! Gathers what many requests write at the same moment, and writes it in one call.
//!
//! A single request waits for nobody: its call leaves at once. When a call has had several entries, the
//! next one waits for [`LINGER`], so that there are fewer calls under load. Each request learns the outcome
//! of its own entry, after the store has answered. An entry that has waited too long for its call is not
//! written, so that its request can be refused safely.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::store::{Store, StoreError};

/// How long an entry waits for others under load.
const LINGER: Duration = Duration::from_millis(8);
/// A call with so many entries shows that there is load.
const SEVERAL: usize = 3;
/// How long an entry waits for its call. Then it is refused.
const WAIT: Duration = Duration::from_secs(3);
/// How long a call may take.
const CALL_TIME: Duration = Duration::from_secs(9);
/// How many calls are under way at the same time. The next one waits, and grows meanwhile.
const CALLS: usize = 4;

/// A store that takes several entries in one call.
pub(crate) trait Sink: Send + Sync + 'static {
    type Entry: Send + 'static;
    /// The most entries of a call.
    const ENTRIES: usize;
    /// The most bytes of a call.
    const BYTES: usize;
    /// For the error of an entry whose call has ended without an answer.
    const STORE: Store;

    fn bytes(entry: &Self::Entry) -> usize;

    /// Writes entries in one call. Returns an outcome for each of them, in their order.
    fn write(&self, entries: Vec<Self::Entry>) -> impl Future<Output = Vec<Result<(), StoreError>>> + Send;
}

/// An entry, who waits for its outcome, and until when its call has to begin.
type Waiting<S> = (<S as Sink>::Entry, oneshot::Sender<Result<(), StoreError>>, Instant);

/// Entries on their way to a store.
pub(crate) struct Gather<S: Sink>(mpsc::UnboundedSender<Waiting<S>>);

impl<S: Sink> Clone for Gather<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Sink> Gather<S> {
    /// Starts a task that ends when the last clone of this is dropped and everything is written.
    pub(crate) fn new(sink: S) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(run(Arc::new(sink), receiver));
        Self(sender)
    }

    /// Writes an entry together with others.
    ///
    /// # Errors
    /// If the store refuses the entry or there is no answer in time. As with every call whose answer is
    /// lost, the entry may be written nevertheless.
    pub(crate) async fn write(&self, entry: S::Entry) -> Result<(), StoreError> {
        let (sender, receiver) = oneshot::channel();
        let lost = || failed::<S>("the call ended without an answer");
        self.0.send((entry, sender, Instant::now() + WAIT)).map_err(|_| lost())?;
        receiver.await.unwrap_or_else(|_| Err(lost()))
    }
}

fn failed<S: Sink>(cause: &'static str) -> StoreError {
    StoreError::new(S::STORE, "write together with others", cause)
}

async fn run<S: Sink>(sink: Arc<S>, mut entries: mpsc::UnboundedReceiver<Waiting<S>>) {
    let mut calls = JoinSet::new();
    let (mut next, mut last): (Option<Waiting<S>>, _) = (None, 1);
    loop {
        let mut found = match next.take() {
            None => entries.recv().await,
            kept => kept,
        };
        if found.is_none() {
            break;
        }
        if last >= SEVERAL && entries.len() + 1 < S::ENTRIES {
            tokio::time::sleep(LINGER).await;
        }
        while calls.try_join_next().is_some() {}
        while calls.len() >= CALLS {
            calls.join_next().await;
        }
        let (mut together, mut bytes) = (Vec::new(), 0);
        while let Some((entry, waiting, until)) = found {
            if !together.is_empty() && bytes + S::bytes(&entry) > S::BYTES {
                next = Some((entry, waiting, until));
                break;
            }
            if until < Instant::now() {
                let _ = waiting.send(Err(failed::<S>("other calls took too long, so that it was not tried")));
            } else if !waiting.is_closed() {
                bytes += S::bytes(&entry);
                together.push((entry, waiting));
            }
            found = (together.len() < S::ENTRIES).then(|| entries.try_recv().ok()).flatten();
        }
        if together.is_empty() {
            continue;
        }
        last = together.len();
        let sink = Arc::clone(&sink);
        calls.spawn(async move {
            let (entries, waiting): (Vec<_>, Vec<_>) = together.into_iter().unzip();
            // Without an answer, those who wait learn that there is none.
            let outcomes = timeout(CALL_TIME, sink.write(entries)).await.unwrap_or_default();
            for (waiting, outcome) in waiting.into_iter().zip(outcomes) {
                // Nobody may wait any more.
                let _ = waiting.send(outcome);
            }
        });
    }
    calls.join_all().await;
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::future::join_all;

    use super::*;

    /// The entries of each call.
    type Calls = Arc<Mutex<Vec<Vec<u32>>>>;

    /// Takes 10 ms for each call, and refuses odd numbers.
    struct Evens(Calls);

    impl Sink for Evens {
        type Entry = u32;
        const ENTRIES: usize = 10;
        const BYTES: usize = 1000;
        const STORE: Store = Store::Lanes;

        fn bytes(entry: &u32) -> usize {
            if *entry >= 1000 { 600 } else { 1 }
        }

        async fn write(&self, entries: Vec<u32>) -> Vec<Result<(), StoreError>> {
            tokio::time::sleep(Duration::from_millis(10)).await;
            self.0.lock().unwrap().push(entries.clone());
            let odd = |entry: &u32| match entry % 2 {
                0 => Ok(()),
                _ => Err(StoreError::new(Store::Lanes, "take an odd number", entry.to_string())),
            };
            entries.iter().map(odd).collect()
        }
    }

    fn gather() -> (Gather<Evens>, Calls) {
        let calls = Calls::default();
        (Gather::new(Evens(Arc::clone(&calls))), calls)
    }

    #[tokio::test(start_paused = true)]
    async fn each_entry_gets_its_own_outcome_and_entries_share_calls() {
        let (gather, calls) = gather();
        let outcomes = join_all((0..100).map(|number| gather.write(number))).await;
        for (number, outcome) in outcomes.into_iter().enumerate() {
            assert_eq!(outcome.is_ok(), number % 2 == 0, "{number}");
            if let Err(error) = outcome {
                assert_eq!(std::error::Error::source(&error).unwrap().to_string(), number.to_string());
            }
        }
        let calls = calls.lock().unwrap();
        let mut written: Vec<u32> = calls.iter().flatten().copied().collect();
        written.sort_unstable();
        assert_eq!(written, (0..100).collect::<Vec<_>>());
        assert!(calls.iter().all(|call| call.len() <= 10));
        assert!(calls.len() <= 11, "{} calls", calls.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_entry_waits_for_nobody() {
        let (gather, _) = gather();
        let begun = tokio::time::Instant::now();
        gather.write(2).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_has_no_more_bytes_than_the_store_takes() {
        let (gather, calls) = gather();
        let outcomes = join_all((1000..1010).map(|number| gather.write(number))).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 5);
        assert!(calls.lock().unwrap().iter().all(|call| call.len() == 1));
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_somebody_waits_for_is_written() {
        let (gather, calls) = gather();
        // They have left when their requests stop waiting.
        let writes = async { tokio::join!(gather.write(2), gather.write(4)) };
        assert!(tokio::time::timeout(Duration::from_millis(1), writes).await.is_err());
        // All calls are under way, so that the last ones wait.
        let under_way = join_all((0..40).map(|number| gather.write(number * 2)));
        let (_, stopped) = tokio::join!(under_way, async {
            let writes = join_all((0..10).map(|number| gather.write(100 + 2 * number)));
            tokio::time::timeout(Duration::from_millis(5), writes).await
        });
        assert!(stopped.is_err());
        drop(gather);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let written: Vec<u32> = calls.lock().unwrap().iter().flatten().copied().collect();
        assert_eq!(written.len(), 42, "{written:?}");
        assert!(written.iter().all(|number| *number < 100));
    }

    /// Never answers.
    struct Silent;

    impl Sink for Silent {
        type Entry = ();
        const ENTRIES: usize = 1;
        const BYTES: usize = 1;
        const STORE: Store = Store::Ledger;

        fn bytes((): &()) -> usize {
            1
        }

        async fn write(&self, _: Vec<()>) -> Vec<Result<(), StoreError>> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let gather = Gather::new(Silent);
        let begun = tokio::time::Instant::now();
        let outcomes = join_all((0..20).map(|_| gather.write(()))).await;
        assert!(outcomes.iter().all(Result::is_err));
        let tried = |outcome: &&Result<(), StoreError>| !format!("{outcome:?}").contains("not tried");
        assert_eq!(outcomes.iter().filter(tried).count(), CALLS);
        assert_eq!(begun.elapsed().as_secs(), CALL_TIME.as_secs());
    }
}
