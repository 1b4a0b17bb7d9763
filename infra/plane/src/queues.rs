//! Queues as SQS has them: a message that is received becomes invisible until it is deleted or its time is
//! over, and the groups of a queue take turns, so that a tenant with very many messages does not delay
//! the others (fair queues).

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap, VecDeque},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use anyhow::Result;
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

use crate::journal::{Entry, Journal};

/// A journal of this length begins from the start when no message is left.
const LONG: u64 = 64 * 1024 * 1024;

/// All queues.
pub(crate) struct Queues {
    inner: Mutex<Inner>,
    /// Wakes those who wait for a message.
    sent: Notify,
}

struct Inner {
    queues: BTreeMap<String, Queue>,
    journal: Journal,
}

#[derive(Default)]
struct Queue {
    visibility: Duration,
    /// The dead-letter queue, and after how many receives a message is moved there.
    dead: Option<(String, u32)>,
    messages: HashMap<String, Message>,
    /// The visible messages of each group, the oldest first.
    groups: HashMap<String, VecDeque<String>>,
    /// The groups with visible messages, in the order of their turns.
    turns: VecDeque<String>,
    /// When an invisible message becomes visible, its id, and its change at that time.
    hidden: BinaryHeap<Reverse<(Instant, String, u64)>>,
}

struct Message {
    body: String,
    group: String,
    sent_at: SystemTime,
    first_received_at: Option<SystemTime>,
    receives: u32,
    /// How often it was received, or its visibility was changed. It is a part of the receipt handle.
    changes: u64,
    is_visible: bool,
}

/// A message that is sent.
pub(crate) struct Sent {
    pub(crate) body: String,
    pub(crate) group: String,
    pub(crate) delay: Duration,
}

/// A message that was received.
pub(crate) struct Received {
    pub(crate) id: String,
    pub(crate) receipt: String,
    pub(crate) body: String,
    pub(crate) group: String,
    pub(crate) sent_at: SystemTime,
    pub(crate) first_received_at: SystemTime,
    pub(crate) receives: u32,
}

/// How many messages a queue has.
pub(crate) struct Counts {
    pub(crate) visible: usize,
    pub(crate) invisible: usize,
}

/// The queue does not exist.
pub(crate) struct NoQueue;

