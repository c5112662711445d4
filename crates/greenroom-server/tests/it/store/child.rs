//! Tests that need a second process: this test binary again, told by a variable what to be.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;

/// Names the data directory for a child; a test run without it has nothing to do.
pub(super) const DIRECTORY: &str = "GREENROOM_TEST_DIRECTORY";

pub(super) fn child(test: &str, directory: &Path, wrapper: Option<&str>) -> Child {
    let own = std::env::current_exe().unwrap();
    let mut command = match wrapper {
        None => Command::new(own),
        Some(script) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]).arg(own);
            shell
        }
    };
    command
        .args(["--exact", "--nocapture", test])
        .env(DIRECTORY, directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The lines that the child says; the test harness says others.
fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let output = BufReader::new(child.stdout.take().unwrap());
    output.lines().map_while(|line| {
        let line = line.ok()?;
        Some(line.rsplit("say:").next().unwrap_or_default().to_owned())
    })
}

pub(super) fn say(word: impl std::fmt::Display) {
    let mut output = std::io::stdout().lock();
    // The parent may have gone: then the next write ends this process, which is as well.
    let _ = writeln!(output, "\nsay:{word}");
    let _ = output.flush();
}

#[test]
fn as_child_hold_the_directory() {
    let Some(path) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let _held = DataDirectory::open(Path::new(&path)).unwrap();
    say("held");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

#[test]
fn a_second_process_is_told_who_holds_the_directory() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("data");
    let mut holder = child("store::child::as_child_hold_the_directory", &path, None);
    assert!(lines(&mut holder).any(|line| line == "held"));
    let error = DataDirectory::open(&path).unwrap_err();
    let pid = holder.id();
    assert_eq!(error, OpenError::InUse { pid: Some(pid) });
    assert_eq!(
        error.to_string(),
        format!("data directory is in use by process {pid}")
    );
    assert!(error.hint().starts_with("stop that process"));
    holder.kill().unwrap();
    holder.wait().unwrap();
    DataDirectory::open(&path).unwrap();
}

/// Appends to three rooms and says each seq once all three are answered.
#[test]
fn as_child_append_for_ever() {
    let Some(path) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let mut store = open(Path::new(&path)).unwrap();
    let leases: Vec<_> = ["a", "b", "c"]
        .map(|name| (name, acquire(&mut store, name)))
        .into();
    let first = leases[0].1.head + 1;
    for seq in first.. {
        let rows = leases
            .iter()
            .map(|(name, acquired)| append(name, acquired.lease, seq, 2_000));
        let replies = store.handle_batch(rows.collect());
        if let Some(failed) = replies.iter().find(|reply| **reply != StoreReply::Done) {
            say(format!("failed {failed:?}"));
            let later = one(&mut store, append("a", leases[0].1.lease, seq, 10));
            say(format!("later {later:?}"));
            say(format!(
                "reads {}",
                matches!(rows_of_a(&mut store), StoreReply::Rows { .. })
            ));
            return;
        }
        store.maintain();
        say(seq);
    }
}

fn rows_of_a(store: &mut SqliteStore) -> StoreReply {
    rows(store, "a")
}

#[test]
fn a_killed_process_loses_nothing_that_it_answered() {
    let directory = tempfile::tempdir().unwrap();
    let mut answered = 0;
    for acknowledgements in [1, 2, 7, 30, 100] {
        let mut writer = child(
            "store::child::as_child_append_for_ever",
            directory.path(),
            None,
        );
        let seqs = lines(&mut writer).filter_map(|line| line.parse::<u64>().ok());
        answered = seqs.take(acknowledgements).last().expect("it appends");
        writer.kill().unwrap();
        writer.wait().unwrap();
        let mut store = open(directory.path()).unwrap();
        for name in ["a", "b", "c"] {
            let found = count_whole(&mut store, name);
            assert!(
                found >= answered,
                "room {name} has {found} of {answered} rows"
            );
        }
    }
    assert!(answered >= 140);
}

/// A limit on the size of files makes writes fail with an error that is no full disk: first in the
/// write-ahead log, from which the store moves to a new file, then in that.
#[test]
fn a_failing_write_is_never_answered_as_done() {
    let directory = tempfile::tempdir().unwrap();
    let script = "trap '' XFSZ; ulimit -f 2000; exec \"$0\" \"$@\"";
    let mut writer = child(
        "store::child::as_child_append_for_ever",
        directory.path(),
        Some(script),
    );
    let said: Vec<_> = lines(&mut writer).collect();
    writer.wait().unwrap();
    let has = |start: &str| said.iter().any(|line| line.starts_with(start));
    assert!(has("failed Failed(Io("), "{:?}", said.last());
    assert!(has("later Failed(ReadOnly)"), "{:?}", said.last());
    assert!(has("reads true"), "{:?}", said.last());
    let answered = said
        .iter()
        .filter_map(|line| line.parse::<u64>().ok())
        .max();
    let mut store = open(directory.path()).unwrap();
    for name in ["a", "b", "c"] {
        let found = count_whole(&mut store, name);
        assert!(
            Some(found) >= answered,
            "room {name}: {found} of {answered:?}"
        );
    }
    let is_new = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.unwrap().file_name();
        name.to_string_lossy() != "rooms-1.db" && name.to_string_lossy().ends_with(".db")
    };
    assert!(
        directory.path().read_dir().unwrap().any(is_new),
        "it moved at least once"
    );
}
