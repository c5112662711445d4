//! Yjs awareness: who is here and where their cursors are, per document, never journaled.
//!
//! The wire format and the rule of clocks are those of y-protocols 1.0.7 (`awareness.js`). The
//! table adds what a server needs and the clients lack: each entry has an owner, the session that
//! brought it; only the owner changes it, and it goes when the owner goes. Peers echo entries of
//! others, so that an echo never makes an owner.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use greenroom_service::{Millis, SessionId};

use crate::close_reason::CloseReason;
use crate::limits::{AWARENESS_EXPIRY_MS, AWARENESS_TOMBSTONE_MS, Limits};
use crate::protocol::lib0::{Reader, put_var_bytes, put_var_uint};
use crate::room::hits::Hits;
use crate::room::request::Present;

/// One client's state as a peer sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwarenessEntry {
    /// The Yjs client id.
    pub client: u64,
    /// The state's clock.
    pub clock: u64,
    /// The state, a JSON object; `None` when it was removed.
    pub state: Option<Bytes>,
}

/// Reads an awareness update: varUint n, then n times varUint client, varUint clock, varString
/// JSON. Every state must be a JSON object or `null`: other peers parse it without a net.
///
/// # Errors
/// [`CloseReason::Malformed`], or [`CloseReason::TooLarge`] when it holds more than allowed.
pub fn read_awareness(body: &Bytes, limits: &Limits) -> Result<Vec<AwarenessEntry>, CloseReason> {
    // Client, clock and an empty string take a byte each.
    const ENTRY_BYTES_MIN: usize = 3;
    let mut reader = Reader::new(body);
    let count = reader.var_uint().map_err(|_| CloseReason::Malformed)?;
    if count > (reader.remaining() / ENTRY_BYTES_MIN) as u64 {
        return Err(CloseReason::Malformed);
    }
    if count > limits.awareness_entries_max as u64 {
        return Err(CloseReason::TooLarge);
    }
    let mut entries = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let client = reader.var_uint().map_err(|_| CloseReason::Malformed)?;
        let clock = reader.var_uint().map_err(|_| CloseReason::Malformed)?;
        let json = reader.var_string().map_err(|_| CloseReason::Malformed)?;
        if json.len() > limits.awareness_state_bytes_max {
            return Err(CloseReason::TooLarge);
        }
        let state = match json {
            "null" => None,
            object if is_json_object(object) => Some(body.slice_ref(object.as_bytes())),
            _ => return Err(CloseReason::Malformed),
        };
        entries.push(AwarenessEntry {
            client,
            clock,
            state,
        });
    }
    if reader.is_empty() {
        Ok(entries)
    } else {
        Err(CloseReason::Malformed)
    }
}

fn is_json_object(json: &str) -> bool {
    json.trim_start().starts_with('{')
        && serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok()
}

/// Whether `sender` may take over an entry that is not its session's. Nobody but its author knows a
/// clock that we do not: that revives an entry from a new address, and takes one back from another
/// peer of the same user whose first word was an echo.
fn may_claim(known: &Entry, sender: &str, is_first_word: bool, clock: u64) -> bool {
    let is_newer = clock > known.clock;
    if *known.author == *sender {
        is_first_word || is_newer
    } else {
        known.owner.is_none() && is_newer
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    clock: u64,
    /// `None`: a tombstone, kept for a while so that a late echo does not revive the entry.
    state: Option<Bytes>,
    owner: Option<SessionId>,
    /// Whose it is or was: the user, or where an anonymous one comes from.
    author: Arc<str>,
    /// When it was last changed.
    changed: Millis,
}

/// The awareness table of one document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Awareness {
    entries: BTreeMap<u64, Entry>,
    /// The client ids of each session that announced any.
    owned: BTreeMap<SessionId, BTreeSet<u64>>,
    /// Not before this does any entry expire.
    check_at: Option<Millis>,
    /// Clients whose entry changed since it was told.
    untold: BTreeSet<u64>,
    /// Not before this is anything told again.
    tell_at: Millis,
    /// What was counted and not taken.
    hits: Hits,
}

impl Awareness {
    /// What everybody shows, for people.
    pub(crate) fn shown<'a>(&'a self, document: &'a str) -> impl Iterator<Item = Present> + 'a {
        self.entries.iter().filter_map(move |(client, entry)| {
            Some(Present {
                session: entry.owner,
                user: None,
                document: document.to_owned(),
                client: *client,
                state: entry.state.clone()?,
            })
        })
    }

