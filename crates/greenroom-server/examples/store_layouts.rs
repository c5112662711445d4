//! Compares table layouts for the journal under the load that group commit makes: many rooms, one
//! small row each, one synced transaction. Results and the choice: `docs/store-layouts.md`.
//!
//! ```sh
//! cargo run --release -p greenroom-server --example store_layouts
//! ```
#![expect(clippy::print_stdout, reason = "a bench reports on stdout")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use greenroom_core::store::{Append, MetaChange, NodeId, StoreReply, StoreRequest};
use greenroom_server::store::{DataDirectory, Engine, SqliteStore};
use greenroom_service::RoomId;
use rusqlite::{Connection, params};

const ROOMS: i64 = 1_000;
const ROW_BYTES: usize = 200;
/// Rows before the measurement, so that trees have their depth and rooms their own pages.
const WARM_ROWS: i64 = 100_000;
const ROWS: i64 = 200_000;
/// Pages in the write-ahead log after which they are carried into the database.
const CHECKPOINT_PAGES: u32 = 4_000;
/// Layout `Moved`: bytes of rows after which they move into the clustered table.
const MOVE_BYTES: usize = 16 << 20;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A way to lay the journal out.
#[derive(Clone, Copy, Debug)]
enum Layout {
    /// One table clustered by (room, seq).
    Clustered,
    /// An append-only table and an index on (room, seq).
    Indexed,
    /// One row per commit holding all rooms' rows; nothing ever finds a room's: the lower bound.
    Blob,
    /// As `Blob`, and the rows are also kept in memory, in order; whenever they are many, they move
    /// into a table clustered by (room, seq), all of a room's together.
    Moved,
}

impl Layout {
    const ALL: [Self; 4] = [Self::Clustered, Self::Indexed, Self::Blob, Self::Moved];

    const fn schema(self) -> &'static str {
        match self {
            Self::Clustered => {
                "CREATE TABLE journal(room INTEGER, seq INTEGER, count INTEGER, time INTEGER,
                    data BLOB, PRIMARY KEY(room, seq)) WITHOUT ROWID"
            }
            Self::Indexed => {
                "CREATE TABLE journal(id INTEGER PRIMARY KEY, room INTEGER, seq INTEGER,
                    count INTEGER, time INTEGER, data BLOB);
                 CREATE UNIQUE INDEX journal_room ON journal(room, seq)"
            }
            Self::Blob => "CREATE TABLE journal(id INTEGER PRIMARY KEY, data BLOB)",
            Self::Moved => {
                "CREATE TABLE commits(id INTEGER PRIMARY KEY, data BLOB);
                 CREATE TABLE journal(room INTEGER, seq INTEGER, count INTEGER, time INTEGER,
                    data BLOB, PRIMARY KEY(room, seq)) WITHOUT ROWID"
            }
        }
    }
}

/// What the kernel counted for this process.
#[derive(Clone, Copy, Debug)]
struct Usage {
    cpu_s: f64,
    written: u64,
}

fn usage() -> Outcome<Usage> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // Fields 14 and 15 in ticks of 10 ms; the second field ends at the last parenthesis.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let io = std::fs::read_to_string("/proc/self/io")?;
    let written = io
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(Usage {
        cpu_s: (fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / 100.0,
        written: written.unwrap_or("0").parse()?,
    })
}

fn open(path: &Path, layout: Layout, page_size: u32) -> Outcome<Connection> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "page_size", page_size)?;
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(
        None,
        "wal_autocheckpoint",
        CHECKPOINT_PAGES * 4_096 / page_size,
    )?;
    db.execute_batch(layout.schema())?;
    Ok(db)
}

/// Rows that are not in the clustered table yet, by room and seq.
type Tail = BTreeMap<(i64, i64), Vec<u8>>;

/// Commits one row for each of `rooms`.
fn commit(
    db: &mut Connection,
    tail: &mut Tail,
    layout: Layout,
    n: i64,
    rooms: &[i64],
    row: &[u8],
) -> Outcome<()> {
    let tx = db.transaction()?;
    match layout {
        Layout::Clustered | Layout::Indexed => insert(&tx, rooms.iter().map(|r| (*r, n, row)))?,
        Layout::Blob => {
            tx.prepare_cached("INSERT INTO journal(data) VALUES(?1)")?
                .execute([row.repeat(rooms.len())])?;
        }
        Layout::Moved => {
            tx.prepare_cached("INSERT INTO commits(data) VALUES(?1)")?
                .execute([row.repeat(rooms.len())])?;
            tail.extend(rooms.iter().map(|room| ((*room, n), row.to_vec())));
            if tail.len() * (row.len() + 96) > MOVE_BYTES {
                insert(
                    &tx,
                    tail.iter().map(|((room, n), row)| (*room, *n, &row[..])),
                )?;
                tx.execute("DELETE FROM commits", [])?;
                tail.clear();
            }
        }
    }
    tx.commit()?;
    Ok(())
}

