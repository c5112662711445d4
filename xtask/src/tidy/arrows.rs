//! Which package may depend on which, what must stay out of the sans-IO crates, and how many
//! packages of others we take in.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Finding, Tree};

/// The arrows of DESIGN.md section 3, by folder: who, and on whom it may depend. The service
/// crate is allowed wherever the core is.
const ARROWS: [(&str, &[&str]); 11] = [
    ("crates/greenroom-service", &[]),
    ("crates/greenroom-derive", &[]),
    ("crates/greenroom-state", &[SERVICE]),
    (CORE, &[SERVICE, STATE]),
    (WASM, &[SERVICE]),
    (SERVER, &[SERVICE, CORE, WASM]),
    (CLIENT, &[SERVICE, CORE, STATE]),
    ("crates/greenroom", &[SERVER, CLIENT]),
    ("crates/greenroom-sim", &[SERVICE, CORE, WASM]),
    ("packages/python", &[SERVICE, CORE]),
    ("xtask", &[]),
];
const SERVICE: &str = "crates/greenroom-service";
const STATE: &str = "crates/greenroom-state";
const CORE: &str = "crates/greenroom-core";
const WASM: &str = "crates/greenroom-wasm";
const SERVER: &str = "crates/greenroom-server";
const CLIENT: &str = "crates/greenroom-client";

/// Folders of leaves: they may depend on anything and nothing depends on them.
const LEAVES: [&str; 3] = ["benches", "examples", "fuzz"];

const SANS_IO: [&str; 3] = [SERVICE, STATE, CORE];
const IO_PACKAGES: [&str; 6] = ["tokio", "axum", "hyper", "mio", "socket2", "reqwest"];

/// Packages of others in the normal dependencies with default features, on the machine we ship
/// for. A budget is a brake on the build time and on what we must trust.
const BUDGETS: [(&str, usize); 2] = [(CORE, 40), (SERVER, 140)];
const BUDGET_TARGET: &str = "x86_64-unknown-linux-gnu";

/// A member of the workspace.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    /// Relative to the root.
    pub(super) folder: String,
    /// Folders of the members it depends on, dev-dependencies left out.
    pub(super) needs: Vec<String>,
}

/// The members of the workspace at `root`.
pub(super) fn packages(root: &Path) -> Result<Vec<Package>> {
    let metadata = cargo(
        root,
        &["metadata", "--format-version", "1", "--no-deps", "--locked"],
    )?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let list = metadata["packages"]
        .as_array()
        .context("cargo metadata lists packages")?;
    list.iter()
        .map(|package| read_package(root, package))
        .collect()
}

fn read_package(root: &Path, package: &Value) -> Result<Package> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let relative = |path: &str| -> Result<String> {
        let path = Path::new(path)
            .strip_prefix(root)
            .with_context(|| path.to_owned())?;
        Ok(path.to_string_lossy().replace('\\', "/"))
    };
    let manifest = text(&package["manifest_path"]).context("a package has a manifest")?;
    let mut needs = Vec::new();
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let path = dependency["path"].as_str();
        if let Some(path) = path.filter(|_| dependency["kind"].as_str() != Some("dev")) {
            needs.push(relative(path)?);
        }
    }
    Ok(Package {
        name: text(&package["name"]).context("a package has a name")?,
        folder: relative(
            manifest
                .trim_end_matches("Cargo.toml")
                .trim_end_matches('/'),
        )?,
        needs,
    })
}

/// Checks the arrows between members, their names and their lints.
pub(super) fn check(packages: &[Package], tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let manifest = format!("{}/Cargo.toml", package.folder);
        let text = tree.file(&manifest).map_or("", |file| &file.text);
        let mut find = |line: usize, what: String, mend: &str| {
            findings.push(Finding::new(&manifest, line, what, mend));
        };
        for need in package
            .needs
            .iter()
            .filter(|need| !may_need(&package.folder, need))
        {
            let name = need.rsplit('/').next().unwrap_or(need);
            let what = format!("{} must not depend on {name}", package.name);
            find(
                line_of(text, name),
                what,
                "see the arrows in DESIGN.md section 3",
            );
        }
        if package
            .folder
            .strip_prefix("crates/")
            .is_some_and(|folder| folder != package.name)
        {
            find(
                1,
                format!("package {} is not named as its folder", package.name),
                "rename one",
            );
        }
        if !inherits_lints(text) {
            find(
                1,
                "no workspace lints".to_owned(),
                "add `[lints]` with `workspace = true`",
            );
        }
    }
    findings
}

