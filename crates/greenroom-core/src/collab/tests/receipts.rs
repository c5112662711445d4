//! What a client that counts its writes is told of them: "saved" when it is on stable storage, not
//! before, and never for what was refused.

use proptest::prelude::*;

use super::*;
use crate::close_reason::CloseReason;
use crate::limits::RECEIPTS_MAX;
use crate::room::Input;
use crate::room::request::Seen;
use crate::store::StoreError;

/// Receipts wait for company until it is over.
const WINDOW_MS: u64 = 100;

/// A provider of Hocuspocus with a real document, which counts as that does.
struct Writer {
    doc: Doc,
    session: SessionId,
    address: String,
    /// `unsyncedChanges`.
    count: u32,
    /// Those of them that it did not even send.
    kept: u32,
    /// What it got: `1` sync step 1, `2` step 2, `u` update, `a` awareness, `+` a write is saved, `!` it
    /// is refused, `w` may write, `r` may read.
    log: String,
}

fn counted(user: &str, address: &str, rights: Rights) -> Hello {
    Hello {
        address: address.into(),
        rights,
        ..hello(user, Protocol::Hocuspocus, "")
    }
}

impl Writer {
    fn join(room: &mut TestRoom, client: u64, rights: Rights) -> Self {
        let address = format!("doc\0{client}");
        let user = format!("user {client}");
        let mut writer = Self {
            doc: Doc::with_options(Options {
                client_id: ClientID::new(client),
                offset_kind: OffsetKind::Utf16,
                ..Options::default()
            }),
            session: room.join_with(counted(&user, &address, rights)),
            address,
            count: 0,
            kept: 0,
            log: String::new(),
        };
        writer.force_sync(room);
        writer
    }

    fn send(&self, room: &mut TestRoom, body: &[u8]) {
        let mut frame = BytesMut::new();
        put_var_bytes(&mut frame, self.address.as_bytes());
        frame.extend_from_slice(body);
        room.send(self.session, frame.freeze());
    }

    /// Begins the handshake, and its count, anew.
    fn force_sync(&mut self, room: &mut TestRoom) {
        (self.count, self.kept) = (1, 0);
        let vector = self.doc.transact().state_vector().encode_v1();
        self.send(room, &sync(0, &vector));
    }

    fn write(&mut self, room: &mut TestRoom, text: &str) {
        self.count += 1;
        let mut edit = self.doc.transact_mut();
        let root = edit.get_or_insert_text("t");
        let end = root.len(&edit);
        root.insert(&mut edit, end, text);
        let update = edit.encode_update_v1();
        drop(edit);
        self.send(room, &sync(2, &update));
    }

    fn hear(&mut self, room: &mut TestRoom) -> &mut Self {
        for heard in room.heard(self.session) {
            let said = match heard {
                Heard::Yjs(YjsMessage::SyncStep1(vector)) => {
                    let vector = yrs::StateVector::decode_v1(&vector).unwrap();
                    let diff = self.doc.transact().encode_diff_v1(&vector);
                    self.send(room, &sync(1, &diff));
                    '1'
                }
                Heard::Yjs(YjsMessage::SyncStep2(update)) => {
                    self.apply(&update);
                    '2'
                }
                Heard::Yjs(YjsMessage::Update(update)) => {
                    self.apply(&update);
                    'u'
                }
                Heard::Yjs(YjsMessage::Awareness(_)) => 'a',
                Heard::Saved(true) => {
                    self.count = self.count.saturating_sub(1);
                    '+'
                }
                Heard::Saved(false) => '!',
                Heard::Scope(scope) if scope == "read-write" => 'w',
                Heard::Scope(_) => 'r',
                other => panic!("{other:?} for a writer"),
            };
            self.log.push(said);
        }
        self
    }

    fn apply(&self, update: &[u8]) {
        let update = Update::decode_v1(update).unwrap();
        self.doc.transact_mut().apply_update(update).unwrap();
    }

    fn log(&mut self) -> String {
        std::mem::take(&mut self.log)
    }
}

