//! An editor: a yrs document behind what y-websocket's provider does.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use greenroom_core::protocol::lib0::{Reader, put_var_bytes, put_var_uint};
use greenroom_service::Message;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{
    GetString, Map, MapRef, OffsetKind, Options, ReadTxn, StateVector, Text, TextRef, Transact,
    Update,
};

use super::awareness::Awareness;
use crate::rng::Rng;

/// Characters of one, two, three and four bytes of UTF-8; the last are two UTF-16 units.
const ALPHABET: [&str; 8] = ["a", "b", "\n", "ä", "ß", "中", "🌍", "👩"];

/// What a frame was about.
#[derive(Debug)]
pub(crate) enum Heard {
    /// An update that was relayed.
    Update(Bytes),
    /// The answer to a sync step 1.
    Answer(Bytes),
    /// The server's state vector.
    Vector,
    /// A refusal, with its reason.
    Denied(String),
    Other,
    /// It cannot be read.
    Nonsense,
}

/// An editor.
pub(crate) struct Editor {
    doc: yrs::Doc,
    text: TextRef,
    map: MapRef,
    pub(crate) client: u64,
    pub(crate) awareness: Awareness,
    /// A sync step 2 has come on this connection.
    pub(crate) synced: bool,
    /// Every update that it ever made.
    pub(crate) made: Vec<Bytes>,
    /// The deletions that the server answered with when nothing else was lacking.
    pub(crate) answer: Option<Bytes>,
    /// The newest state vector of the server.
    pub(crate) server_vector: Option<BTreeMap<u64, u32>>,
    writes: u64,
}

impl std::fmt::Debug for Editor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Editor")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// A document as a client makes it.
pub(crate) fn document(client: u64) -> yrs::Doc {
    yrs::Doc::with_options(Options {
        client_id: yrs::ClientID::new(client),
        guid: "simulated".into(),
        collection_id: None,
        offset_kind: OffsetKind::Utf16,
        skip_gc: false,
        auto_load: false,
        should_load: true,
        cleanup_formatting: false,
    })
}

/// What people see of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) text: String,
    pub(crate) map: Vec<(String, String)>,
    pub(crate) vector: BTreeMap<u64, u32>,
}

/// The clocks of a state vector: those at zero say nothing.
pub(crate) fn clocks(vector: &StateVector) -> BTreeMap<u64, u32> {
    let known = vector.iter().filter(|(_, clock)| **clock > 0);
    known
        .map(|(client, clock)| (client.get(), *clock))
        .collect()
}

/// What people see of `doc`.
pub(crate) fn seen(doc: &yrs::Doc) -> Seen {
    let (text, map) = (doc.get_or_insert_text("text"), doc.get_or_insert_map("map"));
    let txn = doc.transact();
    let mut entries: Vec<_> = map
        .iter(&txn)
        .map(|(key, value)| (key.to_owned(), value.to_string(&txn)))
        .collect();
    entries.sort();
    Seen {
        text: text.get_string(&txn),
        map: entries,
        vector: clocks(&txn.state_vector()),
    }
}

impl Seen {
    /// Where two differ, in a line.
    pub(crate) fn difference(&self, other: &Self) -> String {
        if self.vector != other.vector {
            return format!("{:?} and {:?}", self.vector, other.vector);
        }
        let same = self
            .text
            .chars()
            .zip(other.text.chars())
            .take_while(|(a, b)| a == b)
            .count();
        let rest = |text: &str| text.chars().skip(same).take(20).collect::<String>();
        format!(
            "same vector {:?}; text from {same} on: {:?} and {:?}; {:?} and {:?}",
            self.vector,
            rest(&self.text),
            rest(&other.text),
            self.map,
            other.map
        )
    }
}

impl Editor {
    pub(crate) fn new(client: u64, silent: bool, now: u64) -> Self {
        let doc = document(client);
        let (text, map) = (doc.get_or_insert_text("text"), doc.get_or_insert_map("map"));
        Self {
            doc,
            text,
            map,
            client,
            awareness: Awareness::new(client, silent, now),
            synced: false,
            made: Vec::new(),
            answer: None,
            server_vector: None,
            writes: 0,
        }
    }

    pub(crate) fn seen(&self) -> Seen {
        seen(&self.doc)
    }

    /// What the provider says when its socket opens.
    pub(crate) fn opened(&mut self) -> Vec<Message> {
        self.synced = false;
        let mut say = vec![self.step1()];
        say.extend(self.awareness.encode_own().map(|body| message(&[1], &body)));
        say
    }

