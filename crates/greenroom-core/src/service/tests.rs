//! Services in rooms: what is durable of them, whatever happens.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::limits::Limits;
use crate::room::Drain;
use crate::room::tests::{check, probe_with};
use crate::service::test_room::{Heard, TestRoom};
use crate::store::{StoreError, StoreReply, StoreRequest};

#[test]
fn a_counter_counts_and_survives() {
    let mut room = TestRoom::service(Counter::open);
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    for message in ["increment", "what?", "increment", "decrement", "increment"] {
        room.send(ada, message);
    }
    let all = [
        "new value: 1",
        "new value: 2",
        "new value: 1",
        "new value: 2",
    ];
    check(&mut room, ada, all);
    check(&mut room, bob, all);
    room.crash();
    let cleo = room.join("cleo");
    room.send(cleo, "increment");
    check(&mut room, cleo, ["new value: 3"]);
    room.unload();
    let dan = room.join("dan");
    room.send(dan, "increment");
    check(&mut room, dan, ["new value: 4"]);
}

#[test]
fn a_counter_that_was_saved_in_another_form_quarantines_and_keeps_it() {
    let mut room = TestRoom::service(Counter::open);
    let ada = room.join("ada");
    room.send(ada, "increment");
    room.upgrade(service_rooms(Arc::new(|_, saved| match saved {
        Some(_) => Err(greenroom_service::Fault("unknown form".into())),
        None => Ok(Box::new(Relay)),
    })));
    room.crash();
    assert!(matches!(
        room.stopped(),
        Some(crate::room::Stopped::Quarantined(_))
    ));
    room.upgrade(service_rooms(Arc::new(|_, saved| {
        Ok(Box::new(Counter::open(saved)?))
    })));
    room.crash();
    let bob = room.join("bob");
    room.send(bob, "increment");
    check(&mut room, bob, ["new value: 2"]);
}

#[test]
fn a_relay_hands_text_and_bytes_to_the_others() {
    let mut room = TestRoom::service(|_| Ok(Relay));
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    let bytes = bytes::Bytes::from_static(b"hi \xff");
    room.send(ada, "hi");
    room.send(ada, bytes.clone());
    assert_eq!(
        room.heard(bob),
        [Heard::Text("hi".into()), Heard::Binary(bytes)]
    );
    assert_eq!(room.heard(ada), []);
    room.leave(ada);
    room.leave(bob);
    room.advance(30_000);
    assert!(room.is_idle());
}

/// One thing that happens to a room.
#[derive(Clone, Debug)]
enum Step {
    /// An event, which says `ok` (and so is waited for) or not.
    Event(Vec<Command>, End),
    /// An event whose append fails.
    Fail(Vec<Command>),
    Wait(u64),
    Crash,
    Unload,
}

#[derive(Clone, Debug)]
enum Command {
    Put(u8, u8),
    Delete(u8),
    Save(u8),
    Timer(u8, u64),
    Cancel(u8),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Waited,
    Quiet,
    Refuse,
    Fault,
}

