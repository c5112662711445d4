//! A document as a peer has it: yrs, kept to what Yjs does.
//!
//! Yjs puts an update aside that leaves a gap in the clocks of a client, until the gap is filled.
//! yrs 0.28.1 takes it in, and may put it into another place than peers that got it in order do.
//! So does the replica put it aside, in front of yrs.

use std::collections::BTreeMap;

use bytes::Bytes;
use greenroom_core::collab::doc::update::Digest;
use yrs::updates::decoder::Decode;
use yrs::{
    ClientID, GetString, Map, MapRef, OffsetKind, Options, ReadTxn, StateVector, Text, TextRef,
    Transact, Update,
};

use crate::rng::Rng;

/// Characters of one, two, three and four bytes of UTF-8; the last are two UTF-16 units.
const ALPHABET: [&str; 8] = ["a", "b", "\n", "ä", "ß", "中", "🌍", "👩"];

/// A document as a peer has it.
pub(crate) struct Replica {
    doc: yrs::Doc,
    text: TextRef,
    map: MapRef,
    /// Updates that leave a gap.
    aside: Vec<Bytes>,
    writes: u64,
}

/// What people see of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    text: String,
    map: Vec<(String, String)>,
    /// How far each client is known.
    pub(crate) vector: BTreeMap<u64, u32>,
}

impl Replica {
    /// An empty document that writes as `client`.
    pub(crate) fn new(client: u64) -> Self {
        let doc = yrs::Doc::with_options(Options {
            client_id: ClientID::new(client),
            guid: "simulated".into(),
            collection_id: None,
            offset_kind: OffsetKind::Utf16,
            skip_gc: false,
            auto_load: false,
            should_load: true,
            cleanup_formatting: false,
        });
        let (text, map) = (doc.get_or_insert_text("text"), doc.get_or_insert_map("map"));
        Self {
            doc,
            text,
            map,
            aside: Vec::new(),
            writes: 0,
        }
    }

    /// Takes an update in, or puts it aside.
    pub(crate) fn apply(&mut self, update: &[u8]) -> Result<(), String> {
        let mut waiting = vec![Bytes::copy_from_slice(update)];
        while let Some(update) = waiting.pop() {
            if self.leaves_gap(&update)? {
                if !self.aside.contains(&update) {
                    self.aside.push(update);
                }
                continue;
            }
            let update = Update::decode_v1(&update).map_err(|error| error.to_string())?;
            let mut txn = self.doc.transact_mut();
            txn.apply_update(update)
                .map_err(|error| error.to_string())?;
            waiting.append(&mut self.aside);
        }
        Ok(())
    }

    fn leaves_gap(&self, update: &[u8]) -> Result<bool, String> {
        let digest = Digest::read(update).map_err(|error| error.to_string())?;
        let mut known = self.vector();
        Ok(digest.structs().any(|(client, start, end)| {
            let known = known.entry(client).or_default();
            let gap = start > *known;
            *known = end.max(*known);
            gap
        }))
    }

    /// A random edit; gives its update.
    pub(crate) fn write(&mut self, rng: &mut Rng) -> Bytes {
        self.writes += 1;
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
        txn.encode_update_v1().into()
    }

    /// What a peer with `vector` lacks.
    pub(crate) fn diff(&self, vector: &StateVector) -> Bytes {
        self.doc.transact().encode_state_as_update_v1(vector).into()
    }

    pub(crate) fn state_vector(&self) -> StateVector {
        self.doc.transact().state_vector()
    }

    fn vector(&self) -> BTreeMap<u64, u32> {
        clocks(&self.state_vector())
    }

    /// What people see of it.
    pub(crate) fn seen(&self) -> Seen {
        let txn = self.doc.transact();
        let entries = self.map.iter(&txn);
        let mut map: Vec<_> = entries
            .map(|(key, value)| (key.to_owned(), value.to_string(&txn)))
            .collect();
        map.sort();
        Seen {
            text: self.text.get_string(&txn),
            map,
            vector: clocks(&txn.state_vector()),
        }
    }

    /// Whether nothing waits for something that is missing.
    pub(crate) fn is_whole(&self) -> bool {
        let txn = self.doc.transact();
        let store = txn.store();
        self.aside.is_empty() && store.pending_update().is_none() && store.pending_ds().is_none()
    }
}

/// The clocks of a state vector: those at zero say nothing.
pub(crate) fn clocks(vector: &StateVector) -> BTreeMap<u64, u32> {
    let known = vector.iter().filter(|(_, clock)| **clock > 0);
    known
        .map(|(client, clock)| (client.get(), *clock))
        .collect()
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
