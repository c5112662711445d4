//! Works off the marks of the durable queue. The order and the waiting are the core's
//! ([`Deliveries`]); here are the store, the rooms and the receivers.

use std::sync::Arc;
use std::time::Duration;

use greenroom_core::collab::doc::ask::{Answer as Held, Whole};
use greenroom_core::hooks::{Begun, Deliveries, Ended, Event, Finished, Mark, Why};
use greenroom_core::limits::{
    HOOK_ANSWER_BYTES_MAX, HOOK_DELIVERIES_MAX, HOOK_MARKS_MAX, HOOK_MARKS_PAGE_MAX,
    REQUEST_DEADLINE_MS,
};
use greenroom_core::room::request::{Caller, HookRequest, Reply, Request};
use greenroom_core::store::{ListFilter, StoreReply, StoreRequest};
use greenroom_service::{Millis, RoomId};
use http::{HeaderMap, StatusCode};
use tokio::sync::{mpsc, oneshot};

use super::call::Call;
use super::message::{Message, ON_CHANGE, ON_UNLOAD};
use super::rules::HookRules;
use super::target::HookUrl;
use crate::edge::Edge;
use crate::mail::Mail;
use crate::meters::table;
use crate::rooms::{RoomRef, Rooms};
use crate::spans;

/// Delivers until the process stops. What is under way then is delivered again after the next
/// start.
pub(crate) async fn run(rooms: Arc<Rooms>) {
    let edge = Arc::clone(rooms.edge());
    let (ended, mut ends) = mpsc::channel(HOOK_DELIVERIES_MAX);
    let mut queue = Queue {
        deliveries: Deliveries::new(HOOK_MARKS_MAX, HOOK_DELIVERIES_MAX, edge.random()),
        rooms: Arc::clone(&rooms),
        last: 0,
    };
    queue.read().await;
    loop {
        while let Some(begun) = queue.deliveries.poll(edge.clock.now()) {
            let (rooms, ended) = (Arc::clone(&rooms), ended.clone());
            edge.spawn(async move {
                let room = begun.mark.room.clone();
                // In a task of its own: a panic in it is one failed delivery.
                let how = tokio::spawn(deliver(rooms, begun)).await;
                let _ = ended.send((room, how.unwrap_or(Ended::Failed))).await;
            });
        }
        queue.count();
        let next = queue.deliveries.poll_timeout();
        let next = next.map_or_else(|| edge.clock.far(), |at| edge.clock.instant(at));
        // All arms are cancel-safe.
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = edge.hooks.marked.notified() => queue.read().await,
            Some((room, how)) = ends.recv() => queue.ended(&room, how).await,
            () = edge.stopping() => return,
        }
    }
}

/// The durable queue, as far as it was read.
struct Queue {
    deliveries: Deliveries,
    rooms: Arc<Rooms>,
    /// The last item that was read.
    last: u64,
}

impl Queue {
    /// Reads what is new.
    async fn read(&mut self) {
        let edge = Arc::clone(self.rooms.edge());
        loop {
            let request = StoreRequest::Queue {
                after: self.last,
                limit: HOOK_MARKS_PAGE_MAX,
            };
            let StoreReply::Queue(items) = edge.request_store(request).await else {
                tracing::warn!("the queue of the hooks cannot be read now");
                return;
            };
            let is_all = items.len() < HOOK_MARKS_PAGE_MAX;
            let policy = edge.policy();
            let mut finished = Vec::new();
            for (id, item) in items {
                self.last = id;
                // What is no mark is somebody else's.
                if let Some(mark) = Mark::decode(&item) {
                    let pace = policy.hooks.pace(&mark.room);
                    finished.extend(self.deliveries.queued(id, mark, pace));
                }
            }
            self.drop_all(finished).await;
            if is_all {
                return;
            }
        }
    }

    async fn ended(&mut self, room: &RoomId, how: Ended) {
        let now = self.rooms.edge().clock.now();
        let finished = self.deliveries.ended(now, room, how);
        self.drop_all(finished.into_iter().collect()).await;
    }

    /// Drops items from the store, and tells what was not delivered.
    async fn drop_all(&self, finished: Vec<Finished>) {
        for Finished { mark, why, .. } in &finished {
            let outcome = match why {
                Why::Double => continue,
                Why::Told => "delivered",
                Why::Moot => "moot",
                Why::GivenUp => "given_up",
                Why::Overflow => "overflow",
            };
            table::HOOK_DELIVERIES
                .with(&[hook_name(&mark.event), outcome])
                .increment(1);
            if matches!(why, Why::GivenUp | Why::Overflow) {
                let hook = hook_name(&mark.event);
                spans::room(&mark.room)
                    .in_scope(|| tracing::error!(hook, outcome, "nobody was told"));
                self.forget(mark);
            }
        }
        let ids: Vec<_> = finished.iter().map(|finished| finished.id).collect();
        if ids.is_empty() {
            return;
        }
        let done = StoreRequest::QueueDone { ids };
        if self.rooms.edge().request_store(done).await != StoreReply::Done {
            // They are delivered again after the next start.
            tracing::warn!("items of the hooks' queue cannot be dropped now");
        }
    }