impl Command {
    fn script(&self) -> String {
        match self {
            Self::Put(key, value) => format!("put k{key} v{value}"),
            Self::Delete(key) => format!("delete k{key}"),
            Self::Save(value) => format!("save s{value}"),
            Self::Timer(name, ms) => format!("timer t{name} {ms}"),
            Self::Cancel(name) => format!("cancel t{name}"),
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let command = prop_oneof![
        (0..4u8, 0..9u8).prop_map(|(k, v)| Command::Put(k, v)),
        (0..4u8).prop_map(Command::Delete),
        (0..9u8).prop_map(Command::Save),
        (0..3u8, 0..2_000u64).prop_map(|(n, ms)| Command::Timer(n, ms)),
        (0..3u8).prop_map(Command::Cancel),
    ];
    let commands = prop::collection::vec(command, 0..4);
    let end = prop_oneof![
        4 => Just(End::Waited),
        2 => Just(End::Quiet),
        1 => Just(End::Refuse),
        1 => Just(End::Fault),
    ];
    prop_oneof![
        8 => (commands.clone(), end).prop_map(|(c, e)| Step::Event(c, e)),
        1 => commands.prop_map(Step::Fail),
        2 => (0..500u64).prop_map(Step::Wait),
        1 => Just(Step::Crash),
        1 => Just(Step::Unload),
    ]
}

/// What a room holds: entries and saved bytes.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    entries: BTreeMap<String, String>,
    saved: Option<String>,
}

impl Model {
    fn run(&mut self, commands: &[Command]) {
        for command in commands {
            match command {
                Command::Put(key, value) => {
                    self.entries.insert(format!("k{key}"), format!("v{value}"));
                }
                Command::Delete(key) => drop(self.entries.remove(&format!("k{key}"))),
                Command::Save(value) => self.saved = Some(format!("s{value}")),
                Command::Timer(..) | Command::Cancel(_) => {}
            }
        }
    }
}

/// What the room says that it holds, once it takes writes.
fn asked(room: &mut TestRoom) -> Model {
    loop {
        let peer = room.join("asks");
        room.frames(peer);
        room.send(peer, "saved; get k0; get k1; get k2; get k3");
        let texts = room.texts(peer);
        room.leave(peer);
        if texts.len() == 5 {
            return model_of(&texts);
        }
        room.advance(2_000);
    }
}

fn model_of(texts: &[String]) -> Model {
    let unquoted = |text: &str| {
        let inner = text.strip_prefix("Some(\"")?.strip_suffix("\")")?;
        Some(inner.to_owned())
    };
    let saved = unquoted(texts[0].strip_prefix("saved ").expect("the first answer"));
    let entries = texts[1..].iter().filter_map(|text| {
        let (key, value) = text.split_once('=').expect("an entry");
        Some((key.to_owned(), unquoted(value)?))
    });
    Model {
        entries: entries.collect(),
        saved,
    }
}

/// The states that the room went through since the last that is known to be durable.
struct History(Vec<Model>);

impl History {
    /// An event is sent; `Some` is the state after it when it may have committed.
    fn event(&mut self, room: &mut TestRoom, commands: &[Command], end: End) {
        let peer = room.join("sends");
        room.frames(peer);
        let mut script: Vec<_> = commands.iter().map(Command::script).collect();
        script.extend(match end {
            End::Waited => Some("say ok".into()),
            End::Refuse => Some("refuse".into()),
            End::Fault => Some("fault".into()),
            End::Quiet => None,
        });
        room.send(peer, script.join(";"));
        let texts = room.texts(peer);
        if matches!(end, End::Waited | End::Quiet) {
            let mut after = self.0.last().expect("never empty").clone();
            after.run(commands);
            self.0.push(after);
        }
        if texts.iter().any(|text| text == "ok") {
            self.0.drain(..self.0.len() - 1);
        }
        room.leave(peer);
    }

    /// The room is in one of its states since the last durable one: the newest that fits.
    fn check(&mut self, now: &Model) -> Result<(), TestCaseError> {
        let Some(at) = self.0.iter().rposition(|state| state == now) else {
            return Err(TestCaseError::fail(format!(
                "{now:?} is none of {:?}",
                self.0
            )));
        };
        self.0.truncate(at + 1);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The journal replayed is the live state, for random events, faults, failed appends, crashes;
    /// and what a peer was told is never lost.
    #[test]
    fn replayed_it_is_the_same(steps in prop::collection::vec(step(), 1..60), compact in 2..9usize) {
        let limits = Limits {
            compact_updates_max: compact,
            fault_hold_off_ms: 0,
            faults_max: usize::MAX,
            ..Limits::default()
        };
        let mut room = probe_with(&[("timer", "say {}")], limits);
        let mut history = History(vec![Model::default()]);
        for step in steps {
            match step {
                Step::Event(commands, end) => history.event(&mut room, &commands, end),
                Step::Fail(commands) => {
                    room.hold_store();
                    history.event(&mut room, &commands, End::Waited);
                    if let Some(StoreRequest::Append(_)) = room.held_requests().first() {
                        room.answer_store_with(StoreReply::Failed(StoreError::Full));
                    }
                    room.release_store();
                }
                Step::Wait(ms) => room.advance(ms),
                Step::Crash => room.crash(),
                Step::Unload => room.drain(Drain::Unload),
            }
            history.check(&asked(&mut room))?;
        }
        // At rest all of it is durable.
        room.advance(10_000);
        let now = asked(&mut room);
        room.advance(10_000);
        let hash = room.room().state_hash();
        room.crash();
        prop_assert_eq!(room.room().state_hash(), hash);
        room.unload();
        room.load();
        prop_assert_eq!(room.room().state_hash(), hash);
        prop_assert_eq!(asked(&mut room), now);
    }
}
