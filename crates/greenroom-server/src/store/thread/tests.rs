//! Nobody who asked is left without an answer.

use std::sync::mpsc;

use greenroom_core::store::memory::MemoryStore;
use greenroom_core::store::{Level, NodeId, StoreError, StoreReply, StoreRequest};
use greenroom_service::{Millis, RoomId};

use super::{StoreThread, ThreadLimits};
use crate::meters::Collect as _;
use crate::meters::table;
use crate::store::{Engine, Health};

/// The memory model; it tells how large each batch is and waits to be let into it.
struct Gated {
    model: MemoryStore,
    batches: mpsc::Sender<usize>,
    gate: mpsc::Receiver<()>,
}

impl Engine for Gated {
    fn handle_batch(&mut self, requests: Vec<StoreRequest>) -> Vec<StoreReply> {
        self.batches.send(requests.len()).unwrap();
        self.gate
            .recv()
            .expect("the test ended: panic as a store might");
        self.model.handle_batch(requests)
    }

    fn maintain(&mut self) {}

    fn health(&self) -> Health {
        Health {
            level: Level::Memory,
            read_only: None,
            full: false,
            rooms: 0,
        }
    }
}

struct Bench {
    thread: StoreThread,
    batches: mpsc::Receiver<usize>,
    gate: mpsc::Sender<()>,
    replies: mpsc::Receiver<StoreReply>,
    reply: mpsc::Sender<StoreReply>,
}

impl Bench {
    fn new(limits: &ThreadLimits) -> Self {
        let (told, batches) = mpsc::channel();
        let (gate, waits) = mpsc::channel();
        let (reply, replies) = mpsc::channel();
        let engine = Gated {
            model: MemoryStore::new(1),
            batches: told,
            gate: waits,
        };
        Self {
            thread: StoreThread::spawn(engine, limits).unwrap(),
            batches,
            gate,
            replies,
            reply,
        }
    }

    /// Whether it was taken.
    fn submit(&self, request: StoreRequest) -> bool {
        let reply = self.reply.clone();
        let callback = Box::new(move |answer| reply.send(answer).unwrap());
        self.thread.handle().try_submit(request, callback).is_ok()
    }

    fn is_io(&self) -> bool {
        let reply = self.replies.recv().unwrap();
        matches!(reply, StoreReply::Failed(StoreError::Io(_)))
    }
}

