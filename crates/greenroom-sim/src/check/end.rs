//! What must hold when all is calm again.

use greenroom_service::Rights;
use std::collections::BTreeMap;
use yrs::Update;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;

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
        // The last to come is the reader that joined in the calm, and asked again with all it has.
        if let (Some(stored), Some((number, probe))) =
            (stored, self.editors(room, document).last().copied())
            && stored.replica.is_whole()
        {
            if probe.server_vector.as_ref() != Some(&expected.vector) {
                broken.push(format!(
                    "{id} {document:?}: the room knows {:?}, the journal {:?}",
                    probe.server_vector, expected.vector
                ));
            }
            let lacks = stored.replica.diff(&stored.replica.state_vector());
            let deleted = |bytes: &[u8]| {
                Update::decode_v1(bytes)
                    .ok()
                    .map(|update| update.delete_set().encode_v1())
            };
            let answer = probe
                .answer
                .as_deref()
                .and_then(deleted)
                .map(|set| set.len());
            if answer != deleted(&lacks).map(|set| set.len()) {
                broken.push(format!(
                    "{id} {document:?}: probe {number} was answered {answer:?}"
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