/// Whether the member in folder `from` may depend on the one in folder `to`.
fn may_need(from: &str, to: &str) -> bool {
    let leaf = LEAVES
        .iter()
        .any(|leaf| from.split('/').next() == Some(leaf));
    leaf || ARROWS
        .iter()
        .any(|(who, whom)| *who == from && whom.contains(&to))
}

/// The first line of `text` that holds `needle`, or 1.
fn line_of(text: &str, needle: &str) -> usize {
    text.lines()
        .position(|line| line.starts_with(needle))
        .map_or(1, |at| at + 1)
}

fn inherits_lints(manifest: &str) -> bool {
    let mut lines = manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[lints]")
        .skip(1);
    lines
        .by_ref()
        .take_while(|line| !line.starts_with('['))
        .any(|line| line == "workspace = true")
}

/// Checks what the members take in from others; also gives the figures for the summary.
pub(super) fn check_closures(root: &Path, packages: &[Package]) -> Result<(Vec<Finding>, String)> {
    let mut findings = Vec::new();
    let mut figures = Vec::new();
    for package in packages {
        let manifest = format!("{}/Cargo.toml", package.folder);
        if SANS_IO.contains(&package.folder.as_str()) {
            // Every feature and every target: IO must not come in by any door.
            let listing = closure(root, &package.name, &["--all-features", "--target", "all"])?;
            for io in io_packages(&listing) {
                let what = format!("{} takes in {io}, which does IO", package.name);
                let mend = format!("see `cargo tree -p {} -e normal -i {io}`", package.name);
                findings.push(Finding::new(&manifest, 1, what, mend));
            }
        }
        if let Some((_, budget)) = BUDGETS.iter().find(|(folder, _)| *folder == package.folder) {
            let listing = closure(root, &package.name, &["--target", BUDGET_TARGET])?;
            let count = foreign(&listing, packages).len();
            figures.push(format!(
                "{} takes {count} of {budget} packages",
                package.name
            ));
            if count > *budget {
                let what = format!("{count} packages in the closure, {budget} allowed");
                let mend = "drop a dependency, or put it behind a feature that is off by default";
                findings.push(Finding::new(&manifest, 1, what, mend));
            }
        }
    }
    Ok((findings, figures.join(", ")))
}

/// Lists the normal dependencies of `package`, one `name vVERSION` to a line.
fn closure(root: &Path, package: &str, more: &[&str]) -> Result<String> {
    let mut arguments = vec!["tree", "--locked", "-e", "normal", "--prefix", "none"];
    arguments.extend(["--format", "{p}", "-p", package]);
    arguments.extend(more);
    cargo(root, &arguments)
}

/// The packages of a `cargo tree` listing, as name and version.
fn listed(listing: &str) -> impl Iterator<Item = (&str, &str)> {
    listing.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?, words.next()?))
    })
}

/// The packages of a listing that do IO.
pub(super) fn io_packages(listing: &str) -> BTreeSet<&str> {
    listed(listing)
        .map(|(name, _)| name)
        .filter(|name| IO_PACKAGES.contains(name))
        .collect()
}

/// The packages of a listing that are not members of the workspace.
pub(super) fn foreign<'a>(listing: &'a str, members: &[Package]) -> BTreeSet<(&'a str, &'a str)> {
    listed(listing)
        .filter(|(name, _)| !members.iter().any(|member| member.name == *name))
        .collect()
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(root)
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "cargo {} failed:\n{errors}",
        arguments.join(" ")
    );
    Ok(String::from_utf8(output.stdout)?)
}
