//! Every order in which a job can be worked on, delivered again, canceled, erased, replayed and swept, on
//! a model of the stores. Each step of the model is one call to one store, and a process may stop after
//! each of them.
//!
//! The model follows the modules `completion` (steps of a worker and of a replay) and `remove` of the API
//! (steps of a client). What a read shows changes only as `Status::may_become` allows, which the code
//! obeys too. The tests on the real stores are in `infra/local/tests/it`.

use std::collections::HashSet;

use shared::job::Status;

/// How a job has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum End {
    Succeeded,
    Failed,
    Canceled,
}

/// What a store has of the job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Entry {
    #[default]
    Nothing,
    Queued,
    Ended(End),
    Erased,
}

/// What a worker will do next with its delivery of the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Worker {
    #[default]
    Idle,
    /// It has received the message.
    Received,
    /// It knows how the job ends.
    Worked(End),
    /// The archive was asked. `new` says whether it had the job before.
    Entered { end: End, new: bool },
    /// The archive was read again, because it had the job before.
    ReadAgain(Entry),
    /// The cache is written, and the ledger is next.
    Cached(Option<End>),
    /// Everything is written, and the message is next.
    Recorded,
}

/// What the client will do next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Client {
    #[default]
    Idle,
    /// It has asked for `DELETE`, and the archive did not know the job.
    Canceling,
    /// The archive was asked to enter the canceled job.
    Entered { new: bool },
    /// The cache knows that the job is canceled.
    Cached,
    /// The message that erases the job once more is sent.
    Asked,
    /// The archive has erased the job.
    Erasing,
    /// The ledger has erased it too.
    ErasingCache,
}

/// What the operator who replays the dead letter of the job will do next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Operator {
    #[default]
    Idle,
    /// The archive has said that the job has failed.
    Found,
    /// The ledger knows that the job is unfinished again.
    LedgerOpen,
    /// The cache has it no more.
    Forgotten,
    /// The archive has it no more, and the message is next.
    Unarchived,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is one fact about the world")]
struct World {
    archive: Entry,
    cache: Entry,
    ledger: Entry,
    usage: u8,
    message: bool,
    deliveries: u8,
    requests: u8,
    /// A message that erases the job once more waits.
    erase_again: bool,
    workers: [Worker; 2],
    client: Client,
    operator: Operator,
    /// How often the operator may still ask.
    replays: u8,
    /// The answer of a `DELETE` was that the job is canceled.
    told_canceled: bool,
    /// The answer of a `DELETE` was that the job is erased.
    told_erased: bool,
}

impl World {
    fn new() -> Self {
        Self {
            cache: Entry::Queued,
            ledger: Entry::Queued,
            message: true,
            deliveries: 3,
            requests: 2,
            replays: 2,
            ..Self::default()
        }
    }

    fn enter(&mut self, end: End) -> bool {
        let new = self.archive == Entry::Nothing;
        if new {
            self.archive = Entry::Ended(end);
            self.usage += 1;
        }
        new
    }

    fn keep(&mut self, end: End) {
        if self.cache != Entry::Erased {
            self.cache = Entry::Ended(end);
        }
    }

    /// What a read shows.
    fn read(&self) -> Entry {
        if let Entry::Ended(_) | Entry::Queued = self.cache {
            return self.cache;
        }
        match self.archive {
            Entry::Nothing => self.ledger,
            known => known,
        }
    }

    /// Every world that one step of a worker leads to.
    fn work(&self, number: usize) -> Vec<Self> {
        let with = |worker: Worker, change: &dyn Fn(&mut Self)| {
            let mut next = self.clone();
            next.workers[number] = worker;
            change(&mut next);
            next
        };
        let same = |_: &mut Self| {};
        match self.workers[number] {
            Worker::Idle if self.message && self.deliveries > 0 => vec![with(Worker::Received, &|next| next.deliveries -= 1)],
            Worker::Idle => Vec::new(),
            Worker::Received => match self.cache {
                Entry::Erased => vec![with(Worker::Idle, &|next| next.message = false)],
                Entry::Ended(end) => vec![with(Worker::Worked(end), &same)],
                _ => vec![
                    with(Worker::Worked(End::Succeeded), &same),
                    with(Worker::Worked(End::Failed), &same),
                ],
            },
            Worker::Worked(end) => {
                let new = self.archive == Entry::Nothing;
                vec![with(Worker::Entered { end, new }, &move |next| {
                    next.enter(end);
                })]
            }
            Worker::Entered { end, new: true } => vec![with(Worker::Cached(Some(end)), &move |next| next.keep(end))],
            Worker::Entered { new: false, .. } => vec![with(Worker::ReadAgain(self.archive), &|next| {
                if next.cache != Entry::Erased {
                    next.cache = Entry::Nothing;
                }
            })],
            Worker::ReadAgain(Entry::Ended(end)) => vec![with(Worker::Cached(Some(end)), &same)],
            Worker::ReadAgain(_) => vec![with(Worker::Cached(None), &same)],
            Worker::Cached(end) => vec![with(Worker::Recorded, &move |next| {
                if let Some(end) = end {
                    next.ledger = Entry::Ended(end);
                }
            })],
            Worker::Recorded => vec![with(Worker::Idle, &|next| next.message = false)],
        }
    }

