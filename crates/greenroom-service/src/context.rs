//! What a handler may read, and the effects it records: nothing happens until the handler says `Ok`.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{Millis, Rights, RoomId, SessionId, TaskId, UserId};

/// A frame of text or bytes; cloned for free on fan-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text; valid UTF-8, held as shared bytes.
    Text(Text),
    /// Bytes.
    Binary(Bytes),
}

impl Message {
    /// The payload, whichever kind it is.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The text, when it is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            Self::Binary(_) => None,
        }
    }
}

/// Shared UTF-8 text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(Bytes);

impl Text {
    /// Takes `bytes` as text.
    ///
    /// # Errors
    /// Gives the error of [`std::str::from_utf8`] when they are not UTF-8.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, std::str::Utf8Error> {
        std::str::from_utf8(&bytes)?;
        Ok(Self(bytes))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked when made")
    }

    /// The text's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(Text(Bytes::from(text.into_bytes())))
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(Text(Bytes::copy_from_slice(text.as_bytes())))
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

/// Who gets a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// Every session of the room.
    All,
    /// This session.
    One(SessionId),
    /// Every session but this one.
    Except(SessionId),
    /// These sessions.
    Many(Vec<SessionId>),
    /// The sessions that carry this tag.
    Tagged(String),
}

/// A session as a handler sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Who it is; `None` when nobody said so.
    pub user: Option<UserId>,
    /// What it may do.
    pub rights: Rights,
    /// Its tag, set by [`Context::tag`].
    pub tag: Option<String>,
}

/// Work outside the room; `name` selects the runner that the embedding server registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSpec {
    /// Which runner.
    pub name: String,
    /// What it is given.
    pub input: Bytes,
}

/// Why a session is closed, for [`Context::close`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseBy {
    /// The service wants it out; it is told not to come back by itself.
    Kicked,
}

/// What a handler wishes to happen, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// Send a message; it leaves after the event's durable part is on stable storage.
    Send(To, Message),
    /// Send a message of which only the newest per slot matters; an older unsent one is replaced.
    SendLatest(To, u32, Message),
    /// Close a session.
    Close(SessionId, CloseBy),
    /// Give a session a tag.
    Tag(SessionId, String),
    /// Write a durable entry (`Some`) or delete it (`None`).
    Entry(Bytes, Option<Bytes>),
    /// Set the named durable timer (`Some`) or cancel it (`None`).
    Timer(String, Option<Millis>),
    /// Start work outside.
    Task(TaskId, TaskSpec),
}

/// What the room lends a handler for one event.
#[derive(Debug)]
pub struct View<'a> {
    /// The room's name.
    pub room: &'a RoomId,
    /// Room time of this event.
    pub now: Millis,
    /// Randomness of this event; recorded, so that a replay draws the same.
    pub seed: u64,
    /// The sessions, in the order of their ids.
    pub sessions: &'a BTreeMap<SessionId, Session>,
    /// The durable entries as of the last event.
    pub entries: &'a BTreeMap<Bytes, Bytes>,
    /// The first task id that is free.
    pub next_task: u64,
}

/// What a handler may read (time, randomness, sessions, entries) and the effects it records.
#[derive(Debug)]
pub struct Context<'a> {
    view: View<'a>,
    written: BTreeMap<Bytes, Option<Bytes>>,
    effects: Vec<Effect>,
}

impl<'a> Context<'a> {
    /// Opens a context over what the room lends. Called by the room, and by tests.
    #[must_use]
    pub fn new(view: View<'a>) -> Self {
        Self {
            view,
            written: BTreeMap::new(),
            effects: Vec::new(),
        }
    }

    /// The room's name.
    #[must_use]
    pub fn room(&self) -> &RoomId {
        self.view.room
    }

    /// Room time; constant during one event.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.view.now
    }

    /// Random bits, from the event's seed by SplitMix64 (Steele, Lea and Flood, 2014): good for
    /// games and jitter, not for secrets.
    pub fn random(&mut self) -> u64 {
        self.view.seed = self.view.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.view.seed ^ (self.view.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Every session of the room, in the order of their ids.
    pub fn sessions(&self) -> impl Iterator<Item = &'a Session> {
        self.view.sessions.values()
    }

    /// Sends `message` once this event is durable.
    pub fn send(&mut self, to: To, message: impl Into<Message>) {
        self.effects.push(Effect::Send(to, message.into()));
    }

    /// Sends `message` unless a newer one for the same `slot` is sent before it left.
    pub fn send_latest(&mut self, to: To, slot: u32, message: impl Into<Message>) {
        self.effects
            .push(Effect::SendLatest(to, slot, message.into()));
    }

    /// Closes `session`.
    pub fn close(&mut self, session: SessionId, by: CloseBy) {
        self.effects.push(Effect::Close(session, by));
    }

    /// Gives `session` a tag, for [`To::Tagged`]; it replaces the one it had.
    pub fn tag(&mut self, session: SessionId, tag: &str) {
        self.effects.push(Effect::Tag(session, tag.into()));
    }

    /// The durable entry under `key`, this event's own writes included.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        match self.written.get(key) {
            Some(written) => written.clone(),
            None => self.view.entries.get(key).cloned(),
        }
    }

    /// The durable entries whose key starts with `prefix`, in key order, own writes included.
    #[must_use]
    pub fn range(&self, prefix: &[u8]) -> Vec<(Bytes, Bytes)> {
        let start = Bytes::copy_from_slice(prefix);
        let mut found: BTreeMap<Bytes, Bytes> = self
            .view
            .entries
            .range(start.clone()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        for (key, value) in self
            .written
            .range(start..)
            .take_while(|(k, _)| k.starts_with(prefix))
        {
            match value {
                Some(value) => found.insert(key.clone(), value.clone()),
                None => found.remove(key),
            };
        }
        found.into_iter().collect()
    }

    /// Writes a durable entry.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.write(key, Some(Bytes::copy_from_slice(value)));
    }

    /// Deletes a durable entry; nothing happens when there is none.
    pub fn delete(&mut self, key: &[u8]) {
        self.write(key, None);
    }

    /// Sets the durable timer `name` to fire at room time `at`; it replaces one of that name.
    pub fn set_timer(&mut self, name: &str, at: Millis) {
        self.effects.push(Effect::Timer(name.into(), Some(at)));
    }

    /// Cancels the timer `name`.
    pub fn cancel_timer(&mut self, name: &str) {
        self.effects.push(Effect::Timer(name.into(), None));
    }

    /// Starts work outside; its end comes back as [`Service::task_done`](crate::Service::task_done).
    /// At least once is not promised: a task that runs when the process ends is lost.
    pub fn task(&mut self, name: &str, input: impl Into<Bytes>) -> TaskId {
        let id = TaskId(self.view.next_task);
        self.view.next_task += 1;
        self.effects.push(Effect::Task(
            id,
            TaskSpec {
                name: name.into(),
                input: input.into(),
            },
        ));
        id
    }

    /// The recorded effects, in order. Called by the room after the handler said `Ok`.
    #[must_use]
    pub fn into_effects(self) -> Vec<Effect> {
        self.effects
    }

    fn write(&mut self, key: &[u8], value: Option<Bytes>) {
        let key = Bytes::copy_from_slice(key);
        self.written.insert(key.clone(), value.clone());
        self.effects.push(Effect::Entry(key, value));
    }
}
