//! F4 and F5: files that are cut and bytes that are flipped. Whatever was acknowledged is there, or
//! is told to be lost, or its room is refused; and that a room exists is never forgotten.
//!
//! A few places in `make test`, each of them in `make soak` (`GREENROOM_RUNS=1000`).

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use greenroom_core::store::{Lease, NodeId, Part, Snapshot, StoreReply, StoreRequest};
use greenroom_server::store::{Engine, Loss, OpenError, SqliteStore};
use tempfile::TempDir;

use super::{append, copy_files, is_whole, one, open, room, rows};

const ROOMS: [&str; 5] = ["a", "b", "c", "d", "e"];
const SEQS: u64 = 60;

/// What each room was told, in the files that a kill leaves or an orderly end.
struct Filled {
    directory: TempDir,
    incarnations: BTreeMap<&'static str, u128>,
    /// The last seq of each room.
    seqs: u64,
}

impl Filled {
    /// 300 commits, as they are in the log.
    fn killed() -> Self {
        let (live, _store, incarnations) = Self::fill();
        let directory = tempfile::tempdir().unwrap();
        copy_files(live.path(), directory.path());
        Self {
            directory,
            incarnations,
            seqs: SEQS,
        }
    }

    /// As a kill leaves them right after the log was carried over into the database: it is still
    /// there, and a start reads it again.
    fn carried_over() -> Self {
        let live = tempfile::tempdir().unwrap();
        let mut store = open(live.path()).unwrap();
        let leases: Vec<_> = ROOMS
            .iter()
            .map(|name| super::acquire(&mut store, name).lease)
            .collect();
        let length = || live.path().join(FILE).metadata().unwrap().len();
        let before = length();
        let mut seqs = 0;
        while length() == before {
            seqs += 1;
            let rows = ROOMS.iter().zip(&leases);
            let rows = rows.map(|(name, lease)| append(name, *lease, seqs, 20_000));
            for reply in store.handle_batch(rows.collect()) {
                assert_eq!(reply, StoreReply::Done);
            }
            store.maintain();
            if seqs % 10 == 0 {
                let puts = ROOMS.iter().zip(&leases);
                let puts = puts.map(|(name, lease)| snapshot(name, *lease, seqs));
                store.handle_batch(puts.collect());
                store.maintain();
            }
        }
        let directory = tempfile::tempdir().unwrap();
        copy_files(live.path(), directory.path());
        let incarnations = leases.iter().map(|lease| lease.incarnation);
        Self {
            directory,
            incarnations: ROOMS.into_iter().zip(incarnations).collect(),
            seqs,
        }
    }

    fn stopped() -> Self {
        let (directory, store, incarnations) = Self::fill();
        drop(store);
        Self {
            directory,
            incarnations,
            seqs: SEQS,
        }
    }

    fn fill() -> (TempDir, SqliteStore, BTreeMap<&'static str, u128>) {
        let directory = tempfile::tempdir().unwrap();
        let mut store = open(directory.path()).unwrap();
        let leases: Vec<_> = ROOMS
            .iter()
            .map(|name| super::acquire(&mut store, name).lease)
            .collect();
        for seq in 1..=SEQS {
            for (name, lease) in ROOMS.iter().zip(&leases) {
                let size = 50 + (seq as usize * 37) % 900;
                let reply = one(&mut store, append(name, *lease, seq, size));
                assert_eq!(reply, StoreReply::Done);
                store.maintain();
            }
        }
        let incarnations = leases.iter().map(|lease| lease.incarnation);
        let incarnations = ROOMS.into_iter().zip(incarnations).collect();
        (directory, store, incarnations)
    }

    fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.directory.path().join(name)).unwrap()
    }

    /// A copy in which one file is another.
    fn with(&self, name: &str, bytes: &[u8]) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        copy_files(self.directory.path(), directory.path());
        std::fs::write(directory.path().join(name), bytes).unwrap();
        directory
    }

    /// Opens it twice: what was lost is told once, and what was kept stays.
    fn judge(&self, path: &Path, what: &str) -> Result<Verdict, OpenError> {
        let mut store = open(path)?;
        let loss = store.loss().cloned();
        let verdict = self.look(&mut store, loss.unwrap_or_default(), what);
        drop(store);
        let mut store = open(path)?;
        assert_eq!(store.loss(), None, "{what}: told twice");
        let again = self.look(&mut store, verdict.loss.clone(), what);
        assert_eq!(again.whole, verdict.whole, "{what}: another look");
        Ok(verdict)
    }

    fn look(&self, store: &mut SqliteStore, loss: Loss, what: &str) -> Verdict {
        let mut verdict = Verdict {
            loss,
            whole: 0,
            refused: 0,
        };
        for (name, incarnation) in &self.incarnations {
            match self.room(store, name, *incarnation, what) {
                None => verdict.refused += 1,
                Some(head) if head == self.seqs => verdict.whole += 1,
                // A room that misses some is named, or a commit is missing that named nobody.
                Some(head) => assert!(
                    verdict.loss.commits > 0
                        || verdict
                            .loss
                            .rooms
                            .contains(&(room(name), head + 1, self.seqs)),
                    "{what}: {name} ends at {head}, told: {:?}",
                    verdict.loss
                ),
            }
        }
        verdict
    }

    /// How far the room goes; `None` when it is refused, or misses what it should have.
    fn room(
        &self,
        store: &mut SqliteStore,
        name: &str,
        incarnation: u128,
        what: &str,
    ) -> Option<u64> {
        let request = StoreRequest::Acquire {
            room: room(name),
            node: NodeId(1),
        };
        let StoreReply::Acquired(acquired) = one(store, request) else {
            return None;
        };
        if acquired.lease.incarnation != incarnation {
            // Only a commit that is told to be lost may have held all of it.
            assert!(acquired.meta.is_some(), "{what}: {name} looks new");
            return None;
        }
        let StoreReply::Rows { rows, more: false } = rows(store, name) else {
            return None;
        };
        let whole = rows.iter().zip(1..);
        let whole = whole.take_while(|(row, seq)| is_whole(row, incarnation, *seq));
        let head = whole.count() as u64;
        // What the room finds when it loads: rows that do not lead to its head.
        (head == acquired.head).then_some(head)
    }
}

struct Verdict {
    loss: Loss,
    /// Rooms that have everything.
    whole: usize,
    /// Rooms that are refused, or refuse themselves.
    refused: usize,
}

/// One in `share` of them in `make test`, each in `make soak`.
fn some(all: usize, share: usize) -> impl Iterator<Item = usize> {
    let step = match runs() {
        1_000.. => 1,
        runs => (share * 10 / runs).max(1),
    };
    (0..all).step_by(step)
}

fn runs() -> usize {
    std::env::var("GREENROOM_RUNS").map_or(10, |runs| runs.parse().unwrap())
}

fn snapshot(name: &str, lease: Lease, seq: u64) -> StoreRequest {
    StoreRequest::PutSnapshot {
        room: room(name),
        lease,
        snapshot: Snapshot {
            part: Part::Service,
            seq,
            data: Bytes::from(vec![seq as u8; 30_000]),
        },
    }
}

const LOG: &str = "rooms-1.db-wal";
const FILE: &str = "rooms-1.db";

#[test]
fn a_log_that_is_cut_tells_what_it_lost() {
    let filled = Filled::killed();
    let log = filled.file(LOG);
    // The last three records and more: two or three pages each.
    let window = 9 * (4_096 + 24);
    for cut in some(window, 5_003) {
        let what = format!("cut by {cut}");
        let directory = filled.with(LOG, &log[..log.len() - cut]);
        let verdict = filled.judge(directory.path(), &what).unwrap();
        assert_eq!(verdict.refused, 0, "{what}");
        assert_eq!(
            cut == 0,
            verdict.loss == Loss::default() && verdict.whole == 5,
            "{what}"
        );
    }
    // All of it.
    let directory = filled.with(LOG, b"");
    let store = open(directory.path()).unwrap();
    assert_eq!(store.loss().unwrap().commits, 300);
}

/// A log without damage that ends within a commit which nobody was told of.
#[test]
fn what_was_not_acknowledged_is_not_missed() {
    let filled = Filled::killed();
    let mut log = filled.file(LOG);
    log.extend(vec![7; 5_000]);
    let directory = filled.with(LOG, &log);
    let verdict = filled.judge(directory.path(), "torn").unwrap();
    assert_eq!((verdict.loss, verdict.whole), (Loss::default(), 5));
}

