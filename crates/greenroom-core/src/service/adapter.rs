//! Runs a [`Service`] as a room's behaviour: lends it a [`Context`], turns the effects that it
//! recorded into records and sends.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use greenroom_service::{
    CloseBy, Context, Effect as ServiceEffect, Factory, Fault, Halt, Left, Millis, Outcome, Refuse,
    Rights, SAVE_BYTES_MAX, Service, Session, SessionId, Start, TaskId, TaskResult, UserId, View,
};

use super::state::{State, entries_record, timer_record};
use crate::close_reason::CloseReason;
use crate::protocol::{ClientMessage, ServerMessage};
use crate::room::behaviour::{Behaviour, Cx, Effect, Past, Progress, Slot, Visibility};
use crate::room::job::{ComputeId, JobDone};
use crate::room::presence::Presence;
use crate::room::request::{ContentRequest, PartShown, Reply, RequestId};
use crate::room::session::Link;
use crate::store::Part;
use crate::store::envelope::{Record, RecordKind};

pub(super) struct Adapter {
    factory: Arc<Factory>,
    service: Option<Box<dyn Service>>,
    state: State,
    /// Whether the service ever kept anything: if not, unloading it would lose what it holds.
    keeps: bool,
    tasks: BTreeSet<TaskId>,
    /// Records since the last snapshot.
    records: usize,
}

impl Adapter {
    pub(super) fn new(factory: Arc<Factory>) -> Self {
        Self {
            factory,
            service: None,
            state: State::default(),
            keeps: false,
            tasks: BTreeSet::new(),
            records: 0,
        }
    }

    /// Runs one handler and, when it said `Ok`, takes over what it recorded.
    fn run(
        &mut self,
        cx: &mut Cx<'_>,
        handler: impl FnOnce(&mut dyn Service, &mut Context<'_>) -> Outcome,
    ) -> Outcome {
        let service = self.service.as_mut().expect("loaded before any event");
        let mut context = Context::new(View {
            room: cx.room,
            now: cx.now,
            seed: cx.seed,
            sessions: cx.sessions,
            entries: &self.state.entries,
            next_task: *cx.next_id + 1,
        });
        handler(service.as_mut(), &mut context)?;
        let effects = context.into_effects();
        self.take_over(effects, cx)?;
        Ok(())
    }

    fn take_over(&mut self, effects: Vec<ServiceEffect>, cx: &mut Cx<'_>) -> Result<(), Fault> {
        let mut written = Vec::new();
        for effect in effects {
            match effect {
                ServiceEffect::Send(to, message) => {
                    cx.send(to, ServerMessage::Frame(message), Visibility::Durable);
                }
                ServiceEffect::SendLatest(to, slot, message) => {
                    let message = ServerMessage::Frame(message);
                    let slot = Slot::Service(slot);
                    cx.effects
                        .push(Effect::SendLatest(to, slot, message, Visibility::Durable));
                }
                ServiceEffect::Close(id, CloseBy::Kicked) => cx.close(id, CloseReason::Kicked),
                ServiceEffect::Tag(id, tag) => cx.effects.push(Effect::Tag(id, tag)),
                ServiceEffect::Entry(key, value) => {
                    self.state.set_entry(key.clone(), value.clone());
                    written.push((key, value));
                }
                ServiceEffect::Timer(name, at) => self.set_timer(&name, at, cx),
                ServiceEffect::Task(id, spec) => {
                    *cx.next_id = (*cx.next_id).max(id.0);
                    self.tasks.insert(id);
                    cx.effects.push(Effect::Task(id, spec));
                }
                _ => {
                    return Err(Fault(
                        "the service asked for what this room cannot do".into(),
                    ));
                }
            }
        }
        if !written.is_empty() {
            self.keeps = true;
            self.records += 1;
            cx.record(entries_record(&written));
        }
        let limits = cx.limits;
        let over = [
            (
                self.state.entries_bytes > limits.entries_bytes_max,
                "entries",
                "entries_bytes_max",
            ),
            (
                self.state.timers.len() > limits.timers_max,
                "timers",
                "timers_max",
            ),
            (self.tasks.len() > limits.tasks_max, "tasks", "tasks_max"),
        ];
        match over.into_iter().find(|(over, ..)| *over) {
            Some((_, what, limit)) => {
                cx.hits.limit(limit);
                Err(Fault(format!("the service has more {what} than allowed")))
            }
            None => Ok(()),
        }
    }

    fn set_timer(&mut self, name: &str, at: Option<Millis>, cx: &mut Cx<'_>) {
        self.state.timers.set(name, at);
        self.keeps = true;
        self.records += 1;
        cx.record(timer_record(name, at));
    }

    fn snapshot(&mut self, cx: &mut Cx<'_>) {
        if self.records > 0 {
            self.records = 0;
            let seq = cx.next_seq - 1;
            cx.effects.push(Effect::Snapshot(
                Part::Service,
                seq,
                self.state.to_snapshot(),
            ));
        }
    }
}

impl Behaviour for Adapter {
    fn load(&mut self, past: Past, cx: &mut Cx<'_>) -> Result<Progress, Fault> {
        let (state, replayed) = State::of_past(&past)?;
        self.state = state;
        self.records += replayed;
        self.keeps = past.head > 0;
        let saved = (!self.state.saved.is_empty()).then_some(&*self.state.saved);
        let service = (self.factory)(cx.room, saved)?;
        if self.state.saved.is_empty() {
            // What a new service saves is nothing new: a room that was only visited leaves nothing.
            self.state.saved = service.save().map_or_else(Bytes::new, Bytes::from);
        }
        self.service = Some(service);
        Ok(Progress::Ready)
    }

