//! Nothing in the repository may name the machine it was written on or the mirror it was built
//! from: it would be wrong everywhere else.

use std::path::Path;

use super::{File, Finding};

/// Written in pieces, so that this file is not found by its own rule.
const REGISTRY_HOSTS: [&str; 6] = [
    concat!("registry", ".npmjs"),
    concat!("registry", ".yarnpkg"),
    concat!("static", ".crates.io"),
    concat!("index", ".crates.io"),
    concat!("files.python", "hosted"),
    concat!("deb.deb", "ian.org"),
];
const HOMES: [&str; 3] = [
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/ro", "ot/"),
];
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The absolute paths of this checkout that no file may hold.
pub(super) fn own_places(root: &Path) -> Vec<String> {
    let root = root.display().to_string();
    // A root like `/app` is short enough to stand in a file by chance.
    let deep = root.matches('/').count() >= 2;
    if deep { vec![root] } else { Vec::new() }
}

/// Checks one file; `own` are the paths of this checkout.
pub(super) fn check(file: &File, own: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        let mut find = |what: String, mend: &str| {
            findings.push(Finding::new(&file.path, at + 1, what, mend));
        };
        if own.iter().any(|place| line.contains(place)) || HOMES.iter().any(|h| names(line, h)) {
            find(
                "a path of one machine".to_owned(),
                "write it relative to the repository",
            );
        }
        if let Some(host) = REGISTRY_HOSTS.iter().find(|host| line.contains(*host)) {
            find(format!("the registry host {host}"), lock_hint(&file.path));
        } else if let Some(source) = foreign_source(&file.path, line) {
            find(format!("a lock on {source}"), lock_hint(&file.path));
        }
    }
    findings
}

/// Whether `line` names a folder in `home`: an absolute path, not the tail of another one.
fn names(line: &str, home: &str) -> bool {
    line.match_indices(home).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + home.len()..].chars().next();
        let absolute = before.is_none_or(|c| !c.is_alphanumeric() && !"._-~/}*".contains(c));
        absolute && after.is_some_and(|c| c.is_ascii_alphanumeric() || c == '.')
    })
}

fn lock_hint(path: &str) -> &'static str {
    if path.ends_with("package-lock.json") {
        "set omit-lockfile-registry-resolved=true in .npmrc beside it and lock again"
    } else {
        "leave the host to the machine's own configuration"
    }
}

/// Where a lock file says that a package comes from, when that is not the default registry.
fn foreign_source<'a>(path: &str, line: &'a str) -> Option<&'a str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let value = |key: &str| {
        Some(
            line.trim()
                .strip_prefix(key)?
                .split('"')
                .next()
                .unwrap_or(""),
        )
    };
    match name {
        "Cargo.lock" => value("source = \"").filter(|source| *source != CRATES_IO),
        "package-lock.json" => value("\"resolved\": \"").filter(|source| source.contains("://")),
        _ => None,
    }
}