#[test]
fn a_write_is_saved_when_the_store_has_it() {
    let mut room = room();
    let mut ada = Writer::join(&mut room, 1, Rights::ALL);
    assert_eq!(ada.hear(&mut room).hear(&mut room).log(), "w12+");
    assert_eq!(ada.count, 0);
    room.hold_store();
    ada.write(&mut room, "a");
    room.advance(WINDOW_MS);
    ada.write(&mut room, "b");
    // Others see it at once, and so does it what they do: a receipt holds up nothing.
    let mut bob = Editor::join(&mut room, 2, "");
    assert_eq!(bob.hear(&mut room).text(), "ab");
    bob.write(&mut room, "c");
    assert_eq!(ada.hear(&mut room).log(), "u");
    assert_eq!(ada.count, 2);
    // One append is under way, with the first; the second goes with the next.
    assert!(room.answer_store());
    assert_eq!(ada.hear(&mut room).log(), "+");
    room.release_store();
    assert_eq!(ada.hear(&mut room).log(), "");
    room.advance(WINDOW_MS);
    assert_eq!(ada.hear(&mut room).log(), "+");
    assert_eq!(ada.count, 0);
}

#[test]
fn what_is_refused_is_never_saved() {
    let mut room = room();
    let mut ada = Writer::join(&mut room, 1, Rights::READ | Rights::PRESENCE);
    // The step 2 of its handshake has nothing new.
    assert_eq!(ada.hear(&mut room).hear(&mut room).log(), "r12+");
    ada.write(&mut room, "a");
    assert_eq!(ada.hear(&mut room).log(), "!");
    ada.force_sync(&mut room);
    assert_eq!(ada.hear(&mut room).hear(&mut room).log(), "12!");
    assert_eq!(ada.count, 1);
    // It may write from now on, and says again what it has.
    room.input(Input::Renew(ada.session, Rights::ALL));
    ada.force_sync(&mut room);
    ada.hear(&mut room);
    room.advance(WINDOW_MS);
    assert_eq!(ada.hear(&mut room).log(), "w12+");
    assert_eq!(ada.count, 0);
    room.input(Input::Renew(ada.session, Rights::WRITE));
    assert_eq!(room.closed(ada.session), Some(CloseReason::Forbidden));
}

#[test]
fn what_a_failed_append_took_back_is_saved_when_it_was_sent_again() {
    let mut room = room();
    let mut ada = Writer::join(&mut room, 1, Rights::ALL);
    ada.hear(&mut room).hear(&mut room).log();
    room.fail_store(StoreError::Full);
    ada.write(&mut room, "lost ");
    // The store takes no writes now: this one is not refused, it has only to wait.
    ada.write(&mut room, "late ");
    assert_eq!((ada.hear(&mut room).log().as_str(), ada.count), ("", 2));
    room.advance(2_000);
    assert_eq!(ada.hear(&mut room).log(), "1");
    assert_eq!(ada.hear(&mut room).log(), "++");
    assert_eq!(ada.count, 0);
    room.crash();
    let mut bob = Editor::join(&mut room, 2, "");
    assert_eq!(bob.hear(&mut room).text(), "lost late ");
}

#[test]
fn the_answer_to_a_further_question_counts_for_nothing() {
    let mut room = room();
    let mut ada = Writer::join(&mut room, 1, Rights::ALL);
    ada.hear(&mut room).hear(&mut room).log();
    // One that it kept to itself, and one behind it: the room asks for what is between.
    let mut edit = ada.doc.transact_mut();
    edit.get_or_insert_text("t").insert(&mut edit, 0, "a");
    drop(edit);
    ada.write(&mut room, "b");
    room.advance(WINDOW_MS);
    assert_eq!(ada.hear(&mut room).log(), "1+");
    room.hold_store();
    ada.write(&mut room, "c");
    room.release_store();
    room.advance(WINDOW_MS);
    assert_eq!((ada.hear(&mut room).log().as_str(), ada.count), ("+", 0));
    room.crash();
    let mut bob = Editor::join(&mut room, 2, "");
    assert_eq!(bob.hear(&mut room).text(), "abc");
}

