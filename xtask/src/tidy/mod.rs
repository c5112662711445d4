//! The rules of the house, each checked by a machine. A finding names a line, what is wrong there
//! and how to mend it.

mod arrows;
mod docs;
mod places;
mod rust;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::printer;

/// A broken rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: String,
    /// Counted from 1.
    line: usize,
    what: String,
    mend: String,
}

impl Finding {
    fn new(file: &str, line: usize, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            what: what.into(),
            mend: mend.into(),
        }
    }
}

/// A text file of the repository.
#[derive(Debug)]
struct File {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

/// What the repository holds: everything that git tracks or would track.
#[derive(Debug)]
struct Tree {
    /// Files that are valid UTF-8.
    files: Vec<File>,
    /// Every path, files and folders.
    paths: BTreeSet<String>,
}

impl Tree {
    fn read(root: &Path) -> Result<Self> {
        let listing = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(root)
            .output()
            .context("cannot run git")?;
        ensure!(
            listing.status.success(),
            "git ls-files failed; tidy needs a git checkout"
        );
        let listing = String::from_utf8(listing.stdout).context("a path is not UTF-8")?;
        let mut files = Vec::new();
        let mut names = Vec::new();
        // A file that is deleted but not yet committed is still listed, hence the check.
        for path in listing.split('\0').filter(|path| root.join(path).is_file()) {
            names.push(path.to_owned());
            let bytes = std::fs::read(root.join(path)).with_context(|| path.to_owned())?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(File {
                    path: path.to_owned(),
                    text,
                });
            }
        }
        Ok(Self {
            files,
            paths: with_folders(&names),
        })
    }

    fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

/// The paths and every folder above them.
fn with_folders(files: &[String]) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for file in files {
        let mut path = file.as_str();
        paths.insert(path.to_owned());
        while let Some((folder, _)) = path.rsplit_once('/') {
            paths.insert(folder.to_owned());
            path = folder;
        }
    }
    paths
}

/// Checks every rule and prints what is broken; `false` when something is.
pub(crate) fn run(root: &Path) -> Result<bool> {
    let tree = Tree::read(root)?;
    let mut findings = Vec::new();
    for file in &tree.files {
        findings.extend(rust::check(file));
        findings.extend(places::check(file, &places::own_places(root)));
        findings.extend(docs::check_links(file, &tree.paths));
    }
    findings.extend(docs::check_tree(&tree));
    let packages = arrows::packages(root)?;
    findings.extend(arrows::check(&packages, &tree));
    let (broken, figures) = arrows::check_closures(root, &packages)?;
    findings.extend(broken);

    findings.sort();
    findings.dedup();
    for finding in &findings {
        let Finding {
            file,
            line,
            what,
            mend,
        } = finding;
        printer::line(&format!("{file}:{line}: {what}; {mend}"));
    }
    printer::line(&format!(
        "tidy: {} files, {figures}; {} findings",
        tree.files.len(),
        findings.len()
    ));
    Ok(findings.is_empty())
}
