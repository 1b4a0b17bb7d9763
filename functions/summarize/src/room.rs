//! The memory and the processors that the function has. Texts are worked on in parallel only as far
//! as both suffice, however many records a batch has.

use std::{num::NonZero, sync::Arc};

use shared::{
    config,
    memory::{self, Memory},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many bytes of memory the engine needs at most for each byte of a text. The example
/// `engine_hostile` of the engine measures it.
const NEEDED_PER_BYTE: usize = 128;
/// The part of the memory that is not for texts: the program and its tables, the event, the results
/// of a whole batch, and what a commit needs.
const RESERVED: usize = 400 * MEGABYTE;
const MEGABYTE: usize = 1024 * 1024;
/// Lambda gives one virtual processor for this many megabytes
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>). A function with less
/// sees two processors, but has only a part of one.
const MEGABYTES_PER_PROCESSOR: usize = 1769;
/// The memory of a function, in megabytes, if Lambda does not say it.
const USUAL_MEGABYTES: usize = 1024;

/// The free memory and the free processors.
pub struct Room {
    memory: Memory,
    processors: Arc<Semaphore>,
}

/// A part of the memory, and a processor if one was taken. Both become free when this is dropped.
pub(crate) struct Place {
    _memory: Option<memory::Place>,
    _processor: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// The room of this function. Lambda sets `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, in megabytes.
    pub(crate) fn of_function() -> Self {
        let megabytes = config::optional("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").and_then(|size| size.parse().ok());
        let megabytes = megabytes.unwrap_or(USUAL_MEGABYTES);
        Self::new(megabytes, processors().min(megabytes / MEGABYTES_PER_PROCESSOR).max(1))
    }

    /// The part of a lane in the room of a process that may use so many megabytes and all processors, and
    /// works on so many lanes.
    pub fn shared(megabytes: usize, lanes: usize) -> Self {
        let free = (megabytes * MEGABYTE).saturating_sub(RESERVED) / lanes.max(1);
        Self::new((free + RESERVED) / MEGABYTE, processors())
    }

    fn new(megabytes: usize, processors: usize) -> Self {
        Self {
            memory: Memory::of_bytes((megabytes * MEGABYTE).saturating_sub(RESERVED)),
            processors: Arc::new(Semaphore::new(processors)),
        }
    }

    /// Waits until there is memory for a text with this many bytes. A text that needs more than
    /// there is takes all of it.
    pub(crate) async fn memory(&self, bytes: usize) -> Place {
        Place {
            _memory: self.memory.take(bytes.saturating_mul(NEEDED_PER_BYTE)).await,
            _processor: None,
        }
    }

    /// Waits until a processor is free for the text in `place`.
    pub(crate) async fn processor(&self, place: Place) -> Place {
        Place {
            // The semaphore is never closed, so that this is always there.
            _processor: Arc::clone(&self.processors).acquire_owned().await.ok(),
            ..place
        }
    }
}

/// How many processors this process sees.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const LARGEST: usize = 4 * MEGABYTE;

    /// How many texts with this many bytes have room at the same time.
    fn fitting(megabytes: usize, bytes: usize) -> usize {
        let room = Room::new(megabytes, 2);
        let mut places = Vec::new();
        while let Some(place) = room.memory(bytes).now_or_never() {
            places.push(place);
            assert!(places.len() < 10_000);
        }
        places.len()
    }

    #[test]
    fn as_many_texts_are_in_work_as_the_memory_is_large() {
        assert_eq!([1024, 1769, 3538].map(|megabytes| fitting(megabytes, LARGEST)), [1, 2, 6]);
        assert!(fitting(1024, 4096) > 50);
        // The largest text is worked on alone, even if there is less memory than it may need.
        assert_eq!(fitting(512, LARGEST), 1);
        assert_eq!(fitting(128, LARGEST), 1);
    }

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let room = Room::new(1024, 1);
        let first = room
            .memory(LARGEST)
            .now_or_never()
            .and_then(|place| room.processor(place).now_or_never());
        assert!(first.is_some());
        assert!(room.memory(LARGEST).now_or_never().is_none());
        drop(first);
        let second = room
            .memory(LARGEST)
            .now_or_never()
            .and_then(|place| room.processor(place).now_or_never());
        assert!(second.is_some());
    }
}
