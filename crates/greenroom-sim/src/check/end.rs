//! What must hold when all is calm again.

use std::collections::{BTreeMap, BTreeSet};

use greenroom_core::collab::doc::update::Digest;
use greenroom_service::Rights;

use super::journal::Stored;
use crate::client::Side;
use crate::client::editor::Editor;
use crate::client::replica::Replica;
use crate::plan::{Fault, Kind};
use crate::world::World;

impl World {
    /// Everybody is connected, and everybody agrees.
    pub(crate) fn check_end(&mut self) {
        self.check_connected();
        for room in 0..self.plan.rooms.len() {
            match self.plan.rooms[room].kind {
                Kind::Collab => {
                    for document in ["", "second"] {
                        self.check_document(room, document);
                        self.check_presence(room, document);
                    }
                }
                Kind::Counter | Kind::Tally => self.check_service(room),
            }
        }
        if self.disk.store.unsynced() > 0 {
            self.violate("something is not synced after the calm".to_owned());
        }
        self.check_store();
        if let Err(broken) = self.ledger.check_seen(u64::MAX) {
            self.violate(broken);
        }
    }

    fn check_connected(&mut self) {
        for number in 0..self.clients.len() {
            let client = &self.clients[number];
            let ready = match &client.side {
                Side::Editor(editor) => client.open && editor.synced,
                Side::Raw(_) => client.open,
            };
            if !ready && !client.banned {
                self.violate(format!("client {number} is not back"));
            }
        }
    }

    /// The editors of a document whose own writes the room took.
    fn editors(&self, room: usize, document: &str) -> Vec<(usize, &Editor)> {
        let clients = self.clients.iter().enumerate();
        clients
            .filter(|(_, c)| c.plan.room == room && c.plan.document == document && !c.banned)
            .filter_map(|(number, client)| match &client.side {
                Side::Editor(editor) => Some((number, &**editor)),
                Side::Raw(_) => None,
            })
            .collect()
    }

    fn check_document(&mut self, room: usize, document: &str) {
        let id = self.plan.rooms[room].id.clone();
        let journal = self.ledger.journals.get(&id);
        let stored = journal.and_then(|journal| journal.documents.get(document));
        let mut broken = Vec::new();
        let expected =
            stored.map_or_else(|| Replica::new(2).seen(), |stored| stored.replica.seen());
        for (number, editor) in self.editors(room, document) {
            if self.clients[number].plan.offends {
                continue;
            }
            let found = editor.replica.seen();
            if expected != found {
                let client = editor.client;
                let difference = found.difference(&expected);
                broken.push(format!(
                    "{id} {document:?}: editor {number} ({client}) and the journal differ: {difference}"
                ));
            }
            // What a closed tab sent last may build on what nobody has.
            if !editor.replica.is_whole() && !self.plan.faults.contains(&Fault::CloseTab) {
                broken.push(format!(
                    "{id} {document:?}: editor {number} waits for something"
                ));
            }
        }
        if let Some(stored) = stored.filter(|stored| stored.replica.is_whole()) {
            let editors = self.editors(room, document);
            for (number, editor) in &editors {
                if let Some(what) = check_answer(editor, stored) {
                    broken.push(format!("{id} {document:?}: editor {number} {what}"));
                }
            }
            // The last to come is the reader that joined in the calm.
            let told = editors.last().map(|(_, probe)| &probe.server_vector);
            if told.is_some_and(|told| told.as_ref() != Some(&expected.vector)) {
                let known = &expected.vector;
                broken.push(format!(
                    "{id} {document:?}: the room tells {told:?}, not {known:?}"
                ));
            }
        }
        broken.into_iter().for_each(|broken| self.violate(broken));
    }

    /// Everybody sees everybody who is there, and nobody else.
    fn check_presence(&mut self, room: usize, document: &str) {
        let mut broken = Vec::new();
        let editors = self.editors(room, document);
        let mut there = BTreeMap::new();
        for (number, editor) in &editors {
            let seen = self.clients[*number].plan.rights.has(Rights::PRESENCE);
            let own = editor.awareness.states().get(&editor.client);
            if let Some(own) = own.filter(|_| seen) {
                there.insert(editor.client, own.clone());
            }
        }
        for (number, editor) in &editors {
            let mut expected = there.clone();
            let own = editor.awareness.states().get(&editor.client);
            expected.extend(own.map(|own| (editor.client, own.clone())));
            if *editor.awareness.states() != expected {
                broken.push(format!(
                    "{document:?}: editor {number} ({}) sees {:?}, there are {expected:?}",
                    editor.client,
                    editor.awareness.states()
                ));
            }
        }
        broken.into_iter().for_each(|broken| self.violate(broken));
    }

    /// Every operation was acknowledged and counts once.
    fn check_service(&mut self, room: usize) {
        let plan = self.plan.rooms[room].clone();
        let journal = self.ledger.journals.get(&plan.id);
        let counted = journal
            .map(|journal| journal.counted.clone())
            .unwrap_or_default();
        let mut made = 0;
        for number in 0..self.clients.len() {
            let client = &self.clients[number];
            let Side::Raw(raw) = &client.side else {
                continue;
            };
            if client.plan.room != room || !client.may_write() {
                continue;
            }
            made += raw.made;
            let durable = counted.entries.get(&raw.who).copied().unwrap_or(0);
            let all = raw.acked == raw.made && durable == raw.made;
            if plan.kind == Kind::Tally && !all {
                let (who, made, acked) = (&raw.who, raw.made, raw.acked);
                let what =
                    format!("{who} made {made}, {acked} are acknowledged, {durable} durable");
                self.violate(what);
            }
        }
        let value = counted.value.unwrap_or(0);
        let sum = counted.entries.values().sum::<u64>();
        let exact = plan.kind == Kind::Tally && (value != made || value != sum);
        if exact || value > made {
            self.violate(format!(
                "{} counts {value}, {made} were made, {sum} entered",
                plan.id
            ));
        }
    }
}

/// The room's answer to an editor that lacks nothing: what is deleted.
fn check_answer(editor: &Editor, stored: &Stored) -> Option<String> {
    let Some(answer) = &editor.answer else {
        return Some("was not answered".to_owned());
    };
    let told = Digest::read(answer).ok()?;
    let told: BTreeSet<_> = told
        .deletions()
        .flat_map(|(client, start, end)| (start..end).map(move |clock| (client, clock)))
        .collect();
    let missing = stored.deleted.difference(&told).next()?;
    Some(format!("was not told that {missing:?} is deleted"))
}