    fn start(&mut self, why: Start, cx: &mut Cx<'_>) -> Outcome {
        self.run(cx, |service, context| service.start(why, context))
    }

    fn writes_resumed(&mut self, _: &mut Cx<'_>) -> Outcome {
        Ok(())
    }

    fn admit(&mut self, session: &Session, _: &Link, cx: &mut Cx<'_>) -> Result<Rights, Refuse> {
        let service = self.service.as_mut().expect("loaded before any event");
        let context = Context::new(View {
            room: cx.room,
            now: cx.now,
            seed: cx.seed,
            sessions: cx.sessions,
            entries: &self.state.entries,
            next_task: 0,
        });
        service.admit(session, &context)
    }

    fn join(&mut self, session: SessionId, cx: &mut Cx<'_>) -> Outcome {
        let joined = &cx.sessions[&session];
        self.run(cx, |service, context| service.join(joined, context))
    }

    fn message(&mut self, session: SessionId, message: ClientMessage, cx: &mut Cx<'_>) -> Outcome {
        let from = &cx.sessions[&session];
        let ClientMessage::Frame(frame) = message else {
            return Err(Refuse::new("wrong_room", "this room runs a service").into());
        };
        if !from.rights.has(Rights::WRITE) {
            return Err(Refuse::new("read_only", "the token does not allow writing here").into());
        }
        if !cx.writable {
            let reason = "the store takes no writes now, try again in some seconds";
            return Err(Refuse::new("store_unavailable", reason).into());
        }
        self.run(cx, |service, context| service.message(from, frame, context))
    }

    fn request(
        &mut self,
        id: RequestId,
        _: Option<&UserId>,
        request: ContentRequest,
        cx: &mut Cx<'_>,
    ) -> Outcome {
        match request {
            ContentRequest::Presence => {
                let reply = Reply::Presence(Vec::new());
                cx.effects.push(Effect::Reply(id, reply, Visibility::Early));
                Ok(())
            }
            ContentRequest::Document(..) => Err(Refuse::new(
                "wrong_room",
                "this room runs a service, it has no documents",
            )
            .into()),
        }
    }