fn insert<'a>(db: &Connection, rows: impl Iterator<Item = (i64, i64, &'a [u8])>) -> Outcome<()> {
    let mut insert = db.prepare_cached(
        "INSERT INTO journal(room, seq, count, time, data) VALUES(?1, ?2, 1, ?3, ?4)",
    )?;
    for (room, n, row) in rows {
        insert.execute(params![room, n, 1_700_000_000_000_i64 + n, row])?;
    }
    Ok(())
}

fn measure(directory: &Path, layout: Layout, page_size: u32, per_commit: i64) -> Outcome<()> {
    let path = directory.join(format!("{layout:?}-{page_size}-{per_commit}.db"));
    let mut db = open(&path, layout, page_size)?;
    // Not compressible, as updates are not; its content does not matter to SQLite.
    let row: Vec<u8> = (0..ROW_BYTES)
        .map(|i| (i as u8).wrapping_mul(167))
        .collect();
    let rooms_of = |n: i64| -> Vec<i64> {
        (0..per_commit)
            .map(|i| (n * per_commit + i) * 7 % ROOMS)
            .collect()
    };
    let mut tail = Tail::new();
    let warm = WARM_ROWS / per_commit;
    for n in 0..warm {
        commit(&mut db, &mut tail, layout, n, &rooms_of(n), &row)?;
    }
    let name = format!("{layout:?} {page_size}");
    report(&name, per_commit, |n| {
        commit(
            &mut db,
            &mut tail,
            layout,
            warm + n,
            &rooms_of(warm + n),
            &row,
        )
    })
}

/// The store that was built on the choice: the same rows as requests, upkeep included.
fn measure_store(directory: &Path, per_commit: i64) -> Outcome<()> {
    let path = directory.join(format!("store-{per_commit}"));
    let mut store = SqliteStore::open(Arc::new(DataDirectory::open(&path)?))?;
    let mut rooms = Vec::new();
    for n in 0..ROOMS {
        let room = RoomId::new(&format!("room-{n}"))?;
        let node = NodeId(1);
        let acquire = StoreRequest::Acquire {
            room: room.clone(),
            node,
        };
        match &store.handle_batch(vec![acquire])[..] {
            [StoreReply::Acquired(acquired)] => rooms.push((room, acquired.lease, 1_u64)),
            other => return Err(format!("{other:?}").into()),
        }
    }
    let data = Bytes::from(vec![0x5a; ROW_BYTES]);
    let mut commit = |n: i64| {
        let mut requests = Vec::new();
        for i in 0..per_commit {
            let (room, lease, seq) = &mut rooms[((n * per_commit + i) * 7 % ROOMS) as usize];
            requests.push(StoreRequest::Append(Append {
                room: room.clone(),
                lease: *lease,
                first_seq: *seq,
                count: 1,
                data: data.clone(),
                next_wake: None,
                meta: MetaChange::default(),
                queue: vec![],
                urgent: true,
                wait_ms: 0,
            }));
            *seq += 1;
        }
        let replies = store.handle_batch(requests);
        store.maintain();
        match replies.into_iter().find(|r| *r != StoreReply::Done) {
            Some(failed) => Err(format!("{failed:?}").into()),
            None => Ok(()),
        }
    };
    let warm = WARM_ROWS / per_commit;
    for n in 0..warm {
        commit(n)?;
    }
    report("SqliteStore", per_commit, |n| commit(warm + n))
}

/// Measures [`ROWS`] rows, committed by `commit`.
fn report(name: &str, per_commit: i64, mut commit: impl FnMut(i64) -> Outcome<()>) -> Outcome<()> {
    let commits = ROWS / per_commit;
    let before = usage()?;
    let start = Instant::now();
    for n in 0..commits {
        commit(n)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let after = usage()?;
    let rows = ROWS as f64;
    let cpu = after.cpu_s - before.cpu_s;
    println!(
        "{name:<14} rows/commit {per_commit:>5}: {:>8.0} rows/s {:>6.2} ms/commit {:>5.2} CPU s {:>6.2} us CPU/row {:>6.0} B written/row",
        rows / seconds,
        seconds * 1e3 / commits as f64,
        cpu,
        cpu * 1e6 / rows,
        (after.written - before.written) as f64 / rows,
    );
    Ok(())
}

fn main() -> Outcome<()> {
    let directory = tempfile::tempdir()?;
    for per_commit in [1_000, 100, 10] {
        for layout in Layout::ALL {
            measure(directory.path(), layout, 4_096, per_commit)?;
        }
        measure(directory.path(), Layout::Clustered, 1_024, per_commit)?;
        measure_store(directory.path(), per_commit)?;
    }
    Ok(())
}