    /// Every world that one step of the client leads to.
    fn ask(&self) -> Vec<Self> {
        let with = |client: Client, change: &dyn Fn(&mut Self)| {
            let mut next = self.clone();
            next.client = client;
            change(&mut next);
            vec![next]
        };
        match self.client {
            Client::Idle if self.requests == 0 => Vec::new(),
            Client::Idle => match self.archive {
                Entry::Nothing => with(Client::Canceling, &|next| next.requests -= 1),
                _ => with(Client::Asked, &|next| {
                    next.requests -= 1;
                    next.erase_again = true;
                }),
            },
            Client::Canceling => {
                let new = self.archive == Entry::Nothing;
                with(Client::Entered { new }, &|next| {
                    next.enter(End::Canceled);
                })
            }
            Client::Entered { new: true } => with(Client::Cached, &|next| next.keep(End::Canceled)),
            // The answer is a conflict.
            Client::Entered { new: false } => with(Client::Idle, &|_| {}),
            Client::Cached => with(Client::Idle, &|next| {
                next.ledger = Entry::Ended(End::Canceled);
                next.told_canceled = true;
            }),
            // An operator has just opened the job again. The answer is an error.
            Client::Asked if self.archive == Entry::Nothing && self.ledger == Entry::Queued => with(Client::Idle, &|_| {}),
            Client::Asked => with(Client::Erasing, &|next| {
                if next.archive != Entry::Nothing {
                    next.archive = Entry::Erased;
                }
            }),
            Client::Erasing => with(Client::ErasingCache, &|next| next.ledger = Entry::Erased),
            Client::ErasingCache => with(Client::Idle, &|next| {
                next.cache = Entry::Erased;
                next.told_erased = true;
            }),
        }
    }

    /// Every world that one step of the operator leads to.
    fn replay(&self) -> Vec<Self> {
        let with = |operator: Operator, change: &dyn Fn(&mut Self)| {
            let mut next = self.clone();
            next.operator = operator;
            change(&mut next);
            vec![next]
        };
        match self.operator {
            Operator::Idle if self.replays == 0 => Vec::new(),
            // A dead letter is replayed two minutes after it was parked at the earliest, when no worker of
            // then is left.
            Operator::Idle if self.message || self.workers != [Worker::Idle; 2] => Vec::new(),
            Operator::Idle => match (self.archive, self.ledger) {
                (Entry::Ended(End::Failed), _) => with(Operator::Found, &|next| next.replays -= 1),
                // An earlier replay has stopped.
                (Entry::Nothing, Entry::Queued) => with(Operator::Unarchived, &|next| next.replays -= 1),
                _ => Vec::new(),
            },
            // The client has erased the job.
            Operator::Found if self.ledger == Entry::Erased => with(Operator::Idle, &|_| {}),
            Operator::Found => with(Operator::LedgerOpen, &|next| next.ledger = Entry::Queued),
            Operator::LedgerOpen => with(Operator::Forgotten, &|next| {
                if next.cache != Entry::Erased {
                    next.cache = Entry::Nothing;
                }
            }),
            Operator::Forgotten if self.archive != Entry::Ended(End::Failed) => with(Operator::Idle, &|_| {}),
            Operator::Forgotten => with(Operator::Unarchived, &|next| {
                next.archive = Entry::Nothing;
                next.usage -= 1;
            }),
            Operator::Unarchived => with(Operator::Idle, &|next| {
                next.message = true;
                next.deliveries = next.deliveries.max(1);
            }),
        }
    }

    /// What the sweep does with a job that the ledger has as unfinished, long after everybody else.
    fn sweep(&self) -> Option<Self> {
        let is_quiet = self.workers == [Worker::Idle; 2] && self.client == Client::Idle && self.operator == Operator::Idle;
        if !is_quiet || self.message || self.erase_again || self.ledger != Entry::Queued {
            return None;
        }
        let mut swept = self.clone();
        if swept.enter(End::Failed) {
            swept.keep(End::Failed);
        }
        swept.ledger = swept.archive;
        Some(swept)
    }