#[test]
fn a_writer_that_lags_loses_no_receipt() {
    let mut room = room_with(limits(|l| l.outbox_bytes_max = 2_000));
    let mut ada = Writer::join(&mut room, 1, Rights::ALL);
    ada.hear(&mut room).hear(&mut room).log();
    let bob = Editor::join(&mut room, 2, "");
    room.stop_reading(ada.session);
    for n in 0..25 {
        ada.write(&mut room, &format!("{n} "));
        bob.write(&mut room, &"x".repeat(200));
    }
    room.resume_reading(ada.session);
    ada.hear(&mut room);
    room.advance(WINDOW_MS);
    ada.hear(&mut room);
    assert_eq!(ada.count, 0, "{}", ada.log);
    assert_eq!(room.closed(ada.session), None);
}

#[test]
fn receipts_that_nobody_reads_are_bounded() {
    let mut room = room();
    let mut ada = Writer::join(&mut room, 1, Rights::ALL);
    ada.hear(&mut room).hear(&mut room).log();
    room.stop_reading(ada.session);
    for _ in 0..=RECEIPTS_MAX {
        ada.send(&mut room, &sync(1, &[0, 0]));
    }
    room.resume_reading(ada.session);
    assert_eq!(room.closed(ada.session), Some(CloseReason::Slow));
}

#[test]
fn what_it_says_beside_is_heard_by_those_who_watch() {
    let mut room = room();
    let mut ada = Writer::join(&mut room, 1, Rights::ALL);
    ada.hear(&mut room).hear(&mut room).log();
    room.input(Input::Watched(true));
    ada.send(&mut room, b"\x05\x02hi");
    let seen = room.seen();
    let said = |seen: &Seen| {
        matches!(seen, Seen::Said { session, message, .. }
            if *session == ada.session && message.as_text() == Some("hi"))
    };
    assert!(seen.iter().any(said), "{seen:?}");
    assert_eq!(ada.hear(&mut room).log(), "");
}

/// Asks how far all is saved, as y-sweet's client does; gives what it hears of that.
fn probe(room: &mut TestRoom, peer: SessionId, version: u8) -> Vec<u8> {
    room.send(peer, Bytes::copy_from_slice(&[102, 1, version]));
    told(room, peer)
}

fn told(room: &mut TestRoom, peer: SessionId) -> Vec<u8> {
    let told = |heard| match heard {
        Heard::SavedUntil(version) => Some(version),
        _ => None,
    };
    room.heard(peer).into_iter().filter_map(told).collect()
}

fn join_ysweet(room: &mut TestRoom, rights: Rights) -> SessionId {
    room.join_with(Hello {
        rights,
        ..hello("ada", Protocol::Ysweet, "")
    })
}

#[test]
fn who_asks_whether_all_is_saved_is_told_when_it_is() {
    let mut room = room();
    let ada = join_ysweet(&mut room, Rights::ALL);
    // What it wrote offline is still to come: with the answer to the question of its handshake.
    room.send(ada, sync(0, &[0]));
    assert_eq!(probe(&mut room, ada, 5), b"");
    room.hold_store();
    room.send(ada, sync(1, &insertion(1, 0, "a")));
    room.advance(WINDOW_MS);
    assert_eq!(told(&mut room, ada), b"");
    room.send(ada, sync(2, &behind(1, 1, 1, 0, "b")));
    assert_eq!(probe(&mut room, ada, 6), b"");
    assert!(room.answer_store());
    assert_eq!(told(&mut room, ada), [5]);
    room.release_store();
    room.advance(WINDOW_MS);
    assert_eq!(told(&mut room, ada), [6]);
    // A failed append takes back what it had to be told; when it has sent that again, it is told.
    room.fail_store(StoreError::Full);
    room.send(ada, sync(2, &behind(1, 2, 1, 1, "c")));
    assert_eq!(probe(&mut room, ada, 7), b"");
    room.advance(2_000);
    assert_eq!(probe(&mut room, ada, 7), b"");
    room.send(ada, sync(1, &behind(1, 2, 1, 1, "c")));
    room.advance(WINDOW_MS);
    assert_eq!(told(&mut room, ada), [7]);
}

#[test]
fn who_asks_is_not_told_that_what_was_refused_is_saved() {
    let mut room = room();
    let ada = join_ysweet(&mut room, Rights::READ);
    room.send(ada, sync(0, &[0]));
    room.send(ada, sync(1, &[0, 0]));
    assert_eq!(probe(&mut room, ada, 0), [0]);
    room.send(ada, sync(2, &insertion(1, 0, "a")));
    // It hears that we are there, and not that it is saved.
    assert_eq!(probe(&mut room, ada, 1), [0]);
    assert_eq!(probe(&mut room, ada, 1), [0]);
}

