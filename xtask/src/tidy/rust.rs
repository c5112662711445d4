//! Rules about source files: sizes, switched-off tests, stubs, sleeps, what the core must not
//! touch, words.

use super::source::{self, has_word};
use super::{File, Finding};

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
/// The only place where IO meets a room stays small enough to be read in one go.
const ROOM_TASK_LINES_MAX: usize = 199;
const ROOM_TASK: &str = "crates/greenroom-server/src/room_task.rs";

/// The crates that do no IO and give the same run twice.
const SANS_IO: [&str; 3] = [
    "crates/greenroom-service/",
    "crates/greenroom-state/",
    "crates/greenroom-core/",
];

/// What makes two runs of the core differ.
const NOT_IN_THE_CORE: [(&str, &str); 7] = [
    ("Instant::now", "time comes in through arguments"),
    ("SystemTime::now", "time comes in through arguments"),
    ("thread::spawn", "the core spawns nothing; emit an output"),
    ("rand::rng", "randomness comes in through arguments"),
    ("Uuid::new_v4", "ids come in through arguments"),
    ("thread_local!", "state belongs to the instance"),
    ("static mut", "state belongs to the instance"),
];

/// Words that DESIGN.md section 1 has another word for and that have no other meaning here.
const OTHER_WORDS: [(&str, &str); 4] = [
    ("channel", "Room"),
    ("packet", "Frame"),
    ("plugin", "Service"),
    ("master", "Lease"),
];

/// Checks one file by what its name says it is.
pub(super) fn check(file: &File) -> Vec<Finding> {
    // The bare write loop that everything is measured against stands as it was given.
    if file.path.starts_with("benches/floor/") {
        return Vec::new();
    }
    let extension = file
        .path
        .rsplit_once('.')
        .map_or("", |(_, extension)| extension);
    match extension {
        "rs" => check_rust(file),
        "ts" | "tsx" | "js" | "jsx" | "mjs" => {
            let mut findings = check_script(file);
            findings.extend(check_length(file, file.text.lines().count()));
            findings
        }
        "py" => {
            let mut findings = check_todos(file, &file.text);
            findings.extend(check_length(file, file.text.lines().count()));
            findings
        }
        "sh" | "toml" | "yml" | "yaml" => check_todos(file, &file.text),
        _ => Vec::new(),
    }
}

/// Whether a whole file is tests by its place or name.
fn is_test_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.starts_with("tests/")
        || path.contains("/tests/")
        || name == "tests.rs"
        || name.contains(".test.")
        || name.contains(".spec.")
        || name.starts_with("test_")
}

fn check_rust(file: &File) -> Vec<Finding> {
    let split = source::split(&file.text);
    let tests = if is_test_file(&file.path) {
        vec![true; split.code.lines().count()]
    } else {
        source::test_lines(&split.code)
    };
    let mut findings = check_todos(file, &split.comments);
    findings.extend(check_length(
        file,
        tests.iter().filter(|test| !**test).count(),
    ));
    findings.extend(check_functions(file, &split.code, &tests));
    for (at, (line, &test)) in split.code.lines().zip(&tests).enumerate() {
        let broken = [
            check_stub(line),
            check_sleep(line, test),
            check_sans_io(&file.path, line, test),
            check_words(&file.path, line),
        ];
        for (what, mend) in broken.into_iter().flatten() {
            findings.push(Finding::new(&file.path, at + 1, what, mend));
        }
    }
    findings
}

/// What is wrong and how to mend it.
type Broken = Option<(String, String)>;

fn broken(what: impl Into<String>, mend: impl Into<String>) -> Broken {
    Some((what.into(), mend.into()))
}

fn check_length(file: &File, lines: usize) -> Option<Finding> {
    let (limit, mend) = if file.path == ROOM_TASK {
        (ROOM_TASK_LINES_MAX, "decide in the core or at another edge")
    } else {
        (FILE_LINES_MAX, "split it by what its parts are about")
    };
    let what = format!("{lines} lines without tests, {limit} allowed");
    let exempt = is_test_file(&file.path) && !file.path.ends_with(".rs");
    (lines > limit && !exempt).then(|| Finding::new(&file.path, 1, what, mend))
}

fn check_functions(file: &File, code: &str, tests: &[bool]) -> Vec<Finding> {
    source::functions(code)
        .into_iter()
        .filter(|function| function.lines > FUNCTION_LINES_MAX && !tests[function.line - 1])
        .map(|function| {
            let what = format!(
                "fn {} has {} lines, {FUNCTION_LINES_MAX} allowed",
                function.name, function.lines
            );
            Finding::new(
                &file.path,
                function.line,
                what,
                "move straight work into helpers",
            )
        })
        .collect()
}

