//! F26: several processes that all want one data directory, killed at any moment. One at a time has
//! it, each with a higher epoch, and what any of them was told is there exactly once.

use std::io::BufRead as _;
use std::path::Path;
use std::process::Child;
use std::sync::mpsc;

use super::child::{DIRECTORY, child, say};
use super::*;

const RIVALS: usize = 4;
const NAME: &str = "a";

/// Takes the directory as soon as it is free, and appends until it is killed.
#[test]
fn as_child_contend() {
    let Some(path) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let mut store = loop {
        match open(Path::new(&path)) {
            Ok(store) => break store,
            Err(OpenError::InUse { .. }) => std::thread::yield_now(),
            Err(error) => {
                say(format!("error {error}"));
                return;
            }
        }
    };
    let acquired = acquire(&mut store, NAME);
    say(format!("owns {}", acquired.lease.epoch));
    for seq in acquired.head + 1.. {
        let reply = one(&mut store, append(NAME, acquired.lease, seq, 300));
        assert_eq!(reply, StoreReply::Done);
        store.maintain();
        say(format!("seq {seq}"));
    }
}

/// What a rival said, and who it is.
struct Said {
    rival: usize,
    word: String,
    number: u64,
}

/// Starts a rival whose lines go to `said`.
fn start(rival: usize, path: &Path, said: &mpsc::Sender<Said>) -> Child {
    let mut child = child("store::rivals::as_child_contend", path, None);
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    let said = said.clone();
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            let Some(line) = line.strip_prefix("say:") else {
                continue;
            };
            let (word, number) = line.split_once(' ').unwrap();
            let number = number.parse().unwrap_or_else(|_| panic!("{line}"));
            let word = word.to_owned();
            // The test may have ended.
            let _ = said.send(Said {
                rival,
                word,
                number,
            });
        }
    });
    child
}

#[test]
fn rivals_that_are_killed_leave_one_dense_journal() {
    let runs: u64 = std::env::var("GREENROOM_RUNS").map_or(10, |runs| runs.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let (sender, said) = mpsc::channel();
    let mut rivals: Vec<_> = (0..RIVALS)
        .map(|rival| start(rival, directory.path(), &sender))
        .collect();
    let (mut epoch, mut told) = (0, 0);
    let mut next = RIVALS;
    // Each owner is killed after another number of appends.
    for kill in 0..runs * 2 {
        let mut owner = None;
        let mut left = kill * 7 % 23;
        let owner = loop {
            let Said {
                rival,
                word,
                number,
            } = said.recv().unwrap();
            if word == "owns" {
                assert!(number > epoch, "epoch {number} after {epoch}");
                (epoch, owner) = (number, Some(rival));
            } else {
                // At most one was written by the owner before and not told.
                assert!(
                    number == told + 1 || number == told + 2,
                    "{number} after {told}"
                );
                assert!(owner.is_none_or(|owner| owner == rival), "two at a time");
                told = number;
                left = left.saturating_sub(1);
            }
            if let Some(owner) = owner.filter(|_| left == 0) {
                break owner;
            }
        };
        let at = owner % RIVALS;
        rivals[at].kill().unwrap();
        rivals[at].wait().unwrap();
        // What it said before it was killed counts, and so does what the next says meanwhile.
        rivals[at] = start(next / RIVALS * RIVALS + at, directory.path(), &sender);
        next += RIVALS;
    }
    for rival in &mut rivals {
        rival.kill().unwrap();
        rival.wait().unwrap();
    }
    drop(sender);
    for last in said {
        if last.word == "seq" {
            told = told.max(last.number);
        }
    }
    let mut store = open(directory.path()).unwrap();
    let lease = acquire(&mut store, NAME).lease;
    assert!(lease.epoch > epoch);
    let found = count_whole(&mut store, NAME);
    assert!(found >= told, "{found} of {told} rows");
    let StoreReply::Rows { rows, .. } = rows(&mut store, NAME) else {
        panic!("the rows cannot be read");
    };
    let epochs: Vec<_> = rows
        .iter()
        .map(|row| {
            decode_row(&row.data, lease.incarnation, row.first_seq)
                .unwrap()
                .epoch
        })
        .collect();
    assert!(epochs.is_sorted(), "{epochs:?}");
    println!("{} owners killed, {told} appends told, all there", runs * 2);
}
