//! F26: several processes that all want one data directory, killed at any moment. One at a time has
//! it, each with a higher epoch, and what any of them was told is there exactly once.

use std::collections::BTreeMap;
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

/// What an owner said that it did.
#[derive(Default)]
struct Reign {
    epoch: u64,
    seqs: Vec<u64>,
}

/// By rival. Lines of different processes come in any order.
#[derive(Default)]
struct Reigns(BTreeMap<usize, Reign>);

impl Reigns {
    fn add(&mut self, said: &Said) {
        let reign = self.0.entry(said.rival).or_default();
        match said.word.as_str() {
            "owns" => reign.epoch = said.number,
            "seq" => reign.seqs.push(said.number),
            other => panic!("a rival said {other}"),
        }
    }

    /// One after the other, each from where the one before was killed; gives the last epoch and the
    /// last row that was told.
    fn judge(&self) -> (u64, u64) {
        let mut reigns: Vec<_> = self.0.values().collect();
        reigns.sort_by_key(|reign| reign.epoch);
        let (mut epoch, mut told) = (0, 0);
        // Rows that may have been written since and not told: one by each owner.
        let mut untold_max = 0;
        for reign in reigns {
            assert!(reign.epoch > epoch, "epoch {} twice", reign.epoch);
            epoch = reign.epoch;
            for seq in &reign.seqs {
                let next = told + 1..=told + 1 + untold_max;
                assert!(next.contains(seq), "{seq} after {told} in epoch {epoch}");
                (told, untold_max) = (*seq, 0);
            }
            untold_max += 1;
        }
        (epoch, told)
    }
}

#[test]
fn rivals_that_are_killed_leave_one_dense_journal() {
    let runs: usize = std::env::var("GREENROOM_RUNS").map_or(10, |runs| runs.parse().unwrap());
    let kills = runs * 2;
    let directory = tempfile::tempdir().unwrap();
    let (sender, said) = mpsc::channel();
    let mut rivals: Vec<_> = (0..RIVALS)
        .map(|rival| start(rival, directory.path(), &sender))
        .collect();
    let mut running: Vec<_> = (0..RIVALS).collect();
    let mut reigns = Reigns::default();
    for kill in 0..kills {
        // Each owner is killed after another number of appends.
        let wanted = kill * 7 % 23;
        let owner = loop {
            let said = said.recv().unwrap();
            reigns.add(&said);
            let reign = &reigns.0[&said.rival];
            // What a killed one said may come late.
            let is_alive = running[said.rival % RIVALS] == said.rival;
            if is_alive && reign.epoch > 0 && reign.seqs.len() >= wanted {
                break said.rival;
            }
        };
        let place = owner % RIVALS;
        rivals[place].kill().unwrap();
        rivals[place].wait().unwrap();
        running[place] = owner + RIVALS;
        rivals[place] = start(running[place], directory.path(), &sender);
    }
    for rival in &mut rivals {
        rival.kill().unwrap();
        rival.wait().unwrap();
    }
    drop(sender);
    said.iter().for_each(|said| reigns.add(&said));
    let (epoch, told) = reigns.judge();
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
            let decoded = decode_row(&row.data, lease.incarnation, row.first_seq);
            decoded.unwrap().epoch
        })
        .collect();
    assert!(epochs.is_sorted(), "{epochs:?}");
    println!("{kills} owners killed, {told} appends told, all there");
}
