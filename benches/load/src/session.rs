//! Where and with what a bench ran.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::kinds::{Kind, Version};
use crate::machine;
use crate::measurement::now_s;
use crate::server::Places;

/// The machine and the versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Seconds since 1970.
    pub(crate) at_s: u64,
    /// Whether it was a short one, whose figures say little.
    pub(crate) quick: bool,
    /// Whether the scheduler preferred it to all else on the machine.
    pub(crate) alone: bool,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// The commit of this repository, with a `+` when files differ from it.
    pub(crate) commit: String,
    /// Server by server.
    pub(crate) versions: BTreeMap<String, String>,
}

impl Session {
    /// Looks around.
    pub(crate) fn new(quick: bool, servers: &[&'static Kind], places: &Places) -> Self {
        let versions = servers
            .iter()
            .filter_map(|kind| Some((kind.name.to_owned(), version(kind, places)?)));
        let mut versions: BTreeMap<String, String> = versions.collect();
        if servers
            .iter()
            .any(|kind| matches!(kind.version, Version::Package(_)))
        {
            versions.extend(says("node", &["--version"]).map(|says| ("node".to_owned(), says)));
        }
        let dirty = says("git", &["status", "--porcelain", "--untracked-files=no"]);
        let dirty = dirty.is_some_and(|files| !files.is_empty());
        let commit = says("git", &["rev-parse", "--short=10", "HEAD"]).unwrap_or_default();
        Self {
            at_s: now_s(),
            quick,
            alone: std::env::var_os("BENCH_ALONE").is_some(),
            processor: machine::processor(),
            cores: machine::cores(),
            kernel: read("/proc/sys/kernel/osrelease".as_ref()),
            commit: format!("{commit}{}", if dirty { "+" } else { "" }),
            versions,
        }
    }
}

/// The version of a server; `None` for what belongs to this repository.
fn version(kind: &Kind, places: &Places) -> Option<String> {
    let peers = &places.peers;
    match kind.version {
        Version::Repository => None,
        Version::Program => {
            let says = says(&places.greenroom.to_string_lossy(), &["--version"])?;
            Some(says.rsplit(' ').next().unwrap_or_default().to_owned())
        }
        Version::Package(name) => {
            let text = read(&peers.join("node_modules").join(name).join("package.json"));
            let package: serde_json::Value = serde_json::from_str(&text).ok()?;
            Some(package.get("version")?.as_str()?.to_owned())
        }
        Version::Crate(name) => {
            let list = read(&peers.join(name).join(".crates.toml"));
            let (_, after) = list.split_once(&format!("\"{name} "))?;
            Some(after.split_once(' ')?.0.to_owned())
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// What a program says; `None` when it fails.
fn says(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(said)
}