/// A client of y-sweet with a real document, which asks as that does.
struct Asker {
    doc: Doc,
    session: SessionId,
    version: u8,
    /// The highest version that came back.
    acked: Option<u8>,
}

impl Asker {
    fn join(room: &mut TestRoom, client: u64) -> Self {
        let mut asker = Self {
            doc: Doc::with_client_id(client),
            session: join_ysweet(room, Rights::ALL),
            version: 0,
            acked: None,
        };
        asker.begin(room);
        asker
    }

    /// It begins on a new connection, with what it has.
    fn begin(&mut self, room: &mut TestRoom) {
        let vector = self.doc.transact().state_vector().encode_v1();
        room.send(self.session, sync(0, &vector));
        self.ask(room);
    }

    fn come_back(&mut self, room: &mut TestRoom) {
        room.leave(self.session);
        self.session = join_ysweet(room, Rights::ALL);
        self.begin(room);
    }

    fn ask(&self, room: &mut TestRoom) {
        let probe = Bytes::copy_from_slice(&[102, 1, self.version]);
        room.send(self.session, probe);
    }

    /// Types; offline it only counts that.
    fn write(&mut self, room: &mut TestRoom, is_online: bool) {
        let mut edit = self.doc.transact_mut();
        edit.get_or_insert_text("t").insert(&mut edit, 0, "y");
        let update = edit.encode_update_v1();
        drop(edit);
        self.version += 1;
        if is_online {
            room.send(self.session, sync(2, &update));
            self.ask(room);
        }
    }

