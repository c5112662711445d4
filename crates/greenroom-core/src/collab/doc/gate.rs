//! The part of the gate that needs no document: it runs in the connection's task, before an update
//! enters the room.
//!
//! Order: our own reader passes over the whole update, checking every count and bounding every
//! depth; what is not plain is then read, written and read again by the engine, under a guard. An
//! update that the engine cannot write again would make its document unreadable for good.
//!
//! A panic of the engine is caught and refused; the process' panic hook still reports it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{ClientID, ID, IdSet, Update};

use super::update::{Digest, Fit, UpdateError};

/// An update that passed.
#[derive(Clone, Debug)]
pub struct CheckedUpdate {
    /// The sender's own bytes: what is journaled and relayed.
    pub bytes: Bytes,
    /// What they bring.
    pub digest: Digest,
}

/// Why an update is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GateError {
    /// It is malformed, or hostile.
    Update(UpdateError),
    /// It has contents that the engine cannot hold.
    Unsupported,
    /// The engine cannot read it, cannot write it again, or reads something else than we.
    Engine,
}

impl std::fmt::Display for GateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Update(error) => error.fmt(f),
            Self::Unsupported => f.write_str("the update has contents of an unsupported kind"),
            Self::Engine => f.write_str("the engine cannot read the update"),
        }
    }
}

impl std::error::Error for GateError {}

/// Checks an update (v1) from a peer. `bytes` are at most a frame, whose size the edge bounds.
///
/// # Errors
/// [`GateError`]: refuse the whole update.
pub fn check_update(bytes: Bytes) -> Result<CheckedUpdate, GateError> {
    let digest = Digest::read(&bytes).map_err(GateError::Update)?;
    match digest.fit() {
        Fit::Plain => {}
        Fit::Check if engine_agrees(&bytes, &digest) => {}
        Fit::Check => return Err(GateError::Engine),
        Fit::Unfit => return Err(GateError::Unsupported),
    }
    Ok(CheckedUpdate { bytes, digest })
}

/// Whether the engine reads the update as we do, writes it, and reads what it wrote.
fn engine_agrees(update: &[u8], digest: &Digest) -> bool {
    let mut structs = IdSet::new();
    for (client, start, end) in digest.structs() {
        structs.insert(ID::new(ClientID::new(client), start), end - start);
    }
    let agrees = catch_unwind(AssertUnwindSafe(|| {
        let first = Update::decode_v1(update).ok()?;
        let written = first.encode_v1();
        let agrees = first.insertions(true) == structs;
        drop(first);
        let second = Update::decode_v1(&written).ok()?;
        (agrees && second.insertions(true) == structs).then_some(())
    }));
    matches!(agrees, Ok(Some(())))
}

#[cfg(test)]
mod tests;