    /// Takes in what `session` sent and gives the clients whose entry changed, to be told to
    /// everybody, the sender included: its watchdog counts the echo, and a raised clock must reach
    /// it. `sender` is the session's user, or where an anonymous one comes from.
    ///
    /// A new connection announces itself first, alone: this claims its client id even when the
    /// entry is a tombstone, or is still held by the half-open connection that it had before; of
    /// the same sender, because the first word of a peer without a state is an echo of another's. A
    /// tombstone is revived with its clock plus one, because the returning tab still has the old
    /// clock, which its peers would ignore until the next renewal.
    pub fn announce(
        &mut self,
        now: Millis,
        session: SessionId,
        entries: &[AwarenessEntry],
        limits: &Limits,
        sender: &str,
    ) -> Vec<u64> {
        let claims = !self.owned.contains_key(&session) && entries.len() == 1;
        self.owned.entry(session).or_default();
        let mut changed = Vec::new();
        for entry in entries {
            let did_change = match self.entries.get(&entry.client) {
                None => self.add(now, session, sender, entry, limits),
                Some(known) if known.owner == Some(session) => self.renew(now, entry),
                Some(known) if may_claim(known, sender, claims, entry.clock) => {
                    self.claim(now, session, sender, entry, limits)
                }
                Some(_) => false,
            };
            if did_change {
                changed.push(entry.client);
            }
        }
        changed
    }

    fn add(
        &mut self,
        now: Millis,
        session: SessionId,
        sender: &str,
        entry: &AwarenessEntry,
        limits: &Limits,
    ) -> bool {
        if entry.state.is_none() {
            return false;
        }
        if self.entries.len() >= limits.awareness_table_max {
            self.hits.limit("awareness_table_max");
            return false;
        }
        self.own((now, session, sender), entry, entry.clock, limits)
    }

    fn renew(&mut self, now: Millis, entry: &AwarenessEntry) -> bool {
        let known = self
            .entries
            .get_mut(&entry.client)
            .expect("looked up by the caller");
        let removed_now = entry.state.is_none() && known.state.is_some();
        if entry.clock < known.clock || (entry.clock == known.clock && !removed_now) {
            return false;
        }
        known.clock = entry.clock;
        known.state = entry.state.clone();
        known.changed = now;
        true
    }

    fn claim(
        &mut self,
        now: Millis,
        session: SessionId,
        sender: &str,
        entry: &AwarenessEntry,
        limits: &Limits,
    ) -> bool {
        let known = &self.entries[&entry.client];
        if entry.state.is_none() {
            return false;
        }
        let (before, clock) = (known.owner, known.clock);
        let stale = entry.clock <= clock;
        if known.state.is_some() && stale {
            // Everybody shows it already; only the owner is new.
            let known = self.entries.get_mut(&entry.client).expect("indexed above");
            known.owner = Some(session);
            known.author = sender.into();
            known.changed = now;
            self.disown(before, entry.client);
            self.owned.entry(session).or_default().insert(entry.client);
            return false;
        }
        let clock = if stale { clock + 1 } else { entry.clock };
        if !self.own((now, session, sender), entry, clock, limits) {
            return false;
        }
        self.disown(before, entry.client);
        true
    }

    fn own(
        &mut self,
        (now, session, sender): (Millis, SessionId, &str),
        entry: &AwarenessEntry,
        clock: u64,
        limits: &Limits,
    ) -> bool {
        let owned = self.owned.entry(session).or_default();
        if owned.len() >= limits.awareness_owned_max {
            self.hits.limit("awareness_owned_max");
            return false;
        }
        owned.insert(entry.client);
        let state = entry.state.clone();
        self.entries.insert(
            entry.client,
            Entry {
                clock,
                state,
                owner: Some(session),
                author: sender.into(),
                changed: now,
            },
        );
        let expires = now.plus(AWARENESS_EXPIRY_MS);
        self.check_at = Some(self.check_at.map_or(expires, |at| at.min(expires)));
        true
    }

    fn disown(&mut self, session: Option<SessionId>, client: u64) {
        if let Some(owned) = session.and_then(|session| self.owned.get_mut(&session)) {
            owned.remove(&client);
        }
    }

