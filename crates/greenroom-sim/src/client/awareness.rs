//! Awareness as y-websocket's provider keeps it (y-protocols 1.0.7, `awareness.js`): what a client
//! believes of the others.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use greenroom_core::protocol::lib0::{Reader, put_var_bytes, put_var_uint};

use crate::plan::SECOND;

/// Entries of others that were not renewed for this long are removed; one's own is renewed after
/// half of it.
const OUTDATED: u64 = 30 * SECOND;

#[derive(Clone, Debug)]
struct Meta {
    clock: u64,
    updated: u64,
}

/// What a client believes of who is there.
#[derive(Clone, Debug)]
pub(crate) struct Awareness {
    pub(crate) own: u64,
    states: BTreeMap<u64, Bytes>,
    meta: BTreeMap<u64, Meta>,
}

impl Awareness {
    /// The table of a new tab. Its own state is empty, and at a clock that nobody takes notice of
    /// until it is renewed; a silent one has none, as programs do that only read.
    pub(crate) fn new(own: u64, silent: bool, now: u64) -> Self {
        let meta = BTreeMap::from([(own, Meta { clock: 0, updated: now })]);
        let empty = (own, Bytes::from_static(b"{}"));
        Self { own, states: (!silent).then_some(empty).into_iter().collect(), meta }
    }

    /// The states of those who are there.
    pub(crate) const fn states(&self) -> &BTreeMap<u64, Bytes> {
        &self.states
    }

    /// Sets one's own state; gives the body of the update that tells of it.
    pub(crate) fn set_own(&mut self, state: Bytes, now: u64) -> Bytes {
        let meta = self.meta.get_mut(&self.own).expect("made with the table");
        meta.clock += 1;
        meta.updated = now;
        self.states.insert(self.own, state);
        self.encode(&[self.own])
    }

    /// One's own state, to be told on a new connection.
    pub(crate) fn encode_own(&self) -> Option<Bytes> {
        self.states.contains_key(&self.own).then(|| self.encode(&[self.own]))
    }

    /// All that one knows.
    pub(crate) fn encode_all(&self) -> Bytes {
        let clients: Vec<_> = self.states.keys().copied().collect();
        self.encode(&clients)
    }

    /// Takes in what was received; gives the body of the echo that the provider sends of whatever
    /// it changed.
    pub(crate) fn apply(&mut self, body: &[u8], now: u64) -> Option<Bytes> {
        let mut reader = Reader::new(body);
        let mut changed = Vec::new();
        for _ in 0..reader.var_uint().ok()? {
            let client = reader.var_uint().ok()?;
            let mut clock = reader.var_uint().ok()?;
            let json = reader.var_string().ok()?;
            let known = self.meta.get(&client).map_or(0, |meta| meta.clock);
            let removes = json == "null";
            let here = self.states.contains_key(&client);
            if known > clock || (known == clock && !(removes && here)) {
                continue;
            }
            if !removes {
                self.states.insert(client, Bytes::copy_from_slice(json.as_bytes()));
            } else if client == self.own && here {
                // Nobody else may remove this client.
                clock += 1;
            } else {
                self.states.remove(&client);
            }
            self.meta.insert(client, Meta { clock, updated: now });
            changed.push(client);
        }
        (!changed.is_empty()).then(|| self.encode(&changed))
    }

    /// Looks at the clock, as the provider does every three seconds; gives what it then tells.
    pub(crate) fn tick(&mut self, now: u64) -> Vec<Bytes> {
        let mut told = Vec::new();
        let age = |meta: &Meta| now.saturating_sub(meta.updated);
        let renews = age(&self.meta[&self.own]) >= OUTDATED / 2;
        if let Some(state) = self.states.get(&self.own).filter(|_| renews).cloned() {
            told.push(self.set_own(state, now));
        }
        let outdated = |client: &u64| *client != self.own && age(&self.meta[client]) >= OUTDATED;
        let gone: Vec<_> = self.states.keys().copied().filter(outdated).collect();
        if !gone.is_empty() {
            told.push(self.remove(&gone));
        }
        told
    }

    /// The connection is lost: the others are gone as far as one knows.
    pub(crate) fn forget_others(&mut self) {
        self.states.retain(|client, _| *client == self.own);
    }

    fn remove(&mut self, clients: &[u64]) -> Bytes {
        self.states.retain(|client, _| !clients.contains(client));
        self.encode(clients)
    }

    fn encode(&self, clients: &[u64]) -> Bytes {
        let mut out = BytesMut::new();
        put_var_uint(&mut out, clients.len() as u64);
        for client in clients {
            put_var_uint(&mut out, *client);
            put_var_uint(&mut out, self.meta[client].clock);
            let state = self.states.get(client);
            put_var_bytes(&mut out, state.map_or(b"null", |state| &state[..]));
        }
        out.freeze()
    }
}