    /// The room, if it runs, marks the next change of what was given up.
    fn forget(&self, mark: &Mark) {
        let Event::Changed(document) = mark.event.clone() else {
            return;
        };
        if self.rooms.runs(&mark.room) {
            let (rooms, room) = (Arc::clone(&self.rooms), mark.room.clone());
            self.rooms.edge().spawn(async move {
                if let Ok(room) = rooms.open(&room).await {
                    ask(&room, HookRequest::Forget { document }).await;
                }
            });
        }
    }

    fn count(&self) {
        table::HOOK_QUEUE
            .with(&[])
            .set(self.deliveries.len() as f64);
        let now = self.rooms.edge().clock.now();
        let oldest = self.deliveries.oldest();
        let waited_ms = oldest.map_or(0, |at| now.since(at));
        table::HOOK_OLDEST_SECONDS
            .with(&[])
            .set(waited_ms as f64 / 1_000.0);
    }
}

/// The word for logs and metrics.
const fn hook_name(event: &Event) -> &'static str {
    match event {
        Event::Changed(_) => ON_CHANGE,
        Event::Unloaded { .. } => ON_UNLOAD,
    }
}

/// Works off one mark.
async fn deliver(rooms: Arc<Rooms>, begun: Begun) -> Ended {
    let Mark { room, at, event } = begun.mark;
    let policy = rooms.edge().policy();
    let rules = &policy.hooks;
    match event {
        Event::Unloaded { seq, why } => {
            let Some(url) = rules.on_unload(&room) else {
                return Ended::Moot;
            };
            let message = Message::unloaded(&room, at, seq, why);
            match tell(rooms.edge(), rules, &room, url, message, begun.tries).await {
                true => Ended::Told,
                false => Ended::Failed,
            }
        }
        Event::Changed(document) => {
            let Some(url) = rules.on_change(&room) else {
                return Ended::Moot;
            };
            match exists(rooms.edge(), &rooms, &room).await {
                Some(true) => {}
                Some(false) => return Ended::Moot,
                None => return Ended::Failed,
            }
            let Ok(held) = rooms.open(&room).await else {
                return Ended::Failed;
            };
            let whole = match take(&held, rules, &document, begun.latest).await {
                Taken::Whole(whole) => *whole,
                Taken::Later(at) => return Ended::Later(at),
                Taken::Nothing => return Ended::Failed,
            };
            let seq = whole.of.seq;
            let content = rules.content(&room);
            let now = rooms.edge().clock.now();
            let message = Message::changed(&room, &document, now, whole, content);
            if !tell(rooms.edge(), rules, &room, url, message, begun.tries).await {
                return Ended::Failed;
            }
            // Whatever the room does not say: the receiver knows the message by its id.
            match ask(&held, HookRequest::Told { document, seq }).await {
                Some(Reply::Told(true)) => Ended::Told,
                _ => Ended::ToldInPart,
            }
        }
    }
}

/// Whether there is such a room: one that was deleted is not made for a hook.
async fn exists(edge: &Edge, rooms: &Rooms, room: &RoomId) -> Option<bool> {
    if rooms.runs(room) {
        return Some(true);
    }
    let filter = ListFilter {
        prefix: room.as_str().to_owned(),
        limit: 1,
        ..ListFilter::default()
    };
    match edge.request_store(StoreRequest::List(filter)).await {
        StoreReply::Rooms(found) => Some(found.first().is_some_and(|meta| meta.room == *room)),
        _ => None,
    }
}

/// What a room gives of a document.
enum Taken {
    Whole(Box<Whole>),
    Later(Millis),
    Nothing,
}

async fn take(room: &RoomRef, rules: &HookRules, document: &str, latest: Millis) -> Taken {
    let content = rules.content(room.id());
    let take = HookRequest::Take {
        document: document.to_owned(),
        quiet_ms: rules.pace(room.id()).quiet_ms,
        latest,
        json: content.json,
        text: content.text,
    };
    match ask(room, take).await {
        Some(Reply::Document(Held::Whole(whole))) => Taken::Whole(whole),
        Some(Reply::Later(at)) => Taken::Later(at),
        Some(Reply::Refused(refuse)) => {
            let code = refuse.code;
            spans::room(room.id()).in_scope(|| tracing::warn!(code, "no content for a hook"));
            Taken::Nothing
        }
        _ => Taken::Nothing,
    }
}

/// The room's answer; `None` when it ended.
async fn ask(room: &RoomRef, request: HookRequest) -> Option<Reply> {
    let caller = Caller {
        user: None,
        origin: "hooks".to_owned(),
    };
    let deadline = Duration::from_millis(REQUEST_DEADLINE_MS);
    let asked = tokio::time::timeout(deadline, async {
        let (answer, answered) = oneshot::channel();
        let mail = Mail::Request(Box::new((caller, Request::Hook(request))), answer);
        room.send(mail).await.ok()?;
        answered.await.ok()
    });
    asked.await.ok()?
}

/// Posts a message; whether the receiver took it.
async fn tell(
    edge: &Edge,
    rules: &HookRules,
    room: &RoomId,
    url: &HookUrl,
    message: Message,
    tries: u32,
) -> bool {
    let call = Call {
        hook: message.hook,
        room,
        url,
        tries,
        more: HeaderMap::new(),
        answer_bytes_max: HOOK_ANSWER_BYTES_MAX,
    };
    let took = |status: StatusCode| status.is_success();
    call.post(edge, rules, &message, took).await.is_some()
}
