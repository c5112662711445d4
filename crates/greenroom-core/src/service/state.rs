//! The durable side of a service: entries, saved bytes, timers; and their snapshot.
//!
//! ```text
//! snapshot  varUint number of entries; per entry varBytes key, varBytes value
//!           varBytes saved bytes
//!           varUint number of timers; per timer varString name, varUint room time in milliseconds
//! ```

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use greenroom_service::{Fault, Millis, SAVE_BYTES_MAX};

use crate::limits::Limits;
use crate::protocol::lib0::{ReadError, Reader, put_var_bytes, put_var_uint};
use crate::room::behaviour::Past;
use crate::room::timers::Timers;
use crate::store::Part;
use crate::store::envelope::{Record, RecordKind};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) entries: BTreeMap<Bytes, Bytes>,
    pub(super) entries_bytes: usize,
    pub(super) saved: Bytes,
    pub(super) timers: Timers,
}

impl State {
    /// What is stored: the snapshot, and the records behind it; with how many these are.
    pub(super) fn of_past(past: &Past) -> Result<(Self, usize), Fault> {
        let (mut state, mut covered) = (Self::default(), 0);
        for (part, seq, data) in &past.snapshots {
            if *part == Part::Service {
                state = Self::from_snapshot(data)
                    .map_err(|error| Fault(format!("a snapshot cannot be read: {error}")))?;
                covered = *seq;
            }
        }
        let behind = past.records.iter().filter(|(seq, _)| *seq > covered);
        let mut replayed = 0;
        for (_, record) in behind {
            state.replay(record)?;
            replayed += 1;
        }
        Ok((state, replayed))
    }

    pub(super) fn set_entry(&mut self, key: Bytes, value: Option<Bytes>) {
        let size = |key: &Bytes, value: &Bytes| key.len() + value.len();
        if let Some(before) = self.entries.remove(&key) {
            self.entries_bytes -= size(&key, &before);
        }
        if let Some(value) = value {
            self.entries_bytes += size(&key, &value);
            self.entries.insert(key, value);
        }
    }

    /// Takes in a record of the journal; one of another part is left alone.
    pub(super) fn replay(&mut self, record: &Record) -> Result<(), Fault> {
        let damaged = |error: ReadError| Fault(format!("a record cannot be read: {error}"));
        let mut reader = Reader::new(&record.data);
        match record.kind {
            RecordKind::Entries => {
                while !reader.is_empty() {
                    let key = record.data.slice_ref(reader.var_bytes().map_err(damaged)?);
                    let value = if reader.byte().map_err(damaged)? == 1 {
                        Some(record.data.slice_ref(reader.var_bytes().map_err(damaged)?))
                    } else {
                        None
                    };
                    self.set_entry(key, value);
                }
            }
            RecordKind::Saved => self.saved = record.data.clone(),
            RecordKind::Timer => {
                let name = reader.var_string().map_err(damaged)?;
                let at = if reader.byte().map_err(damaged)? == 1 {
                    Some(Millis(reader.var_uint().map_err(damaged)?))
                } else {
                    None
                };
                self.timers.set(name, at);
            }
            RecordKind::Document
            | RecordKind::Edited
            | RecordKind::Skipped
            | RecordKind::Metadata => {}
        }
        Ok(())
    }

    pub(super) fn to_snapshot(&self) -> Bytes {
        let mut out = BytesMut::new();
        put_var_uint(&mut out, self.entries.len() as u64);
        for (key, value) in &self.entries {
            put_var_bytes(&mut out, key);
            put_var_bytes(&mut out, value);
        }
        put_var_bytes(&mut out, &self.saved);
        put_var_uint(&mut out, self.timers.len() as u64);
        for (name, at) in self.timers.iter() {
            put_var_bytes(&mut out, name.as_bytes());
            put_var_uint(&mut out, at.0);
        }
        out.freeze()
    }

    pub(super) fn from_snapshot(data: &Bytes) -> Result<Self, ReadError> {
        let mut state = Self::default();
        let mut reader = Reader::new(data);
        for _ in 0..reader.var_uint()? {
            let key = data.slice_ref(reader.var_bytes()?);
            let value = data.slice_ref(reader.var_bytes()?);
            state.set_entry(key, Some(value));
        }
        state.saved = data.slice_ref(reader.var_bytes()?);
        for _ in 0..reader.var_uint()? {
            let name = reader.var_string()?;
            state.timers.set(name, Some(Millis(reader.var_uint()?)));
        }
        if reader.is_empty() {
            Ok(state)
        } else {
            Err(ReadError::End)
        }
    }
}

/// The state of a service that comes from a file.
#[derive(Debug, Default)]
pub(crate) struct ImportedState(State);

impl ImportedState {
    /// What its snapshot holds.
    pub(crate) fn of(snapshot: &Bytes) -> Result<Self, ReadError> {
        State::from_snapshot(snapshot).map(Self)
    }

    /// Takes in a record behind it.
    pub(crate) fn replay(&mut self, record: &Record) -> Result<(), Fault> {
        self.0.replay(record)
    }

    /// The records by which an empty service comes to this state; why a room may not hold it.
    pub(crate) fn into_records(self, limits: &Limits) -> Result<Vec<Record>, String> {
        let state = self.0;
        let held = [
            ("entries", state.entries_bytes, limits.entries_bytes_max),
            ("saved bytes", state.saved.len(), SAVE_BYTES_MAX),
            ("timers", state.timers.len(), limits.timers_max),
        ];
        for (what, has, max) in held {
            if has > max {
                return Err(format!(
                    "{what}: the file has {has}, and a room may have {max}"
                ));
            }
        }
        let mut records = Vec::new();
        if !state.entries.is_empty() {
            let entries = state.entries.into_iter();
            let written: Vec<_> = entries.map(|(key, value)| (key, Some(value))).collect();
            records.push(entries_record(&written));
        }
        if !state.saved.is_empty() {
            records.push(Record {
                kind: RecordKind::Saved,
                data: state.saved,
            });
        }
        let timers = state.timers.iter();
        records.extend(timers.map(|(name, at)| timer_record(name, Some(at))));
        Ok(records)
    }
}

/// The record of entries that were written (`Some`) or deleted (`None`).
pub(super) fn entries_record(written: &[(Bytes, Option<Bytes>)]) -> Record {
    let mut data = BytesMut::new();
    for (key, value) in written {
        put_var_bytes(&mut data, key);
        data.put_u8(u8::from(value.is_some()));
        if let Some(value) = value {
            put_var_bytes(&mut data, value);
        }
    }
    Record {
        kind: RecordKind::Entries,
        data: data.freeze(),
    }
}

/// The record of a timer that was set or cancelled.
pub(super) fn timer_record(name: &str, at: Option<Millis>) -> Record {
    let mut data = BytesMut::new();
    put_var_bytes(&mut data, name.as_bytes());
    data.put_u8(u8::from(at.is_some()));
    if let Some(at) = at {
        put_var_uint(&mut data, at.0);
    }
    Record {
        kind: RecordKind::Timer,
        data: data.freeze(),
    }
}