fn due() -> StoreRequest {
    StoreRequest::Due {
        before: Millis(0),
        limit: 1,
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

#[test]
fn what_collects_during_a_commit_is_the_next_one() {
    let bench = Bench::new(&ThreadLimits {
        batch_requests_max: 4,
        ..ThreadLimits::default()
    });
    assert!(bench.submit(due()));
    assert_eq!(bench.batches.recv(), Ok(1));
    for _ in 0..6 {
        assert!(bench.submit(due()));
    }
    for expected in [4, 2] {
        bench.gate.send(()).unwrap();
        assert_eq!(bench.batches.recv(), Ok(expected));
    }
    bench.gate.send(()).unwrap();
    for _ in 0..7 {
        assert_eq!(bench.replies.recv(), Ok(StoreReply::Due(vec![])));
    }
}

#[test]
fn a_full_queue_gives_the_request_back() {
    let bench = Bench::new(&ThreadLimits {
        queue_requests_max: 2,
        ..ThreadLimits::default()
    });
    assert!(bench.submit(due()));
    assert_eq!(bench.batches.recv(), Ok(1));
    assert!(bench.submit(due()));
    assert!(bench.submit(due()));
    assert!(!bench.submit(due()));
    bench.gate.send(()).unwrap();
    bench.gate.send(()).unwrap();
    assert_eq!(bench.batches.recv(), Ok(2));
}

#[test]
fn bytes_in_the_queue_are_bounded_and_a_large_request_goes_alone() {
    let bench = Bench::new(&ThreadLimits {
        queue_bytes_max: 1_000,
        ..ThreadLimits::default()
    });
    let large = || StoreRequest::PutSnapshot {
        room: RoomId::new("a").unwrap(),
        lease: greenroom_core::store::Lease {
            incarnation: 0,
            epoch: 0,
        },
        snapshot: greenroom_core::store::Snapshot {
            part: greenroom_core::store::Part::Service,
            seq: 1,
            data: vec![0; 5_000].into(),
        },
    };
    assert!(bench.submit(large()));
    assert!(!bench.submit(due()));
    bench.gate.send(()).unwrap();
    assert!(bench.replies.recv().is_ok());
}

#[test]
fn a_panic_of_the_store_answers_everybody() {
    let bench = Bench::new(&ThreadLimits::default());
    assert!(bench.submit(due()));
    assert_eq!(bench.batches.recv(), Ok(1));
    assert!(bench.submit(due()));
    let Bench {
        thread,
        gate,
        replies,
        reply,
        batches,
    } = bench;
    drop(gate);
    let is_io = |reply| matches!(reply, Ok(StoreReply::Failed(StoreError::Io(_))));
    assert!(is_io(replies.recv()));
    assert!(is_io(replies.recv()));
    let health = thread.handle().health();
    assert!(health.read_only.is_some());
    thread.handle().read_meters();
    let mut page = String::new();
    table::STORE_POISONED.render(&mut page);
    let shown = "greenroom_store_poisoned{store=\"memory\"} 1\n";
    assert!(page.contains(shown), "{page}");
    let later = thread.handle().clone();
    let sender = reply.clone();
    later
        .try_submit(due(), Box::new(move |answer| sender.send(answer).unwrap()))
        .unwrap();
    assert!(is_io(replies.recv()));
    drop(batches);
}

#[test]
fn a_panic_of_a_receiver_hurts_nobody_else() {
    let bench = Bench::new(&ThreadLimits::default());
    let handle = bench.thread.handle();
    handle
        .try_submit(due(), Box::new(|_| panic!("a receiver's bug")))
        .unwrap();
    assert!(bench.submit(due()));
    bench.gate.send(()).unwrap();
    bench.gate.send(()).unwrap();
    assert_eq!(bench.replies.recv(), Ok(StoreReply::Due(vec![])));
    assert_eq!(handle.health().read_only, None);
}

#[test]
fn stopping_answers_what_came_before_and_fails_what_comes_later() {
    let bench = Bench::new(&ThreadLimits::default());
    assert!(bench.submit(due()));
    bench.gate.send(()).unwrap();
    bench.gate.send(()).unwrap();
    let handle = bench.thread.handle().clone();
    runtime().block_on(async {
        let acquire = StoreRequest::Acquire {
            room: RoomId::new("a").unwrap(),
            node: NodeId(1),
        };
        let acquired = handle.request(acquire).await;
        assert!(matches!(acquired, StoreReply::Acquired(_)));
        bench.thread.stop().await;
        let failed = handle.request(due()).await;
        assert!(matches!(failed, StoreReply::Failed(StoreError::Io(_))));
    });
    assert_eq!(bench.replies.recv(), Ok(StoreReply::Due(vec![])));
}

#[test]
fn a_withdrawn_request_is_answered_too() {
    let bench = Bench::new(&ThreadLimits {
        queue_requests_max: 1,
        ..ThreadLimits::default()
    });
    assert!(bench.submit(due()));
    assert_eq!(bench.batches.recv(), Ok(1));
    assert!(bench.submit(due()));
    let reply = bench.reply.clone();
    let submit = bench
        .thread
        .handle()
        .submit(due(), Box::new(move |answer| reply.send(answer).unwrap()));
    runtime().block_on(async {
        tokio::select! {
            biased;
            () = submit => panic!("the queue is full"),
            () = std::future::ready(()) => {}
        }
    });
    assert!(bench.is_io());
    bench.gate.send(()).unwrap();
    bench.gate.send(()).unwrap();
}
