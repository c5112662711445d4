//! Which documents changed since a hook was told: each has one mark in the durable queue, put there
//! by the append of the first such change. A room that is loaded anew does not know the marks of its
//! last life and makes one more; the queue's reader drops it.

use std::collections::BTreeMap;

use bytes::Bytes;
use greenroom_service::{Millis, RoomId};

use super::Room;
use super::request::{Caller, ContentRequest};
use super::request::{HookRequest, Reply, RequestId};
use crate::collab::about;
use crate::collab::doc::ask::{Ask, WholeAsk};
use crate::hooks::{Event, Mark};
use crate::store::envelope::Record;

#[derive(Debug, Default)]
pub(super) struct Marks(BTreeMap<String, Marked>);

#[derive(Debug, Default)]
struct Marked {
    /// Its mark is in the queue, or on its way.
    waits: bool,
    /// The last record that a hook was told of.
    told: u64,
    /// The last record, and when it was handed over.
    last: u64,
    changed: Option<Millis>,
}

impl Marks {
    /// These records are appended; gives the marks that go with them.
    pub(super) fn submit(
        &mut self,
        room: &RoomId,
        first_seq: u64,
        records: &[Record],
        now: Millis,
    ) -> Vec<Bytes> {
        let mut marks = Vec::new();
        for (record, seq) in records.iter().zip(first_seq..) {
            let Some(document) = about(record).document else {
                continue;
            };
            let marked = self.0.entry(document.clone()).or_default();
            (marked.last, marked.changed) = (seq, Some(now));
            if !marked.waits && seq > marked.told {
                marked.waits = true;
                let mark = Mark {
                    room: room.clone(),
                    at: now,
                    event: Event::Changed(document),
                };
                marks.push(mark.encode());
            }
        }
        marks
    }

    /// Whoever is told of changes knows all up to record `seq`.
    pub(super) fn know(&mut self, document: &str, seq: u64) {
        self.0.entry(document.to_owned()).or_default().told = seq;
    }

    /// The append failed, or may have: what follows is marked anew.
    pub(super) fn roll_back(&mut self) {
        self.0.clear();
    }

    /// Whether the document has been left alone for so long; else when to ask again.
    fn is_quiet(
        &self,
        document: &str,
        quiet_ms: u64,
        now: Millis,
        latest: Millis,
    ) -> Result<(), Millis> {
        let changed = self.0.get(document).and_then(|marked| marked.changed);
        match changed.map(|at| at.plus(quiet_ms).min(latest)) {
            Some(at) if at > now => Err(at),
            _ => Ok(()),
        }
    }

    /// A hook was told all up to record `seq`. Whether that is all there is: then the next change is
    /// marked anew.
    fn told(&mut self, document: &str, seq: u64) -> bool {
        let Some(marked) = self.0.get_mut(document) else {
            return true;
        };
        marked.told = seq.max(marked.told);
        marked.waits &= marked.last > seq;
        !marked.waits
    }
}

impl Room {
    /// Whoever tells the hooks asks.
    pub(super) fn hook_request(&mut self, id: RequestId, caller: &Caller, request: HookRequest) {
        let head = self.journal.head();
        match request {
            HookRequest::Take {
                document,
                quiet_ms,
                latest,
                json,
                text,
            } => match self.marks.is_quiet(&document, quiet_ms, self.now, latest) {
                Err(at) => self.reply(id, Reply::Later(at), 0),
                Ok(()) => {
                    let incarnation = self
                        .journal
                        .lease
                        .expect("it is live under one")
                        .incarnation;
                    let ask = Ask::Whole(WholeAsk {
                        incarnation,
                        seq: head,
                        json,
                        text,
                    });
                    let content = ContentRequest::Document(document, ask);
                    self.content(id, caller, &caller.sender(), content);
                }
            },
            HookRequest::Told { document, seq } => {
                let all = self.marks.told(&document, seq);
                self.reply(id, Reply::Told(all), 0);
            }
            HookRequest::Forget { document } => {
                self.marks.told(&document, head);
                self.reply(id, Reply::Done, 0);
            }
        }
    }
}