impl Queues {
    pub(crate) fn open(journal: &Path) -> Result<Self> {
        let mut queues: BTreeMap<String, Queue> = BTreeMap::new();
        let journal = Journal::open(journal, |entry| match entry {
            Entry::Queue { name, visibility, dead } => {
                let queue = queues.entry(name).or_default();
                (queue.visibility, queue.dead) = (Duration::from_secs(visibility), dead);
            }
            Entry::Sent { queue, id, group, body } => {
                if let Some(queue) = queues.get_mut(queue) {
                    queue.add(id.to_owned(), body.into_owned(), group.to_owned(), None);
                }
            }
            Entry::Deleted { queue, id } => {
                if let Some(queue) = queues.get_mut(queue) {
                    queue.messages.remove(id);
                }
            }
        })?;
        Ok(Self {
            inner: Mutex::new(Inner { queues, journal }),
            sent: Notify::new(),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a queue, or changes one.
    pub(crate) fn create(&self, name: &str, visibility: Duration, dead: Option<(String, u32)>) -> Result<()> {
        let mut inner = self.inner();
        inner.journal.add([Entry::Queue {
            name: name.to_owned(),
            visibility: visibility.as_secs(),
            dead: dead.clone(),
        }])?;
        let queue = inner.queues.entry(name.to_owned()).or_default();
        (queue.visibility, queue.dead) = (visibility, dead);
        Ok(())
    }

    /// Sends messages and returns their ids.
    pub(crate) fn send(&self, queue: &str, messages: Vec<Sent>) -> Result<Result<Vec<String>, NoQueue>> {
        let mut inner = self.inner();
        let Inner { queues, journal } = &mut *inner;
        let Some(found) = queues.get_mut(queue) else {
            return Ok(Err(NoQueue));
        };
        let ids: Vec<String> = messages.iter().map(|_| Uuid::new_v4().to_string()).collect();
        journal.add(messages.iter().zip(&ids).map(|(message, id)| Entry::Sent {
            queue,
            id,
            group: &message.group,
            body: message.body.as_str().into(),
        }))?;
        for (message, id) in messages.into_iter().zip(&ids) {
            let visible_at = (!message.delay.is_zero()).then(|| Instant::now() + message.delay);
            found.add(id.clone(), message.body, message.group, visible_at);
        }
        drop(inner);
        self.sent.notify_waiters();
        Ok(Ok(ids))
    }

    /// Receives up to `most` messages, and waits for the first one.
    pub(crate) async fn receive(
        &self,
        queue: &str,
        most: usize,
        visibility: Option<Duration>,
        wait: Duration,
    ) -> Result<Result<Vec<Received>, NoQueue>> {
        let deadline = Instant::now() + wait;
        loop {
            // It is woken by whatever is sent from here on.
            let sent = self.sent.notified();
            let (received, next) = {
                let mut inner = self.inner();
                let Inner { queues, journal } = &mut *inner;
                let Some(found) = queues.get_mut(queue) else {
                    return Ok(Err(NoQueue));
                };
                let (received, dead) = found.receive(most, visibility);
                let next = found.hidden.peek().map(|Reverse((at, ..))| *at);
                for (target, id, message) in dead {
                    let to = target.as_str();
                    journal.add([
                        Entry::Sent {
                            queue: to,
                            id: &id,
                            group: &message.group,
                            body: message.body.as_str().into(),
                        },
                        Entry::Deleted { queue, id: &id },
                    ])?;
                    if let Some(letters) = queues.get_mut(to) {
                        letters.add(id, message.body, message.group, None);
                    }
                }
                (received, next)
            };
            if !received.is_empty() || Instant::now() >= deadline {
                return Ok(Ok(received));
            }
            let until = next.map_or(deadline, |next| next.min(deadline));
            tokio::select! {
                () = sent => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Deletes received messages. A message that is gone already is no error.
    pub(crate) fn delete(&self, queue: &str, receipts: &[&str]) -> Result<Result<(), NoQueue>> {
        let mut inner = self.inner();
        let Inner { queues, journal } = &mut *inner;
        let Some(found) = queues.get_mut(queue) else {
            return Ok(Err(NoQueue));
        };
        let ids = receipts.iter().filter_map(|receipt| Some(receipt.split_once('#')?.0));
        let ids: Vec<&str> = ids.filter(|id| found.messages.remove(*id).is_some()).collect();
        journal.add(ids.iter().map(|id| Entry::Deleted { queue, id }))?;
        if journal.bytes() > LONG && queues.values().all(|queue| queue.messages.is_empty()) {
            journal.clear()?;
            for (name, queue) in queues.iter() {
                journal.add([Entry::Queue {
                    name: name.clone(),
                    visibility: queue.visibility.as_secs(),
                    dead: queue.dead.clone(),
                }])?;
            }
        }
        Ok(Ok(()))
    }

    /// Changes when a received message becomes visible again. Returns `false` if the receipt handle is not
    /// the last one of an invisible message.
    pub(crate) fn delay(&self, queue: &str, receipt: &str, visibility: Duration) -> Result<bool, NoQueue> {
        let mut inner = self.inner();
        let queue = inner.queues.get_mut(queue).ok_or(NoQueue)?;
        let Some((id, changes)) = receipt.split_once('#') else {
            return Ok(false);
        };
        let Some(message) = queue.messages.get_mut(id) else {
            return Ok(false);
        };
        if message.is_visible || message.changes.to_string() != changes {
            return Ok(false);
        }
        // The receipt handle stays valid, so that the change is noted in the time alone.
        queue.hidden.retain(|Reverse((_, hidden, _))| hidden != id);
        queue
            .hidden
            .push(Reverse((Instant::now() + visibility, id.to_owned(), message.changes)));
        drop(inner);
        self.sent.notify_waiters();
        Ok(true)
    }

    pub(crate) fn counts(&self, queue: &str) -> Result<Counts, NoQueue> {
        let mut inner = self.inner();
        let queue = inner.queues.get_mut(queue).ok_or(NoQueue)?;
        queue.show_due();
        let visible = queue.messages.values().filter(|message| message.is_visible).count();
        Ok(Counts {
            visible,
            invisible: queue.messages.len() - visible,
        })
    }

    pub(crate) fn exists(&self, queue: &str) -> bool {
        self.inner().queues.contains_key(queue)
    }
}

impl Queue {
    fn add(&mut self, id: String, body: String, group: String, visible_at: Option<Instant>) {
        let message = Message {
            body,
            group,
            sent_at: SystemTime::now(),
            first_received_at: None,
            receives: 0,
            changes: 0,
            is_visible: false,
        };
        self.messages.insert(id.clone(), message);
        match visible_at {
            Some(at) => self.hidden.push(Reverse((at, id, 0))),
            None => self.show(id),
        }
    }

    fn show(&mut self, id: String) {
        let Some(message) = self.messages.get_mut(&id) else { return };
        message.is_visible = true;
        let group = self.groups.entry(message.group.clone()).or_default();
        if group.is_empty() {
            self.turns.push_back(message.group.clone());
        }
        group.push_back(id);
    }

    /// Makes the messages visible whose time has come.
    fn show_due(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, ..))) = self.hidden.peek()
            && *at <= now
            && let Some(Reverse((_, id, changes))) = self.hidden.pop()
        {
            // The message may have been deleted, or received again.
            let is_current = self
                .messages
                .get(&id)
                .is_some_and(|message| !message.is_visible && message.changes == changes);
            if is_current {
                self.show(id);
            }
        }
    }

    /// Takes visible messages, and those that were received too often, with the names of their dead-letter
    /// queues.
    fn receive(&mut self, most: usize, visibility: Option<Duration>) -> (Vec<Received>, Vec<(String, String, Message)>) {
        self.show_due();
        let (mut received, mut dead) = (Vec::new(), Vec::new());
        let visible_at = Instant::now() + visibility.unwrap_or(self.visibility);
        while received.len() < most
            && let Some(turn) = self.turns.pop_front()
        {
            let Some(group) = self.groups.get_mut(&turn) else { continue };
            let id = group.pop_front();
            if group.is_empty() {
                self.groups.remove(&turn);
            } else {
                self.turns.push_back(turn);
            }
            // A message that was visible again may have been deleted with an old receipt handle.
            let Some(id) = id.filter(|id| self.messages.contains_key(id)) else {
                continue;
            };
            let too_often = |message: &Message| self.dead.as_ref().filter(|(_, most)| message.receives >= *most);
            if let Some((target, _)) = self.messages.get(&id).and_then(too_often) {
                let target = target.clone();
                dead.extend(self.messages.remove(&id).map(|message| (target, id, message)));
                continue;
            }
            let Some(message) = self.messages.get_mut(&id) else { continue };
            message.receives += 1;
            message.changes += 1;
            message.is_visible = false;
            let now = SystemTime::now();
            received.push(Received {
                receipt: format!("{id}#{}", message.changes),
                body: message.body.clone(),
                group: message.group.clone(),
                sent_at: message.sent_at,
                first_received_at: *message.first_received_at.get_or_insert(now),
                receives: message.receives,
                id: id.clone(),
            });
            self.hidden.push(Reverse((visible_at, id, message.changes)));
        }
        (received, dead)
    }
}
