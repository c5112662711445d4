//! Measures what is promised of versions: a list of 10,000, and a restore of a document of 1 MB.
//! Results: `docs/performance.md`.
//!
//! ```sh
//! cargo run --release -p greenroom-server --example versions -- DIRECTORY
//! ```
#![expect(clippy::print_stdout, reason = "it reports on stdout")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use greenroom_core::collab::doc::ask::{Ask, Edit, Outcome, TextEdit};
use greenroom_core::collab::doc::engine::Engine;
use greenroom_core::store::envelope::{Record, RecordKind, encode_row, seal_snapshot};
use greenroom_core::store::{
    Append, Lease, MetaChange, NodeId, StoreReply, StoreRequest, Version, VersionId, VersionKind,
    VersionMeta, VersionsKept,
};
use greenroom_server::store::{DataDirectory, Engine as _, SqliteStore};
use greenroom_service::{Millis, RoomId};

const VERSIONS: u64 = 10_000;
const VERSION_BYTES: usize = 10_000;
const DOCUMENT_BYTES: usize = 1 << 20;
/// How much is pasted at a time.
const PASTE_BYTES: usize = 200;
/// Each figure is the median of so many.
const TIMES: usize = 21;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let directory = std::env::args().nth(1).ok_or("name a directory")?;
    lists(Path::new(&directory))?;
    restores()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1_000.0
}

fn lists(directory: &Path) -> Result<()> {
    let directory = Arc::new(DataDirectory::open(directory)?);
    let mut store = SqliteStore::open(directory)?;
    let room = RoomId::new("room")?;
    let lease = begin(&mut store, &room)?;
    let started = Instant::now();
    for first in (1..=VERSIONS).step_by(100) {
        let puts = (first..first + 100).map(|id| put(&room, lease, id));
        for reply in store.handle_batch(puts.collect()) {
            if reply != StoreReply::Done {
                return Err(format!("a version was answered with {reply:?}").into());
            }
        }
    }
    println!(
        "{VERSIONS} versions of {VERSION_BYTES} bytes kept in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    for limit in [100, VERSIONS as usize] {
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let list = StoreRequest::Versions {
                room: room.clone(),
                document: String::new(),
                before: None,
                limit,
            };
            let started = Instant::now();
            let replies = store.handle_batch(vec![list]);
            times.push(started.elapsed());
            match &replies[..] {
                [StoreReply::Versions(versions)] if versions.len() == limit => {}
                _ => return Err("not all versions are listed".into()),
            }
        }
        println!(
            "the newest {limit} of them listed in {:.1} ms",
            median(times)
        );
    }
    Ok(())
}

fn begin(store: &mut SqliteStore, room: &RoomId) -> Result<Lease> {
    let acquire = StoreRequest::Acquire {
        room: room.clone(),
        node: NodeId(1),
    };
    let replies = store.handle_batch(vec![acquire]);
    let [StoreReply::Acquired(acquired)] = &replies[..] else {
        return Err("the room is not to be had".into());
    };
    let lease = acquired.lease;
    let record = Record {
        kind: RecordKind::Saved,
        data: Bytes::from_static(b"x"),
    };
    let append = Append {
        room: room.clone(),
        lease,
        first_seq: 1,
        count: 1,
        data: encode_row(lease.incarnation, lease.epoch, 1, Millis(1), &[record]),
        next_wake: None,
        meta: MetaChange::default(),
        queue: Vec::new(),
        urgent: true,
        wait_ms: 0,
    };
    store.handle_batch(vec![StoreRequest::Append(append)]);
    Ok(lease)
}

fn put(room: &RoomId, lease: Lease, id: u64) -> StoreRequest {
    let meta = VersionMeta {
        id: VersionId(id),
        seq: 1,
        kind: VersionKind::Named,
        label: format!("version {id}"),
        user: "ada".into(),
        expires: None,
        bytes: VERSION_BYTES as u64,
    };
    StoreRequest::PutVersion {
        room: room.clone(),
        lease,
        document: String::new(),
        version: Version {
            meta,
            data: seal_snapshot(lease.incarnation, 1, &[7; VERSION_BYTES]),
        },
        kept: VersionsKept {
            named_max: VERSIONS,
            automatic_max: 100,
        },
    }
}

/// Pastes at places that are spread over the text, as `client`.
fn edited(state: &Bytes, client: u64, pastes: usize, delete: u32) -> Result<Bytes> {
    let mut engine = Engine::new(client);
    if !state.is_empty() {
        engine.apply([state]).map_err(|(_, error)| error)?;
    }
    let mut length = if state.is_empty() { 0 } else { DOCUMENT_BYTES };
    for n in 0..pastes {
        let at = (n * 7_919 * PASTE_BYTES) % (length / 2 + 1);
        let edit = TextEdit {
            at: at as u32,
            delete: if length > at + delete as usize {
                delete
            } else {
                0
            },
            insert: "words and ".repeat(PASTE_BYTES / 10),
        };
        length += PASTE_BYTES - edit.delete as usize;
        let ask = Ask::Edit(Some("body".into()), Edit::Text(vec![edit]));
        engine.answer(&ask).map_err(|refuse| refuse.reason)?;
    }
    Ok(engine.encode())
}

fn restores() -> Result<()> {
    let then = edited(&Bytes::new(), 1, DOCUMENT_BYTES / PASTE_BYTES, 0)?;
    println!(
        "a document of {} bytes, {} of them text",
        then.len(),
        DOCUMENT_BYTES
    );
    for (what, pastes, delete) in [("1 %", 52, 200), ("half of it", 2_600, 200)] {
        let now = edited(&then, 2, pastes, delete)?;
        let (mut cold, mut warm) = (Vec::new(), Vec::new());
        for _ in 0..TIMES {
            let started = Instant::now();
            let mut engine = Engine::new(3);
            engine.apply([&now]).map_err(|(_, error)| error)?;
            let built = started.elapsed();
            let outcome = engine.answer(&Ask::Restore(then.clone()));
            cold.push(started.elapsed());
            warm.push(started.elapsed() - built);
            if !matches!(outcome, Ok(Outcome::Restore(Some(_)))) {
                return Err("nothing was restored".into());
            }
        }
        println!(
            "{what} changed since: restored in {:.1} ms, with the document built first {:.1} ms",
            median(warm),
            median(cold)
        );
    }
    Ok(())
}