    fn hear(&mut self, room: &mut TestRoom) {
        for heard in room.heard(self.session) {
            match heard {
                Heard::Yjs(YjsMessage::SyncStep1(vector)) => {
                    let vector = yrs::StateVector::decode_v1(&vector).unwrap();
                    let diff = self.doc.transact().encode_diff_v1(&vector);
                    room.send(self.session, sync(1, &diff));
                }
                Heard::SavedUntil(version) => self.acked = self.acked.max(Some(version)),
                _ => {}
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Write,
    WriteAndComeBack,
    Hear,
    Ask,
    StopReading,
    ResumeReading,
    Store(Event),
}

fn asked() -> impl Strategy<Value = Vec<Asked>> {
    let store = prop_oneof![
        1 => Just(Event::Fail),
        2 => Just(Event::Hold),
        3 => Just(Event::Answer),
        2 => Just(Event::Release),
        2 => prop_oneof![Just(10_u64), Just(2_000)].prop_map(Event::Pass),
    ];
    let event = prop_oneof![
        5 => Just(Asked::Write),
        1 => Just(Asked::WriteAndComeBack),
        5 => Just(Asked::Hear),
        2 => Just(Asked::Ask),
        1 => Just(Asked::StopReading),
        2 => Just(Asked::ResumeReading),
        6 => store.prop_map(Asked::Store),
    ];
    prop::collection::vec(event, 0..60)
}

/// What may happen to two writers.
#[derive(Clone, Copy, Debug)]
enum Event {
    Write(usize),
    /// It types without sending, as offline: the next that it sends lacks its causes.
    Keep(usize),
    Hear(usize),
    ForceSync(usize),
    StopReading(usize),
    ResumeReading(usize),
    Fail,
    Hold,
    Answer,
    Release,
    Pass(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let who = 0..2_usize;
    let event = prop_oneof![
        6 => who.clone().prop_map(Event::Write),
        1 => who.clone().prop_map(Event::Keep),
        6 => who.clone().prop_map(Event::Hear),
        1 => who.clone().prop_map(Event::ForceSync),
        1 => who.clone().prop_map(Event::StopReading),
        2 => who.prop_map(Event::ResumeReading),
        1 => Just(Event::Fail),
        2 => Just(Event::Hold),
        3 => Just(Event::Answer),
        2 => Just(Event::Release),
        2 => prop_oneof![Just(10_u64), Just(2_000)].prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 0..60)
}

fn run(room: &mut TestRoom, writers: &mut [Writer], event: Event) {
    match event {
        Event::Write(who) => writers[who].write(room, "x"),
        Event::Keep(who) => {
            let mut edit = writers[who].doc.transact_mut();
            edit.get_or_insert_text("t").insert(&mut edit, 0, "k");
            drop(edit);
            // Its provider would have counted it: it is to be covered by the handshake.
            writers[who].count += 1;
            writers[who].kept += 1;
        }
        Event::Hear(who) => drop(writers[who].hear(room).log()),
        // What is on its way to it already would count for what it does now: a flaw of the
        // protocol, which nobody but the client could mend.
        Event::ForceSync(who) => {
            writers[who].hear(room).hear(room).log();
            writers[who].force_sync(room);
        }
        Event::StopReading(who) => room.stop_reading(writers[who].session),
        Event::ResumeReading(who) => room.resume_reading(writers[who].session),
        Event::Fail => room.fail_store(StoreError::Full),
        Event::Hold => room.hold_store(),
        Event::Answer => drop(room.answer_store()),
        Event::Release => room.release_store(),
        Event::Pass(ms) => room.advance(ms),
    }
}

proptest! {
    /// The same of who asks: it is told of nothing that is not there, and in the end of everything.
    #[test]
    fn saved_until_is_true(events in asked(), ends in any::<bool>()) {
        let mut room = room_with(limits(|l| l.outbox_bytes_max = 64 << 10));
        let mut asker = Asker::join(&mut room, 1);
        for event in events {
            match event {
                Asked::Write => asker.write(&mut room, true),
                Asked::WriteAndComeBack => {
                    asker.hear(&mut room);
                    asker.write(&mut room, false);
                    asker.come_back(&mut room);
                }
                Asked::Hear => asker.hear(&mut room),
                Asked::Ask => asker.ask(&mut room),
                Asked::StopReading => room.stop_reading(asker.session),
                Asked::ResumeReading => room.resume_reading(asker.session),
                Asked::Store(event) => run(&mut room, &mut [], event),
            }
        }
        if ends && room.stopped().is_none() {
            room.release_store();
            for _ in 0..6 {
                room.resume_reading(asker.session);
                asker.hear(&mut room);
                asker.ask(&mut room);
                room.advance(2_000);
            }
            asker.hear(&mut room);
            let is_in = room.closed(asker.session).is_none();
            prop_assert!(!is_in || asker.acked == Some(asker.version), "{:?}", asker.acked);
        }
        room.crash();
        room.release_store();
        while room.stopped().is_some() {
            room.load();
        }
        let mut late = Editor::join(&mut room, 3, "");
        late.hear(&mut room);
        let stored = late.doc.transact().state_vector().get(&ClientID::new(1));
        // Each edit is one character.
        let acked = asker.acked.unwrap_or(0);
        prop_assert!(stored >= u32::from(acked), "{stored} stored, {acked} told");
    }

    /// Whatever happens: who says "all is saved" is right, and in the end everybody says so.
    #[test]
    fn saved_is_true(events in events(), ends in any::<bool>()) {
        let mut room = room_with(limits(|l| l.outbox_bytes_max = 64 << 10));
        let join = |client| Writer::join(&mut room, client, Rights::ALL);
        let mut writers = [1, 2].map(join);
        for event in events {
            run(&mut room, &mut writers, event);
        }
        if ends && room.stopped().is_none() {
            room.release_store();
            for _ in 0..6 {
                for writer in &mut writers {
                    room.resume_reading(writer.session);
                    writer.hear(&mut room);
                }
                room.advance(2_000);
            }
            for writer in &writers {
                let is_in = room.closed(writer.session).is_none();
                prop_assert!(!is_in || writer.count <= writer.kept, "{}", writer.count);
            }
        }
        room.crash();
        room.release_store();
        // Failures that met nothing yet meet the load.
        while room.stopped().is_some() {
            room.load();
        }
        let mut late = Editor::join(&mut room, 3, "");
        late.hear(&mut room);
        let stored = late.doc.transact().state_vector();
        for writer in &writers {
            let id = writer.doc.client_id();
            let own = writer.doc.transact().state_vector().get(&id);
            if writer.count == 0 {
                prop_assert!(stored.get(&id) >= own, "{own} written and saved, {:?}", stored);
            }
        }
    }
}