    fn next(&self) -> Vec<Self> {
        let mut worlds: Vec<Self> = (0..self.workers.len()).flat_map(|number| self.work(number)).collect();
        worlds.extend(self.ask());
        worlds.extend(self.replay());
        worlds.extend(self.sweep());
        if self.operator != Operator::Idle {
            let mut stopped = self.clone();
            stopped.operator = Operator::Idle;
            worlds.push(stopped);
        }
        // A process stops.
        for number in 0..self.workers.len() {
            if self.workers[number] != Worker::Idle {
                let mut stopped = self.clone();
                stopped.workers[number] = Worker::Idle;
                worlds.push(stopped);
            }
        }
        if self.client != Client::Idle {
            let mut stopped = self.clone();
            stopped.client = Client::Idle;
            worlds.push(stopped);
        }
        // The message that erases once more comes two minutes later, when no worker of then is left.
        // It comes again as long as an operator has opened the job again and nobody has ended it.
        let is_open = self.archive == Entry::Nothing && self.ledger == Entry::Queued;
        if self.erase_again && self.workers == [Worker::Idle; 2] && !is_open {
            let mut erased = self.clone();
            (erased.archive, erased.ledger, erased.cache) = (Entry::Erased, Entry::Erased, Entry::Erased);
            erased.erase_again = false;
            worlds.push(erased);
        }
        worlds
    }

    fn is_at_rest(&self) -> bool {
        let is_quiet = self.workers == [Worker::Idle; 2] && self.client == Client::Idle && self.operator == Operator::Idle;
        is_quiet && !self.message && !self.erase_again && self.ledger != Entry::Queued
    }

    /// The status that a read shows. `None` if the job is erased.
    fn status(&self) -> Option<Status> {
        match self.read() {
            Entry::Queued => Some(Status::Queued),
            Entry::Ended(End::Succeeded) => Some(Status::Succeeded),
            Entry::Ended(End::Failed) => Some(Status::Failed),
            Entry::Ended(End::Canceled) => Some(Status::Canceled),
            Entry::Nothing | Entry::Erased => None,
        }
    }

    /// Checks that what a read shows changes as the code may change it. A read can miss that a job was
    /// queued or running in between.
    fn check_change(&self, next: &Self) {
        let (Some(from), Some(to)) = (self.status(), next.status()) else {
            return;
        };
        let mut reached = vec![from];
        let mut looked_at = 0;
        while let Some(status) = reached.get(looked_at).copied() {
            let unfinished = [Status::Queued, Status::Running].into_iter();
            let more: Vec<Status> = unfinished
                .filter(|next| status.may_become(*next) && !reached.contains(next))
                .collect();
            reached.extend(more);
            looked_at += 1;
        }
        let is_allowed = from == to || reached.iter().any(|status| status.may_become(to));
        assert!(is_allowed, "{self:?}\nbecomes {next:?}");
    }

    fn check(&self) {
        // A job is counted once, and only if it has ended.
        assert_eq!(self.usage, u8::from(self.archive != Entry::Nothing), "{self:?}");
        // An erased job is never shown again.
        if self.told_erased {
            assert_eq!(self.read(), Entry::Erased, "{self:?}");
        }
        // A client that was told so reads that its job is canceled, until it erases it.
        if self.told_canceled && self.archive != Entry::Erased {
            assert_eq!(self.read(), Entry::Ended(End::Canceled), "{self:?}");
        }
        if self.is_at_rest() {
            // Each job has an end, and all stores agree about it.
            assert_ne!(self.archive, Entry::Nothing, "{self:?}");
            let agrees = |entry: Entry| entry == self.archive || (entry == Entry::Nothing && self.cache == entry);
            assert!(agrees(self.cache), "{self:?}");
            if self.told_erased {
                assert_eq!(self.ledger, Entry::Erased, "{self:?}");
            }
        }
    }
}

#[test]
fn in_every_order_one_end_wins_and_the_stores_agree() {
    let mut seen = HashSet::from([World::new()]);
    let mut open: Vec<World> = seen.iter().cloned().collect();
    let mut at_rest = 0;
    while let Some(world) = open.pop() {
        world.check();
        at_rest += usize::from(world.is_at_rest());
        for next in world.next() {
            world.check_change(&next);
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    assert!(seen.len() > 1_000 && at_rest > 10, "{} worlds, {at_rest} at rest", seen.len());
    // Every kind of end is reached.
    for end in [
        Entry::Ended(End::Succeeded),
        Entry::Ended(End::Failed),
        Entry::Ended(End::Canceled),
        Entry::Erased,
    ] {
        assert!(seen.iter().any(|world| world.is_at_rest() && world.archive == end), "{end:?}");
    }
}
