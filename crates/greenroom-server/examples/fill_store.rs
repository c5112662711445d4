//! Fills a data directory with rooms that nobody is in, each with a text in its journal, to measure
//! how a server starts on many. Results: `docs/faults.md`.
//!
//! ```sh
//! cargo run --release -p greenroom-server --example fill_store -- DIRECTORY [ROOMS] [BYTES_EACH]
//! ```
#![expect(clippy::print_stdout, reason = "it reports on stdout")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use greenroom_core::protocol::lib0::{put_var_bytes, put_var_uint};
use greenroom_core::store::envelope::{Record, RecordKind, encode_row};
use greenroom_core::store::{Append, Lease, MetaChange, NodeId, StoreReply, StoreRequest};
use greenroom_server::store::{DataDirectory, Engine, SqliteStore};
use greenroom_service::{Millis, RoomId};

/// One edit: a pasted paragraph.
const EDIT_BYTES: usize = 1_000;
/// Edits in a row: what a busy room commits at a time.
const ROW_EDITS: u64 = 10;
/// Rooms in one transaction.
const BATCH_ROOMS: usize = 200;
/// The author of every text.
const AUTHOR: u64 = 7;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut words = std::env::args().skip(1);
    let directory = words.next().ok_or("name a directory")?;
    let mut number = |default: u64| words.next().map_or(Ok(default), |word| word.parse::<u64>());
    let (rooms, bytes_each) = (number(10_000)?, number(100_000)?);
    let started = Instant::now();
    let directory = Arc::new(DataDirectory::open(Path::new(&directory))?);
    let mut store = SqliteStore::open(directory)?;
    let names = (0..rooms).map(|n| RoomId::new(&format!("room-{n}")));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    let rows = bytes_each.div_ceil(EDIT_BYTES as u64 * ROW_EDITS);
    for some in names.chunks(BATCH_ROOMS) {
        let leases = acquire(&mut store, some)?;
        // Rows of many rooms in turn, as they come from rooms that are edited at a time.
        for row in 0..rows {
            let appends = some.iter().zip(&leases);
            let batch = appends.map(|(room, lease)| append(room, *lease, row * ROW_EDITS + 1));
            for reply in store.handle_batch(batch.collect()) {
                if reply != StoreReply::Done {
                    return Err(format!("an append was answered with {reply:?}").into());
                }
            }
            store.maintain();
        }
    }
    println!(
        "{rooms} rooms with {rows} rows of {ROW_EDITS} edits of {EDIT_BYTES} bytes in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

fn acquire(store: &mut SqliteStore, rooms: &[RoomId]) -> Outcome<Vec<Lease>> {
    let node = NodeId(1);
    let requests = rooms.iter().map(|room| StoreRequest::Acquire {
        room: room.clone(),
        node,
    });
    let replies = store.handle_batch(requests.collect());
    let lease = |reply| match reply {
        StoreReply::Acquired(acquired) => Ok(acquired.lease),
        other => Err(format!("a lease was answered with {other:?}").into()),
    };
    replies.into_iter().map(lease).collect()
}

fn append(room: &RoomId, lease: Lease, first_seq: u64) -> StoreRequest {
    let now = Millis(1_700_000_000_000 + first_seq);
    let seqs = first_seq..first_seq + ROW_EDITS;
    let records: Vec<_> = seqs
        .map(|seq| Record {
            kind: RecordKind::Document,
            data: edit(seq),
        })
        .collect();
    StoreRequest::Append(Append {
        room: room.clone(),
        lease,
        first_seq,
        count: ROW_EDITS,
        data: encode_row(lease.incarnation, lease.epoch, first_seq, now, &records),
        next_wake: None,
        meta: MetaChange {
            kind: (first_seq == 1).then(|| "collab".into()),
            now,
            ..MetaChange::default()
        },
        queue: vec![],
        urgent: false,
        wait_ms: 0,
    })
}

/// The record of an edit of the default document: text behind what the edits before it wrote.
fn edit(seq: u64) -> Bytes {
    let clock = (seq - 1) * EDIT_BYTES as u64;
    let mut update = BytesMut::new();
    put_var_bytes(&mut update, b"");
    for number in [1, 1, AUTHOR, clock] {
        put_var_uint(&mut update, number);
    }
    if clock == 0 {
        // A string, in the type of the document that has this name.
        update.put_u8(4);
        put_var_uint(&mut update, 1);
        put_var_bytes(&mut update, b"text");
    } else {
        // A string behind another.
        update.put_u8(4 | 0x80);
        put_var_uint(&mut update, AUTHOR);
        put_var_uint(&mut update, clock - 1);
    }
    let text = [b'a' + (seq % 26) as u8; EDIT_BYTES];
    put_var_bytes(&mut update, &text);
    put_var_uint(&mut update, 0);
    update.freeze()
}
