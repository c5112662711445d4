//! What a store has of a room, as a file. Asks nothing itself: whoever drives it reads.

use std::collections::BTreeMap;

use bytes::Bytes;
use greenroom_service::Millis;
use serde_json::Map;

use super::{Encoder, ExportHead};
use crate::store::envelope::{decode_row, incarnation_of, open_snapshot};
use crate::store::{Part, RoomMeta, Row, Snapshot};

/// Makes the file of a room, as far as it was durable when it was begun.
///
/// Read the snapshots first and the room's meta after them; then rows from [`next_seq`] on, until
/// [`is_done`].
///
/// [`next_seq`]: Self::next_seq
/// [`is_done`]: Self::is_done
#[derive(Debug)]
pub struct Exporter {
    encoder: Encoder,
    /// Of the room; rows of another are of another room of the same name.
    incarnation: Option<u128>,
    /// The record that comes next, once there was one.
    next: Option<u64>,
    /// The snapshot that reaches least far; 0 when there is none.
    covered: u64,
    /// The last record.
    head: u64,
}

impl Exporter {
    /// Begins the file; gives its head and the snapshots.
    ///
    /// # Errors
    /// Why what is stored cannot be exported.
    pub fn begin(
        meta: &RoomMeta,
        snapshots: &[Snapshot],
        now: Millis,
    ) -> Result<(Self, Vec<Bytes>), String> {
        let incarnation = snapshots.first().and_then(|s| incarnation_of(&s.data));
        let (encoder, head) = Encoder::begin(&ExportHead {
            room: meta.room.as_str().to_owned(),
            kind: meta.kind.clone(),
            seq: meta.head,
            created: meta.created,
            exported: now,
            metadata: serde_json::from_slice(&meta.metadata).unwrap_or_else(|_| Map::new()),
        });
        let mut exporter = Self {
            encoder,
            incarnation,
            next: None,
            covered: 0,
            head: meta.head,
        };
        let mut newest: BTreeMap<&Part, (u64, Bytes)> = BTreeMap::new();
        for snapshot in snapshots {
            // A damaged one is passed over for the older, as when the room is loaded.
            let opened = incarnation
                .and_then(|of| open_snapshot(&snapshot.data, of, snapshot.seq).ok())
                .filter(|_| snapshot.seq <= meta.head);
            if let Some(data) = opened {
                newest.entry(&snapshot.part).or_insert((snapshot.seq, data));
            }
        }
        exporter.covered = newest.values().map(|(seq, _)| *seq).min().unwrap_or(0);
        let mut pieces = vec![head];
        for (part, (seq, data)) in newest {
            pieces.push(exporter.encoder.snapshot(part, seq, &data));
        }
        Ok((exporter, pieces))
    }

    /// From where on rows are to be read.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next.unwrap_or(1)
    }

    /// Whether all records are in the file.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.next.is_some_and(|next| next > self.head)
    }

    /// Takes rows as they were read; gives their records.
    ///
    /// # Errors
    /// Why it cannot go on.
    pub fn rows(&mut self, rows: &[Row]) -> Result<Vec<Bytes>, String> {
        let mut pieces = Vec::new();
        if rows.is_empty() {
            // All that snapshots hold may be gone from the journal.
            if self.next.is_some() || self.covered < self.head {
                return Err(format!("the journal ends before seq {}", self.head));
            }
            self.next = Some(self.head + 1);
        }
        for row in rows {
            let incarnation = incarnation_of(&row.data);
            let incarnation = incarnation.ok_or("a row of the journal cannot be read")?;
            if *self.incarnation.get_or_insert(incarnation) != incarnation {
                return Err("the room was deleted meanwhile".into());
            }
            let decoded = decode_row(&row.data, incarnation, row.first_seq)
                .map_err(|error| format!("row at seq {}: {error}", row.first_seq))?;
            let follows = match self.next {
                Some(next) => row.first_seq <= next,
                None => row.first_seq <= self.covered + 1,
            };
            if !follows {
                return Err(format!("the records before seq {} are gone", row.first_seq));
            }
            for (record, seq) in decoded.records.iter().zip(row.first_seq..) {
                if seq <= self.head && self.next.is_none_or(|next| next == seq) {
                    pieces.push(self.encoder.record(seq, decoded.time, record));
                    self.next = Some(seq + 1);
                }
            }
        }
        Ok(pieces)
    }

    /// The end of the file.
    ///
    /// # Panics
    /// When records are missing.
    #[must_use]
    pub fn end(self) -> Bytes {
        assert!(self.is_done(), "a file ends behind its last record");
        self.encoder.end()
    }
}