/// A stub or a switched-off test.
fn check_stub(code: &str) -> Broken {
    for stub in ["todo!", "unimplemented!"] {
        if has_word(code, stub) {
            return broken(stub, "write it, or leave the path out");
        }
    }
    let ignored =
        code.contains("#[ignore") || code.contains("cfg_attr") && has_word(code, "ignore");
    if ignored {
        return broken(
            "a switched-off test",
            "assert today's behaviour with a note",
        );
    }
    None
}

fn check_sleep(code: &str, test: bool) -> Broken {
    let sleeps = has_word(code, "thread::sleep")
        || has_word(code, "time::sleep")
        || code.contains("time::{") && has_word(code, "sleep");
    if test && sleeps {
        return broken(
            "a sleep in a test",
            "wait for the event, or use virtual time",
        );
    }
    None
}

fn check_sans_io(path: &str, code: &str, test: bool) -> Broken {
    if !SANS_IO.iter().any(|folder| path.starts_with(folder)) {
        return None;
    }
    if code.contains("collections::") {
        for (unordered, ordered) in [("HashMap", "BTreeMap"), ("HashSet", "BTreeSet")] {
            if has_word(code, unordered) {
                return broken(
                    format!("std {unordered}, whose order differs between runs"),
                    format!("use {ordered}"),
                );
            }
        }
    }
    if test {
        return None;
    }
    NOT_IN_THE_CORE
        .iter()
        .find(|(name, _)| has_word(code, name))
        .and_then(|(name, mend)| broken(format!("{name} in a sans-IO crate"), *mend))
}

/// A public name that uses another word than DESIGN.md.
fn check_words(path: &str, code: &str) -> Broken {
    // The names of other protocols stay theirs inside their codecs.
    if path.contains("/protocol/") {
        return None;
    }
    let name = public_name(code)?;
    let words = words(name);
    OTHER_WORDS
        .iter()
        .find(|(word, _)| words.iter().any(|w| w == word))
        .and_then(|(word, ours)| {
            broken(
                format!("the public name {name} says {word}"),
                format!("say {ours}, or be exact"),
            )
        })
}

/// The name that a line makes public, if any.
fn public_name(code: &str) -> Option<&str> {
    let mut words = code.trim_start().strip_prefix("pub ")?.split_whitespace();
    let item = words.find(|word| !["async", "const", "unsafe"].contains(word))?;
    let is_item = ["fn", "struct", "enum", "trait", "type", "mod"].contains(&item);
    let rest = if is_item { words.next()? } else { item };
    rest.split(|c: char| !source::is_word(c)).next()
}

/// The words of an identifier in lower case: `OutboxBytes` and `outbox_bytes` give the same.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in name.chars() {
        if c == '_' || c.is_uppercase() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c != '_') {
            word.extend(c.to_lowercase());
        }
    }
    words
}

/// A reminder without an issue number in comments.
fn check_todos(file: &File, comments: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in comments.lines().enumerate() {
        let marked = ["TODO", "FIXME", "XXX"]
            .into_iter()
            .find(|mark| has_word(line, mark));
        if let Some(mark) = marked.filter(|_| !has_issue_number(line)) {
            let what = format!("{mark} without an issue number");
            findings.push(Finding::new(
                &file.path,
                at + 1,
                what,
                "do it, or name the issue as #N",
            ));
        }
    }
    findings
}

fn has_issue_number(line: &str) -> bool {
    line.split('#')
        .skip(1)
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn check_script(file: &File) -> Vec<Finding> {
    // Without a lexer for scripts: a line with a comment counts as one.
    let commented: String = file
        .text
        .lines()
        .map(|line| {
            let comment = ["//", "/*"].iter().filter_map(|mark| line.find(mark)).min();
            let inside = line.trim_start().starts_with('*').then_some(0);
            comment
                .or(inside)
                .map_or("\n".to_owned(), |at| format!("{}\n", &line[at..]))
        })
        .collect();
    let mut findings = check_todos(file, &commented);
    if !is_test_file(&file.path) {
        return findings;
    }
    for (at, line) in file.text.lines().enumerate() {
        let switched_off = ["it", "test", "describe"].iter().any(|call| {
            [".skip(", ".only("]
                .iter()
                .any(|off| has_word(line, &format!("{call}{off}")))
        });
        if switched_off {
            let mend = "assert today's behaviour with a note";
            findings.push(Finding::new(
                &file.path,
                at + 1,
                "a switched-off test",
                mend,
            ));
        }
        if line.contains("waitForTimeout") {
            let mend = "wait for what should appear";
            findings.push(Finding::new(&file.path, at + 1, "a sleep in a test", mend));
        }
    }
    findings
}