    /// `session` is gone: removes what it owned, with unchanged clocks, and gives the clients that
    /// are to be told.
    pub fn leave(&mut self, now: Millis, session: SessionId) -> Vec<u64> {
        let owned = self.owned.remove(&session).unwrap_or_default();
        let mut gone = Vec::new();
        for client in owned {
            let Some(entry) = self.entries.get_mut(&client) else {
                continue;
            };
            entry.owner = None;
            entry.changed = now;
            if entry.state.take().is_some() {
                gone.push(client);
            }
            let forgotten = now.plus(AWARENESS_TOMBSTONE_MS);
            self.check_at = Some(self.check_at.map_or(forgotten, |at| at.min(forgotten)));
        }
        gone
    }

    /// Removes what was not renewed in time and forgets old tombstones; gives the clients whose
    /// removal is to be told.
    pub fn expire(&mut self, now: Millis) -> Vec<u64> {
        if self.check_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let mut gone = Vec::new();
        let mut next: Option<Millis> = None;
        self.entries.retain(|client, entry| {
            let age = now.since(entry.changed);
            if entry.state.is_some() && age >= AWARENESS_EXPIRY_MS {
                entry.state = None;
                entry.changed = now;
                gone.push(*client);
            } else if entry.state.is_none() && age >= AWARENESS_TOMBSTONE_MS {
                if let Some(owned) = entry.owner.and_then(|owner| self.owned.get_mut(&owner)) {
                    owned.remove(client);
                }
                return false;
            }
            let lives = if entry.state.is_some() {
                AWARENESS_EXPIRY_MS
            } else {
                AWARENESS_TOMBSTONE_MS
            };
            let at = entry.changed.plus(lives);
            next = Some(next.map_or(at, |next| next.min(at)));
            true
        });
        self.check_at = next;
        gone
    }

    /// These entries changed and are to be told to everybody. Of one that waits to be told already
    /// nobody hears what it was.
    pub fn changed(&mut self, clients: impl IntoIterator<Item = u64>) {
        for client in clients {
            if !self.untold.insert(client) {
                self.hits.coalesce(1);
            }
        }
    }

    /// What was counted since this was last asked.
    pub fn take_hits(&mut self) -> Hits {
        std::mem::take(&mut self.hits)
    }

    /// What is to be told at `now`: the changed entries, encoded once for all `hearers`; `None`
    /// when nothing is, or it is too early after the last time. The pause is the tick, or as long
    /// as the hearers' share of the room's presence bandwidth takes.
    pub fn tell(&mut self, now: Millis, hearers: usize, limits: &Limits) -> Option<Bytes> {
        if self.untold.is_empty() || now < self.tell_at {
            return None;
        }
        let clients: Vec<_> = std::mem::take(&mut self.untold).into_iter().collect();
        let update = self.encode(&clients);
        let bytes = (update.len() * hearers) as u64;
        let share_ms = bytes * 1_000 / limits.presence_bytes_per_s_max.max(1) as u64;
        self.tell_at = now.plus(share_ms.max(limits.presence_tick_ms));
        Some(update)
    }

    /// When [`Self::expire`] or [`Self::tell`] has something to do, at the earliest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Millis> {
        let tell_at = (!self.untold.is_empty()).then_some(self.tell_at);
        [self.check_at, tell_at].into_iter().flatten().min()
    }

    /// Whether nothing is known, not even tombstones or silent sessions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.owned.is_empty()
    }

    /// The clients that are here.
    pub fn present(&self) -> impl Iterator<Item = u64> {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.state.is_some())
            .map(|(client, _)| *client)
    }

    /// The clients that are here, and those that left not long ago.
    pub fn known(&self) -> impl Iterator<Item = u64> {
        self.entries.keys().copied()
    }

    /// Encodes the entries of `clients`; those that are not known are left out.
    #[must_use]
    pub fn encode(&self, clients: &[u64]) -> Bytes {
        let known: Vec<_> = clients
            .iter()
            .filter_map(|c| self.entries.get(c).map(|entry| (*c, entry)))
            .collect();
        let size: usize = known
            .iter()
            .map(|(_, e)| e.state.as_ref().map_or(4, Bytes::len) + 20)
            .sum();
        let mut out = BytesMut::with_capacity(size + 8);
        put_var_uint(&mut out, known.len() as u64);
        for (client, entry) in known {
            put_var_uint(&mut out, client);
            put_var_uint(&mut out, entry.clock);
            put_var_bytes(&mut out, entry.state.as_deref().unwrap_or(b"null"));
        }
        out.freeze()
    }
}
