//! Collab rooms with y-websocket peers, on virtual time: some are bytes, some real documents.

mod failures;
mod gate;
mod hooks;
mod presence;
mod receipts;
mod sync;
mod trace;
mod versions;

use bytes::{Bytes, BytesMut};
use greenroom_service::{Rights, SessionId};
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{
    ClientID, Doc, GetString, OffsetKind, Options, ReadTxn, Text, Transact, Update, WriteTxn,
};

use super::collab_rooms;
use crate::close_reason::Protocol;
use crate::limits::Limits;
use crate::protocol::YjsMessage;
use crate::protocol::lib0::{put_var_bytes, put_var_uint};
use crate::room::session::Hello;
use crate::service::test_room::{Heard, TestRoom, hello};

/// A room that tells of presence at once; its tick has a test of its own.
fn room() -> TestRoom {
    room_with(Limits::default())
}

fn room_with(limits: Limits) -> TestRoom {
    let limits = Limits {
        presence_tick_ms: 0,
        ..limits
    };
    TestRoom::with_limits(collab_rooms(), limits)
}

/// The bytes that these hex digits name; blanks are for readers.
fn hex(digits: &str) -> Bytes {
    let digits: Vec<_> = digits.bytes().filter(|b| *b != b' ').collect();
    let pairs = digits
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect::<Vec<_>>()
        .into()
}

/// A frame of a sync message.
fn sync(step: u8, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::from(&[0, step][..]);
    put_var_bytes(&mut frame, body);
    frame.freeze()
}

/// A frame with awareness entries: client, clock, state (`null` when it is removed).
fn awareness(entries: &[(u64, u64, &str)]) -> Bytes {
    let mut body = BytesMut::new();
    put_var_uint(&mut body, entries.len() as u64);
    for (client, clock, state) in entries {
        put_var_uint(&mut body, *client);
        put_var_uint(&mut body, *clock);
        put_var_bytes(&mut body, state.as_bytes());
    }
    let mut frame = BytesMut::from(&[1][..]);
    put_var_bytes(&mut frame, &body);
    frame.freeze()
}

/// A peer that joins with these rights and no document of its own.
fn join(room: &mut TestRoom, user: &str, rights: Rights) -> SessionId {
    let peer = room.join_with(Hello {
        rights,
        ..hello(user, Protocol::Yjs, "")
    });
    room.frames(peer);
    peer
}

/// Inserts `text` into the root `t` as `client`, from `clock` on, at the start.
fn insertion(client: u8, clock: u8, text: &str) -> Bytes {
    let mut update = vec![1, 1, client, clock, 4, 1, 1, b't', text.len() as u8];
    update.extend_from_slice(text.as_bytes());
    update.push(0);
    update.into()
}

/// Inserts `text` as `client` from `clock` on behind the character `(of, at)`.
fn behind(client: u8, clock: u8, of: u8, at: u8, text: &str) -> Bytes {
    let mut update = vec![1, 1, client, clock, 0x84, of, at, text.len() as u8];
    update.extend_from_slice(text.as_bytes());
    update.push(0);
    update.into()
}

/// A y-websocket client with a real document.
struct Editor {
    doc: Doc,
    session: SessionId,
    /// It got an answer to its sync step 1.
    synced: bool,
    /// What it got: `1` sync step 1, `2` step 2, `u` update, `a` awareness, `!` a refusal.
    log: String,
}

impl Editor {
    /// Joins and does the first half of its handshake.
    fn join(room: &mut TestRoom, client: u64, document: &str) -> Self {
        let doc = Doc::with_options(Options {
            client_id: ClientID::new(client),
            offset_kind: OffsetKind::Utf16,
            ..Options::default()
        });
        let session = room.join_yjs(&format!("user {client}"), document);
        let mut editor = Self {
            doc,
            session,
            synced: false,
            log: String::new(),
        };
        editor.ask(room);
        editor
    }

    /// Comes back over a new connection with the document that it has.
    fn rejoin(&mut self, room: &mut TestRoom, document: &str) {
        let user = format!("user {}", self.doc.client_id().get());
        self.session = room.join_yjs(&user, document);
        self.synced = false;
        self.log.clear();
        self.ask(room);
    }

    fn ask(&mut self, room: &mut TestRoom) {
        let vector = self.doc.transact().state_vector().encode_v1();
        room.send(self.session, sync(0, &vector));
    }

    /// Types at the end of its text, and sends that.
    fn write(&self, room: &mut TestRoom, text: &str) {
        let update = self.write_offline(text);
        room.send(self.session, sync(2, &update));
    }

    /// Types at the end of its text and gives the update.
    fn write_offline(&self, text: &str) -> Vec<u8> {
        let mut edit = self.doc.transact_mut();
        let root = edit.get_or_insert_text("t");
        let end = root.len(&edit);
        root.insert(&mut edit, end, text);
        edit.encode_update_v1()
    }

    /// Takes in what it got, and answers.
    fn hear(&mut self, room: &mut TestRoom) -> &mut Self {
        for heard in room.heard(self.session) {
            match heard {
                Heard::Yjs(YjsMessage::SyncStep1(vector)) => {
                    self.log.push('1');
                    let vector = yrs::StateVector::decode_v1(&vector).unwrap();
                    let diff = self.doc.transact().encode_diff_v1(&vector);
                    room.send(self.session, sync(1, &diff));
                }
                Heard::Yjs(YjsMessage::SyncStep2(update)) => {
                    self.log.push('2');
                    self.synced = true;
                    self.apply(&update);
                }
                Heard::Yjs(YjsMessage::Update(update)) => {
                    self.log.push('u');
                    self.apply(&update);
                }
                Heard::Yjs(YjsMessage::Awareness(_)) => self.log.push('a'),
                Heard::Denied(_) => self.log.push('!'),
                other => panic!("{other:?} for a yjs peer"),
            }
        }
        self
    }

    fn apply(&self, update: &[u8]) {
        let update = Update::decode_v1(update).unwrap();
        self.doc.transact_mut().apply_update(update).unwrap();
    }

    fn text(&self) -> String {
        let mut transaction = self.doc.transact_mut();
        let root = transaction.get_or_insert_text("t");
        root.get_string(&transaction)
    }

    /// What it got since the last call, see [`Self::log`].
    fn log(&mut self) -> String {
        std::mem::take(&mut self.log)
    }
}

/// Everybody hears and answers until nobody has anything more to say.
fn settle(room: &mut TestRoom, editors: &mut [&mut Editor]) {
    for _ in 0..4 {
        for editor in editors.iter_mut() {
            editor.hear(room);
        }
    }
}

/// The default limits, changed.
fn limits(change: impl Fn(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}
