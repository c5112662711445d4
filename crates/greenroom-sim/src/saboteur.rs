//! Wraps a behaviour to plant a bug in it: changes what it asks for, or does not ask it at all.

use std::sync::Arc;

use greenroom_core::collab::doc::job::DocumentJob;
use greenroom_core::protocol::{ClientMessage, ServerMessage, YjsMessage};
use greenroom_core::room::behaviour::{
    Behaviour, BehaviourFactory, Cx, Effect, Past, Progress, Visibility,
};
use greenroom_core::room::job::{ComputeId, Job, JobDone};
use greenroom_core::room::presence::Presence;
use greenroom_core::room::request::{ContentRequest, PartShown, RequestId};
use greenroom_core::room::session::Link;
use greenroom_core::store::Part;
use greenroom_service::{
    Fault, Left, Millis, Outcome, Refuse, Rights, Session, SessionId, Start, TaskId, TaskResult,
    UserId,
};

use crate::bug::Bug;

/// Makes behaviours of `factory` with `bug` in them.
pub(crate) fn sabotage(factory: Arc<BehaviourFactory>, bug: Bug) -> Arc<BehaviourFactory> {
    Arc::new(move |room| {
        Box::new(Saboteur {
            inner: factory(room),
            bug,
            relayed: 0,
        })
    })
}

struct Saboteur {
    inner: Box<dyn Behaviour>,
    bug: Bug,
    /// Events that journaled something.
    relayed: u64,
}

impl Saboteur {
    fn after(&mut self, cx: &mut Cx<'_>) {
        match self.bug {
            Bug::GateOff => {
                for effect in &mut cx.effects {
                    if let Effect::Send(_, _, visibility) = effect {
                        *visibility = Visibility::Early;
                    }
                }
            }
            Bug::SnapshotAhead => {
                for effect in &mut cx.effects {
                    if let Effect::Snapshot(_, seq, _) = effect {
                        *seq += 1;
                    }
                }
            }
            Bug::NotJournaled => {
                let before = cx.effects.len();
                let records = cx
                    .effects
                    .iter()
                    .any(|effect| matches!(effect, Effect::Record(_)));
                self.relayed += u64::from(records);
                if self.relayed % 8 == 7 {
                    cx.effects
                        .retain(|effect| !matches!(effect, Effect::Record(_)));
                }
                cx.next_seq -= (before - cx.effects.len()) as u64;
            }
            Bug::DroppedApply => cx.effects.iter_mut().for_each(drop_update),
            _ => {}
        }
    }
}

fn drop_update(effect: &mut Effect) {
    if let Effect::Compute(_, Job::Document(DocumentJob::Work(work))) = effect
        && work.tail.len() > 1
    {
        work.tail.remove(0);
    }
}

impl Behaviour for Saboteur {
    fn load(&mut self, past: Past, cx: &mut Cx<'_>) -> Result<Progress, Fault> {
        let progress = self.inner.load(past, cx)?;
        if self.bug == Bug::EmptyFirstSync {
            Ok(Progress::Ready)
        } else {
            Ok(progress)
        }
    }

    fn start(&mut self, why: Start, cx: &mut Cx<'_>) -> Outcome {
        self.inner.start(why, cx)
    }

    fn writes_resumed(&mut self, cx: &mut Cx<'_>) -> Outcome {
        self.inner.writes_resumed(cx)
    }

    fn admit(&mut self, session: &Session, link: &Link, cx: &mut Cx<'_>) -> Result<Rights, Refuse> {
        self.inner.admit(session, link, cx)
    }

    fn join(&mut self, session: SessionId, cx: &mut Cx<'_>) -> Outcome {
        self.inner.join(session, cx)
    }

    fn request(
        &mut self,
        id: RequestId,
        user: Option<&UserId>,
        request: ContentRequest,
        cx: &mut Cx<'_>,
    ) -> Outcome {
        self.inner.request(id, user, request, cx)
    }

    fn show(&self) -> Vec<PartShown> {
        self.inner.show()
    }

    fn message(&mut self, session: SessionId, message: ClientMessage, cx: &mut Cx<'_>) -> Outcome {
        self.inner.message(session, message, cx)
    }

    fn leave(&mut self, session: &Session, link: &Link, left: Left, cx: &mut Cx<'_>) -> Outcome {
        let outcome = self.inner.leave(session, link, left, cx);
        if self.bug == Bug::PresenceLeft {
            let tells = |effect: &Effect| {
                let Effect::Send(_, ServerMessage::Yjs(_, message), _) = effect else {
                    return false;
                };
                matches!(message, YjsMessage::Awareness(_))
            };
            cx.effects.retain(|effect| !tells(effect));
        }
        outcome
    }

    fn catch_up(&mut self, session: SessionId, missed_from: u64, cx: &mut Cx<'_>) -> Outcome {
        if self.bug == Bug::LaggedForgotten {
            return Ok(());
        }
        self.inner.catch_up(session, missed_from, cx)
    }

    fn timeout(&mut self, cx: &mut Cx<'_>) -> Outcome {
        self.inner.timeout(cx)
    }

    fn poll_timeout(&self, presence: &Presence, writable: bool) -> Option<Millis> {
        self.inner.poll_timeout(presence, writable)
    }

    fn compute_done(
        &mut self,
        id: ComputeId,
        done: JobDone,
        cx: &mut Cx<'_>,
    ) -> Result<Progress, Fault> {
        self.inner.compute_done(id, done, cx)
    }

    fn task_done(&mut self, id: TaskId, result: TaskResult, cx: &mut Cx<'_>) -> Outcome {
        self.inner.task_done(id, result, cx)
    }

    fn prepare_stop(&mut self, cx: &mut Cx<'_>) -> Progress {
        self.inner.prepare_stop(cx)
    }

    fn after_event(&mut self, cx: &mut Cx<'_>) -> Result<(), Fault> {
        self.inner.after_event(cx)?;
        self.after(cx);
        Ok(())
    }

    fn parts(&self) -> Vec<Part> {
        self.inner.parts()
    }

    fn next_wake(&self) -> Option<Millis> {
        self.inner.next_wake()
    }

    fn survives_unload(&self) -> bool {
        self.inner.survives_unload()
    }

    fn state_hash(&self) -> u64 {
        self.inner.state_hash()
    }

    fn kind(&self) -> &'static str {
        self.inner.kind()
    }
}
