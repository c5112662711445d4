//! The rules of rooms, on virtual time, with a service that does what it is told.

mod commit;
mod faults;
mod gate;
mod load;
mod requests;
mod stop;
mod writes;

use std::collections::BTreeMap;
use std::sync::Arc;

use greenroom_service::{
    CloseBy, Context, Fault, Left, Message, Millis, Outcome, Refuse, Rights, Service, Session,
    SessionId, Start, TaskId, TaskResult, To,
};

use crate::limits::Limits;
use crate::room::behaviour::BehaviourFactory;
use crate::service::service_rooms;
use crate::service::test_room::TestRoom;

/// Does what its scripts say: commands separated by `;`, words by blanks.
///
/// | command | what it does |
/// |---|---|
/// | `say TEXT`, `others TEXT`, `one ID TEXT`, `tagged TAG TEXT` | sends |
/// | `latest SLOT TEXT` | sends to all, newest wins |
/// | `put KEY VALUE`, `delete KEY`, `get KEY` | entries; `get` says what is there |
/// | `save TEXT`, `saved` | sets what is saved; says it |
/// | `timer NAME MS`, `cancel NAME` | a timer in so many milliseconds |
/// | `tag TAG`, `kick ID`, `task NAME`, `count` | says how many sessions there are |
/// | `refuse`, `fault`, `panic` | ends the event so |
/// | `grow BYTES` | saves so many bytes |
/// | `soil` | changes what is saved, though the event is refused |
///
/// `{}` in the script of an event stands for what it is about: a timer's name, why it started.
#[derive(Debug, Default)]
pub(super) struct Probe {
    saved: Option<String>,
    on: Arc<BTreeMap<&'static str, &'static str>>,
}

impl Probe {
    fn event(
        &mut self,
        name: &str,
        about: &str,
        from: Option<&Session>,
        cx: &mut Context<'_>,
    ) -> Outcome {
        let script = self
            .on
            .get(name)
            .copied()
            .unwrap_or("")
            .replace("{}", about);
        self.run(&script, from, cx)
    }

    fn run(&mut self, script: &str, from: Option<&Session>, cx: &mut Context<'_>) -> Outcome {
        // A refusal must leave the service as it was: what it saves is set at the end.
        let mut saved = self.saved.clone();
        for command in script.split(';').map(str::trim).filter(|c| !c.is_empty()) {
            let words: Vec<_> = command.split(' ').collect();
            match words[..] {
                ["say", ..] => cx.send(To::All, &command[4..]),
                ["others", ..] => cx.send(To::Except(from.expect("a sender").id), &command[7..]),
                ["one", id, text] => cx.send(To::One(session(id)), text),
                ["many", one, two, text] => {
                    cx.send(To::Many(vec![session(one), session(two)]), text);
                }
                ["tagged", tag, text] => cx.send(To::Tagged(tag.into()), text),
                ["latest", slot, text] => cx.send_latest(To::All, number(slot) as u32, text),
                ["put", key, value] => cx.put(key.as_bytes(), value.as_bytes()),
                ["delete", key] => cx.delete(key.as_bytes()),
                ["get", key] => {
                    let value = cx.get(key.as_bytes());
                    let value = value.map(|v| String::from_utf8_lossy(&v).into_owned());
                    cx.send(To::All, format!("{key}={value:?}"));
                }
                ["save", text] => saved = Some(text.into()),
                ["saved"] => cx.send(To::All, format!("saved {saved:?}")),
                ["grow", bytes] => saved = Some("x".repeat(number(bytes) as usize)),
                ["timer", name, ms] => cx.set_timer(name, cx.now().plus(number(ms))),
                ["cancel", name] => cx.cancel_timer(name),
                ["tag", tag] => cx.tag(from.expect("a sender").id, tag),
                ["kick", id] => cx.close(session(id), CloseBy::Kicked),
                ["task", name] => drop(cx.task(name, "input")),
                ["count"] => cx.send(To::All, format!("{} here", cx.sessions().count())),
                ["time"] => cx.send(To::All, format!("{}", cx.now().0)),
                ["soil"] => self.saved = Some("soiled".into()),
                ["refuse"] => return Err(Refuse::new("no", "not today").into()),
                ["fault"] => return Err(Fault("told to".into()).into()),
                ["panic"] => panic!("told to"),
                _ => panic!("unknown command {command}"),
            }
        }
        self.saved = saved;
        Ok(())
    }
}

impl Service for Probe {
    fn start(&mut self, why: Start, cx: &mut Context<'_>) -> Outcome {
        self.event("start", &format!("{why:?}"), None, cx)
    }

    fn admit(&mut self, session: &Session, _: &Context<'_>) -> Result<Rights, Refuse> {
        match session.user.as_ref().map_or("", |user| user.as_str()) {
            "reader" => Ok(Rights::READ),
            "nobody" => Err(Refuse::new("forbidden", "not you")),
            "bomb" => panic!("told to"),
            _ => Ok(Rights::ALL),
        }
    }

    fn join(&mut self, session: &Session, cx: &mut Context<'_>) -> Outcome {
        self.event("join", &session.id.0.to_string(), Some(session), cx)
    }

    fn message(&mut self, session: &Session, message: Message, cx: &mut Context<'_>) -> Outcome {
        let script = message.as_text().expect("text").to_owned();
        self.run(&script, Some(session), cx)
    }

    fn leave(&mut self, session: &Session, why: Left, cx: &mut Context<'_>) -> Outcome {
        self.event(
            "leave",
            &format!("{} {why:?}", session.id.0),
            Some(session),
            cx,
        )
    }

    fn timer(&mut self, name: &str, cx: &mut Context<'_>) -> Outcome {
        self.event("timer", name, None, cx)
    }

    fn task_done(&mut self, _: TaskId, result: TaskResult, cx: &mut Context<'_>) -> Outcome {
        self.event("task", &format!("{result:?}"), None, cx)
    }

    fn save(&self) -> Option<Vec<u8>> {
        self.saved.as_ref().map(|saved| saved.clone().into_bytes())
    }
}

fn session(id: &str) -> SessionId {
    SessionId(number(id))
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

/// Makes rooms with a [`Probe`] that runs these scripts on events.
pub(crate) fn probes(on: &[(&'static str, &'static str)]) -> Arc<BehaviourFactory> {
    let on = Arc::new(BTreeMap::from_iter(on.iter().copied()));
    service_rooms(Arc::new(move |_, saved| {
        let saved = saved.map(|saved| String::from_utf8_lossy(saved).into_owned());
        let on = Arc::clone(&on);
        Ok(Box::new(Probe { saved, on }) as Box<dyn Service>)
    }))
}

/// A room with a [`Probe`] that runs these scripts on events.
pub(crate) fn probe(on: &[(&'static str, &'static str)]) -> TestRoom {
    TestRoom::new(probes(on))
}

/// The same with other limits.
pub(crate) fn probe_with(on: &[(&'static str, &'static str)], limits: Limits) -> TestRoom {
    TestRoom::with_limits(probes(on), limits)
}

/// Asserts that the peer got these texts since it was last asked.
#[track_caller]
pub(crate) fn check<const N: usize>(room: &mut TestRoom, peer: SessionId, expected: [&str; N]) {
    assert_eq!(room.texts(peer), expected, "heard by {peer:?}");
}

/// A time of the tests.
const fn ms(ms: u64) -> Millis {
    Millis(1_000_000 + ms)
}

const REFUSED: &str = r#"{"error":{"code":"no","reason":"not today"}}"#;
