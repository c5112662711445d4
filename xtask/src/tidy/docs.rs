//! Rules about the documents: links resolve, the map names what exists, the changelog is kept, the
//! protocol page follows the protocol.

use std::collections::BTreeSet;

use super::{File, Finding, Tree};

const REQUIRED: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", ".ci/run"];
const PROTOCOL_PAGE: &str = "docs/protocol.md";
const PROTOCOL_FOLDER: &str = "crates/greenroom-core/src/protocol/";

/// Checks the links of a Markdown file to files of the repository.
pub(super) fn check_links(file: &File, paths: &BTreeSet<String>) -> Vec<Finding> {
    if !file.path.ends_with(".md") {
        return Vec::new();
    }
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    for (at, line) in prose(&file.text) {
        for link in links(&line) {
            let found = resolve(folder, &link).is_some_and(|path| paths.contains(&path));
            if !found {
                let what = format!("the link {link} leads nowhere");
                findings.push(Finding::new(
                    &file.path,
                    at,
                    what,
                    "mend the path or drop it",
                ));
            }
        }
    }
    findings
}

/// The lines outside code blocks, numbered from 1, with code spans blanked.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        if !fenced && !fence {
            let outside: Vec<&str> = line.split('`').step_by(2).collect();
            lines.push((at + 1, outside.join("``")));
        }
    }
    lines
}

/// The local targets that a line of Markdown links to, without their anchors.
fn links(line: &str) -> Vec<String> {
    let inline = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next());
    let reference = line
        .trim_start()
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]: "));
    let reference = reference.and_then(|(_, rest)| rest.split_whitespace().next());
    inline
        .chain(reference)
        .map(|link| link.trim_matches(['<', '>']))
        .filter(|link| !link.contains("://") && !link.starts_with("mailto:"))
        .filter_map(|link| link.split('#').next())
        .filter(|link| !link.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The path from the root that `link` means in a file of `folder`; `None` outside the repository.
fn resolve(folder: &str, link: &str) -> Option<String> {
    let start = if link.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = start.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Checks the documents that the repository must have.
pub(super) fn check_tree(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = REQUIRED
        .iter()
        .filter(|path| !tree.paths.contains(**path))
        .map(|path| Finding::new(path, 1, "missing", "write it"))
        .collect();
    if let Some(map) = tree.file("ARCHITECTURE.md") {
        findings.extend(check_map(map, &tree.paths));
    }
    if let Some(changes) = tree.file("CHANGELOG.md")
        && !has_unreleased(&changes.text)
    {
        let mend = "add `## [Unreleased]` at the top";
        findings.push(Finding::new(
            &changes.path,
            1,
            "no Unreleased section",
            mend,
        ));
    }
    findings.extend(check_protocol_page(tree));
    findings
}

fn has_unreleased(changelog: &str) -> bool {
    changelog
        .lines()
        .any(|line| matches!(line.trim(), "## [Unreleased]" | "## Unreleased"))
}

/// Checks that each path the map names exists.
fn check_map(map: &File, paths: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in map.text.lines().enumerate() {
        for path in named_paths(line) {
            let tail = format!("/{path}");
            let found = paths.contains(&path)
                || !path.starts_with("crates/") && paths.iter().any(|p| p.ends_with(&tail));
            if !found {
                let what = format!("{path} does not exist");
                findings.push(Finding::new(&map.path, at + 1, what, "name what is there"));
            }
        }
    }
    findings
}

/// The paths a line names: any `crates/..`, and any Rust file in backticks.
fn named_paths(line: &str) -> Vec<String> {
    let is_path = |c: char| c.is_alphanumeric() || "._-/{},*".contains(c);
    let crates = line.match_indices("crates/").filter_map(|(at, _)| {
        let inside = line[..at]
            .chars()
            .next_back()
            .is_some_and(|c| is_path(c) && c != ',');
        let rest = line[at..].split(|c| !is_path(c)).next();
        rest.filter(|_| !inside)
            .map(|path| path.trim_end_matches(['.', ',', '/']))
    });
    let spans = line.split('`').skip(1).step_by(2);
    let files = spans.filter(|span| {
        span.ends_with(".rs") && span.chars().all(is_path) && !span.starts_with("crates/")
    });
    crates
        .chain(files)
        .filter(|path| !path.contains('*'))
        .flat_map(expand)
        .collect()
}

/// Writes out the first braces of a path: `store/{a,b}.rs` gives two.
fn expand(path: &str) -> Vec<String> {
    let braces = path.split_once('{').and_then(|(before, rest)| {
        let (names, after) = rest.split_once('}')?;
        Some((before, names, after))
    });
    match braces {
        Some((before, names, after)) => names
            .split(',')
            .map(|name| format!("{before}{name}{after}"))
            .collect(),
        None => vec![path.to_owned()],
    }
}

/// Checks that the protocol page was looked at since the protocol changed. The page carries a hash
/// of the protocol's source; who changes one reads the other.
fn check_protocol_page(tree: &Tree) -> Option<Finding> {
    let page = tree.file(PROTOCOL_PAGE)?;
    let mark = format!("<!-- protocol {:016x} -->", protocol_hash(tree));
    let line = page
        .text
        .lines()
        .position(|line| line.starts_with("<!-- protocol "));
    (!page.text.lines().any(|line| line == mark)).then(|| {
        let mend = format!("read it again, then set its mark to `{mark}`");
        let line = line.map_or(1, |at| at + 1);
        Finding::new(
            PROTOCOL_PAGE,
            line,
            "the protocol changed since this page",
            mend,
        )
    })
}

/// FNV-1a, 64 bits (the offset and the prime are the algorithm's), over paths and texts of the
/// protocol folder without its tests. It detects change; it need not resist anybody.
fn protocol_hash(tree: &Tree) -> u64 {
    let mut files: Vec<&File> = tree
        .files
        .iter()
        .filter(|file| file.path.starts_with(PROTOCOL_FOLDER) && !file.path.ends_with("tests.rs"))
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let bytes = files
        .iter()
        .flat_map(|file| file.path.bytes().chain(file.text.bytes()));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
