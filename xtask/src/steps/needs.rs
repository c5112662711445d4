//! What a step needs to be there, and what happens when it is not.

use std::path::Path;
use std::process::{Command, Stdio};

/// Something a step cannot run without.
#[derive(Debug)]
pub(super) struct Need {
    met: fn(&Path) -> bool,
    missing: Missing,
    /// What to do when it is missing.
    pub(super) hint: &'static str,
}

/// What a missing need means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Skip,
    /// A developer may go without, the build machine may not.
    FailInCi,
    Fail,
}

impl Need {
    pub(super) fn is_met(&self, root: &Path) -> bool {
        (self.met)(root)
    }

    pub(super) fn must_be_met(&self) -> bool {
        match self.missing {
            Missing::Skip => false,
            Missing::FailInCi => std::env::var("CI").is_ok_and(|value| value == "true"),
            Missing::Fail => true,
        }
    }
}

pub(super) const NEXTEST: Need = Need {
    met: |_| quiet(&["cargo", "nextest", "--version"]),
    missing: Missing::Fail,
    hint: "`make setup` installs cargo-nextest",
};

pub(super) const PYTHON: Need = Need {
    met: |_| quiet(&["python3", "-m", "venv", "--help"]),
    missing: Missing::Skip,
    hint: "needs python3 with venv, and a network that reaches PyPI the first time",
};

pub(super) const MUSL: Need = Need {
    met: |_| {
        let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
        let compiler = format!("{}-linux-musl-gcc", std::env::consts::ARCH);
        has_target(&target)
            && (quiet(&["musl-gcc", "--version"]) || quiet(&[&compiler, "--version"]))
    },
    missing: Missing::Skip,
    hint: "needs Linux, `rustup target add x86_64-unknown-linux-musl` and Debian's musl-tools",
};

pub(super) const WASM: Need = Need {
    met: |_| has_target("wasm32-unknown-unknown"),
    missing: Missing::FailInCi,
    hint: "`make setup` adds the target wasm32-unknown-unknown",
};

pub(super) const DENY: Need = Need {
    met: |_| quiet(&["cargo", "deny", "--version"]),
    missing: Missing::Skip,
    hint: "`cargo install cargo-deny --locked` brings the check of licences and sources",
};

pub(super) const ADVISORIES: Need = Need {
    met: |_| quiet(&["cargo", "deny", "fetch", "db"]),
    missing: Missing::Skip,
    hint: "needs cargo-deny and a network that reaches the advisory database",
};

pub(super) const VALGRIND: Need = Need {
    met: |_| {
        let has_baseline = cfg!(all(target_os = "linux", target_arch = "x86_64"));
        has_baseline && quiet(&["valgrind", "--version"])
    },
    missing: Missing::Skip,
    hint: "needs valgrind on x86-64 Linux; on Debian: sudo apt-get install valgrind",
};

#[cfg(test)]
impl Need {
    /// A need that is never met.
    pub(super) const fn unmet(required: bool, hint: &'static str) -> Self {
        let missing = if required {
            Missing::Fail
        } else {
            Missing::Skip
        };
        Self {
            met: |_| false,
            missing,
            hint,
        }
    }
}

pub(super) const WEB: Need = Need {
    met: |root| root.join("web/package.json").exists(),
    missing: Missing::Skip,
    hint: "there is no web/package.json",
};

fn has_target(target: &str) -> bool {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    sysroot.is_ok_and(|output| {
        let sysroot = String::from_utf8_lossy(&output.stdout);
        Path::new(sysroot.trim())
            .join("lib/rustlib")
            .join(target)
            .exists()
    })
}

/// Whether a command succeeds, whatever it prints.
fn quiet(words: &[&str]) -> bool {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
