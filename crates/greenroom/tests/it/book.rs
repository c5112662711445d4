//! The commands of the book and of `README.md` run as they stand there: each page is one session in
//! an empty directory, its blocks one after the other, as somebody who reads it types them.
//!
//! A block of commands is fenced as `sh`. It runs, unless it says what it needs that a test does not
//! have: `sh,root` a system of one's own (systemd, nginx, a container engine), `sh,build` a checkout
//! and minutes, `sh,later` a moment that does not come in a test. Those are held against what there
//! is: our commands, flags and variables, the files and make targets that they name.
//!
//! A server of a page listens on a free port instead of 8080 and goes to the background; a second one
//! ends the first, as if it were typed into the same terminal.

mod examples;
mod page;
mod words;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use page::{Block, blocks};
use tempfile::TempDir;

/// Stands before the commands of a page: one that fails fails the page, and is named.
const PROLOGUE: &str = "set -euo pipefail\ntrap 'echo \"line $LINENO: $BASH_COMMAND\" >&2' ERR\n";

/// What `greenroom` is for a page.
const GREENROOM: &str = include_str!("book/greenroom.sh");
/// What `curl` is for a page.
const CURL: &str = include_str!("book/curl.sh");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The pages with commands, by their path from the root. The page of the command line has those of
/// `--help`, which a test beside it parses.
fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned()];
    let mut folders = vec!["docs".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.file_type().unwrap().is_dir() {
                folders.push(name);
            } else if name.ends_with(".md") && name != "docs/reference/cli.md" {
                pages.push(name);
            }
        }
    }
    pages.sort();
    pages
}

/// The directory in which a page's commands run.
struct Session {
    directory: TempDir,
}

impl Session {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let session = Self { directory };
        for (name, text) in [("greenroom", GREENROOM), ("curl", CURL)] {
            let path = session.path("bin").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for folder in ["here", "state"] {
            fs::create_dir(session.path(folder)).unwrap();
        }
        session
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a page's commands; gives what was printed when they failed.
    fn run(&self, commands: &str) -> Result<(), String> {
        let path = std::env::var("PATH").unwrap_or_default();
        let script = format!("{PROLOGUE}{commands}");
        let mut shell = Command::new("bash");
        shell
            .args(["-c", &script])
            .current_dir(self.path("here"))
            .env_clear()
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("HOME", self.path("here"))
            .env("BOOK_BINARY", env!("CARGO_BIN_EXE_greenroom"))
            .env("BOOK_STATE", self.path("state"))
            .env("BOOK_PATH", path)
            .stdin(Stdio::null());
        let output = shell.output().unwrap();
        if output.status.success() {
            return Ok(());
        }
        let server = fs::read_to_string(self.path("state/said")).unwrap_or_default();
        Err(format!(
            "{}\n{}\n{}\n--- the server\n{server}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        ))
    }
}

impl Drop for Session {
    /// Ends the server that the page left behind.
    fn drop(&mut self) {
        if let Ok(pid) = fs::read_to_string(self.path("state/pid")) {
            let _ = Command::new("kill").args(["-9", pid.trim()]).status();
        }
    }
}

#[test]
fn every_command_runs() {
    let mut failures = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(root().join(&page)).unwrap();
        let blocks = blocks(&text);
        let runs: Vec<&Block> = blocks
            .iter()
            .filter(|block| block.marks.is_empty())
            .collect();
        if runs.is_empty() {
            continue;
        }
        let commands: String = runs.iter().map(|block| &*block.text).collect();
        if let Err(told) = Session::new().run(&commands) {
            failures.push(format!("=== {page}\n{commands}--- came to\n{told}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_command_that_cannot_run_here_names_what_there_is() {
    let known = words::Known::read(&root());
    let mut flaws = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(root().join(&page)).unwrap();
        for block in blocks(&text) {
            for mark in &block.marks {
                if !["root", "build", "later"].contains(&&**mark) {
                    flaws.push(format!(
                        "{page}:{}: nobody knows the mark {mark}",
                        block.line
                    ));
                }
            }
            for flaw in known.flaws(&block.text) {
                flaws.push(format!("{page}:{}: {flaw}", block.line));
            }
        }
    }
    assert_eq!(flaws, Vec::<String>::new());
}