    fn leave(&mut self, session: &Session, _: &Link, left: Left, cx: &mut Cx<'_>) -> Outcome {
        self.run(cx, |service, context| service.leave(session, left, context))
    }

    fn catch_up(&mut self, session: SessionId, _: u64, cx: &mut Cx<'_>) -> Outcome {
        // A service's frames cannot be made again, whatever protocol they were for.
        cx.close(session, CloseReason::Slow);
        Ok(())
    }

    fn timeout(&mut self, cx: &mut Cx<'_>) -> Outcome {
        // Only those that are due now: a handler may set its own timer anew, to this very time.
        for name in self.state.timers.due(cx.now) {
            // A handler before may have cancelled or moved it.
            if self.state.timers.get(&name).is_none_or(|at| at > cx.now) {
                continue;
            }
            self.set_timer(&name, None, cx);
            let outcome = self.run(cx, |service, context| service.timer(&name, context));
            ignore_refusal(outcome)?;
        }
        Ok(())
    }

    fn poll_timeout(&self, _: &Presence, writable: bool) -> Option<Millis> {
        // Without a store a timer could fire and be forgotten.
        self.state.timers.next().filter(|_| writable)
    }

    fn compute_done(
        &mut self,
        _: ComputeId,
        _: JobDone,
        _: &mut Cx<'_>,
    ) -> Result<Progress, Fault> {
        Ok(Progress::Ready)
    }

    fn task_done(&mut self, id: TaskId, result: TaskResult, cx: &mut Cx<'_>) -> Outcome {
        // A task of before a rebuild: the service that asked for it is gone.
        if !self.tasks.remove(&id) {
            return Ok(());
        }
        ignore_refusal(self.run(cx, |service, context| {
            service.task_done(id, result, context)
        }))
    }

    fn prepare_stop(&mut self, cx: &mut Cx<'_>) -> Progress {
        self.snapshot(cx);
        Progress::Ready
    }

    fn after_event(&mut self, cx: &mut Cx<'_>) -> Result<(), Fault> {
        let Some(service) = &self.service else {
            return Ok(());
        };
        if let Some(saved) = service.save() {
            if saved.len() > SAVE_BYTES_MAX {
                let size = saved.len();
                return Err(Fault(format!(
                    "save gave {size} bytes, {SAVE_BYTES_MAX} are allowed"
                )));
            }
            self.keeps = true;
            if saved != self.state.saved {
                self.state.saved = Bytes::from(saved);
                self.records += 1;
                cx.record(Record {
                    kind: RecordKind::Saved,
                    data: self.state.saved.clone(),
                });
            }
        }
        if self.records >= cx.limits.compact_updates_max {
            self.snapshot(cx);
        }
        Ok(())
    }

    fn parts(&self) -> Vec<Part> {
        vec![Part::Service]
    }

    fn show(&self) -> Vec<PartShown> {
        let part = Part::Service;
        let bytes = self.state.entries_bytes + self.state.saved.len();
        let updates = self.records;
        vec![PartShown {
            part,
            bytes,
            updates,
            parked: 0,
        }]
    }

    fn next_wake(&self) -> Option<Millis> {
        self.state.timers.next()
    }

    fn survives_unload(&self) -> bool {
        self.keeps && self.tasks.is_empty()
    }

    fn state_hash(&self) -> u64 {
        let saved = self
            .service
            .as_ref()
            .and_then(|service| service.save())
            .unwrap_or_default();
        let snapshot = u64::from(crc32fast::hash(&self.state.to_snapshot()));
        snapshot << 32 | u64::from(crc32fast::hash(&saved))
    }

    fn kind(&self) -> &'static str {
        "service"
    }
}

/// There is nobody to tell of a refusal: its effects are dropped, as everywhere, and that is all.
fn ignore_refusal(outcome: Outcome) -> Outcome {
    match outcome {
        Err(Halt::Refuse(_)) => Ok(()),
        other => other,
    }
}