#[test]
fn a_flipped_bit_in_the_log_costs_at_most_its_page() {
    let filled = Filled::killed();
    let log = filled.file(LOG);
    // The header and the first page, a window of 4 KiB in the middle, and here and there.
    let middle = log.len() / 2 * 8;
    let places = some(32 * 8, 61)
        .chain(some(4_120, 1_997).map(|byte| 32 * 8 + byte * 9))
        .chain(some(4_096 * 8, 7_001).map(|bit| middle + bit))
        .chain(some(log.len() / 1_009 * 8, 1_301).map(|at| at * 1_009));
    let (mut flips, mut found_all, mut lost_most) = (0, 0, 0);
    for bit in places {
        let what = format!("bit {bit}");
        let mut damaged = log.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let directory = filled.with(LOG, &damaged);
        let verdict = filled.judge(directory.path(), &what).expect(&what);
        assert_eq!(verdict.refused, 0, "{what}");
        // Those of one page, where it was the last to say where they are.
        assert!(verdict.loss.commits <= 20, "{what}: {:?}", verdict.loss);
        lost_most = lost_most.max(verdict.loss.commits);
        flips += 1;
        found_all += usize::from(verdict.whole == 5);
    }
    println!(
        "{flips} bits flipped in the log: {found_all} times everything was found, at most \
         {lost_most} commits of 300 lost, each told"
    );
}

/// The bit that says which words the sums of a log are made of: without it, no frame holds.
#[test]
fn the_order_of_bytes_is_found_out_when_the_log_says_another() {
    let filled = Filled::killed();
    let mut log = filled.file(LOG);
    log[3] ^= 1;
    let directory = filled.with(LOG, &log);
    let verdict = filled.judge(directory.path(), "order").unwrap();
    assert_eq!((verdict.loss.commits, verdict.whole), (0, 5));
}

/// A start carries the log over again, up to the damage: what is newer in the database and set back
/// by that is found behind the damage, or told to be lost.
#[test]
fn damage_to_a_log_that_was_carried_over_is_told() {
    let filled = Filled::carried_over();
    let log = filled.file(LOG);
    let frames = (log.len() - 32) / 4_120;
    let places = (runs() * 3 / 10).clamp(3, 60);
    let (mut kept_most, mut partly) = (0, 0);
    for frame in (0..frames).step_by(frames / places) {
        let what = format!("frame {frame} of {frames}");
        let mut damaged = log.clone();
        damaged[32 + frame * 4_120 + 2_000] ^= 1;
        let directory = filled.with(LOG, &damaged);
        let verdict = filled.judge(directory.path(), &what).expect(&what);
        // The database has all of it; that is not looked at yet where the log has less.
        let lost = verdict.loss.commits;
        assert!(
            lost <= 1 && verdict.refused == 0,
            "{what}: {:?}",
            verdict.loss
        );
        if lost == 0 {
            assert!(verdict.whole >= 4, "{what}: {:?}", verdict.loss);
        }
        partly += usize::from(verdict.whole < 5);
        kept_most = kept_most.max(verdict.loss.rows_kept);
    }
    println!(
        "{places} places: {partly} times something was lost and told, up to {kept_most} rows found \
         behind the damage"
    );
}

#[test]
fn a_flipped_bit_in_the_database_stops_no_other_room() {
    let filled = Filled::stopped();
    let file = filled.file(FILE);
    let (mut flips, mut unopened, mut refused, mut several) = (0, 0, 0, 0);
    for at in some(file.len() / 7, 1_499).map(|at| at * 7) {
        let what = format!("byte {at}");
        let mut damaged = file.clone();
        damaged[at] ^= 1 << (at % 8);
        let directory = filled.with(FILE, &damaged);
        flips += 1;
        match filled.judge(directory.path(), &what) {
            // What describes the whole database: its header, its tables, its epoch.
            Err(_) => unopened += 1,
            Ok(verdict) => {
                refused += verdict.refused;
                several += usize::from(verdict.refused > 1);
            }
        }
    }
    println!(
        "{flips} bits flipped in the database: {unopened} not opened, {refused} rooms refused, \
         {several} times more than one"
    );
}