    /// Asks for what it lacks.
    pub(crate) fn step1(&self) -> Message {
        message(&[0, 0], &self.doc.transact().state_vector().encode_v1())
    }

    /// Its socket closed.
    pub(crate) fn lost(&mut self) {
        self.synced = false;
        self.awareness.forget_others();
    }

    /// A random edit; gives what the provider says of it.
    pub(crate) fn write(&mut self, rng: &mut Rng) -> Message {
        self.writes += 1;
        let update = {
            let mut txn = self.doc.transact_mut();
            let units: Vec<u32> = self
                .text
                .get_string(&txn)
                .chars()
                .map(|c| c.len_utf16() as u32)
                .collect();
            let at = rng.below(units.len() as u64 + 1) as usize;
            let offset = units[..at].iter().sum();
            let kind = rng.below(10);
            if kind < 2 {
                let key = *rng.pick(&["one", "two", "three"]);
                self.map.insert(&mut txn, key, self.writes as i64);
            } else if kind < 5 && at < units.len() {
                let end = (at + rng.within(1..=6) as usize).min(units.len());
                self.text
                    .remove_range(&mut txn, offset, units[at..end].iter().sum());
            } else {
                let chunk: String = (0..rng.within(1..=9))
                    .map(|_| *rng.pick(&ALPHABET))
                    .collect();
                self.text.insert(&mut txn, offset, &chunk);
            }
            Bytes::from(txn.encode_update_v1())
        };
        self.made.push(update.clone());
        message(&[0, 2], &update)
    }

    /// Its cursor moves.
    pub(crate) fn move_cursor(&mut self, rng: &mut Rng, now: u64) -> Message {
        let state = format!("{{\"cursor\":{}}}", rng.below(1_000));
        let body = self.awareness.set_own(state.into(), now);
        message(&[1], &body)
    }

    /// Looks at the clock.
    pub(crate) fn tick(&mut self, now: u64) -> Vec<Message> {
        self.awareness
            .tick(now)
            .iter()
            .map(|body| message(&[1], body))
            .collect()
    }

    /// A binary frame has come; what it was about, and what the provider says to it.
    pub(crate) fn heard(&mut self, payload: &[u8], now: u64) -> (Heard, Vec<Message>) {
        self.read(payload, now)
            .unwrap_or((Heard::Nonsense, Vec::new()))
    }

    fn read(&mut self, payload: &[u8], now: u64) -> Option<(Heard, Vec<Message>)> {
        let mut reader = Reader::new(payload);
        let (kind, mut say) = (reader.var_uint().ok()?, Vec::new());
        let heard = match kind {
            0 => {
                let step = reader.var_uint().ok()?;
                let body = reader.var_bytes().ok()?;
                self.sync(step, body, &mut say)?
            }
            1 => {
                let echo = self.awareness.apply(reader.var_bytes().ok()?, now);
                say.extend(echo.map(|body| message(&[1], &body)));
                Heard::Other
            }
            2 => {
                reader.var_uint().ok()?;
                Heard::Denied(reader.var_string().ok()?.to_owned())
            }
            3 => {
                say.push(message(&[1], &self.awareness.encode_all()));
                Heard::Other
            }
            _ => return None,
        };
        Some((heard, say))
    }

    fn sync(&mut self, step: u64, body: &[u8], say: &mut Vec<Message>) -> Option<Heard> {
        if step == 0 {
            let vector = StateVector::decode_v1(body).ok()?;
            let lacks = self.doc.transact().encode_state_as_update_v1(&vector);
            say.push(message(&[0, 1], &lacks));
            self.server_vector = Some(clocks(&vector));
            return Some(Heard::Vector);
        }
        let update = Update::decode_v1(body).ok()?;
        self.doc.transact_mut().apply_update(update).ok()?;
        let body = Bytes::copy_from_slice(body);
        if step == 1 {
            self.synced = true;
            self.answer = Some(body.clone());
            return Some(Heard::Answer(body));
        }
        Some(Heard::Update(body))
    }

    /// Whether something that it was sent waits for what it was not sent.
    pub(crate) fn has_pending(&self) -> bool {
        let txn = self.doc.transact();
        txn.store().pending_update().is_some() || txn.store().pending_ds().is_some()
    }
}

/// A message of the provider: its kinds, then its body as varBytes.
pub(crate) fn message(kinds: &[u8], body: &[u8]) -> Message {
    let mut out = BytesMut::with_capacity(body.len() + 8);
    for kind in kinds {
        put_var_uint(&mut out, u64::from(*kind));
    }
    put_var_bytes(&mut out, body);
    Message::Binary(out.freeze())
}
