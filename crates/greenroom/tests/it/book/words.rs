//! What a command of the book may name: our commands, flags and variables, files of the repository,
//! targets of make.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::Shell;

/// Variables of our tests, which the program does not know.
const OF_TESTS: [&str; 1] = ["GREENROOM_SIM_SEEDS"];

/// What there is.
pub(super) struct Known {
    root: PathBuf,
    /// The flags of each command, under its words with blanks between.
    flags: BTreeMap<String, BTreeSet<String>>,
    variables: BTreeSet<String>,
    targets: BTreeSet<String>,
}

impl Known {
    pub(super) fn read(root: &Path) -> Self {
        let reference = fs::read_to_string(root.join("docs/reference/cli.md")).unwrap();
        let configuration = fs::read_to_string(root.join("docs/reference/configuration.md"));
        let makefile = fs::read_to_string(root.join("Makefile")).unwrap();
        let targets = makefile.lines().filter_map(|line| {
            let (name, _) = line.split_once(':')?;
            name.chars()
                .all(|c| c.is_ascii_lowercase())
                .then(|| name.to_owned())
        });
        let names = words(&reference, "GREENROOM_")
            .union(&words(&configuration.unwrap(), "GREENROOM_"))
            .cloned()
            .collect();
        let commands = reference.lines().filter_map(|line| {
            line.trim_start_matches('#')
                .strip_prefix(" greenroom ")
                .map(str::to_owned)
        });
        let flags = commands.map(|command| {
            let mut arguments: Vec<&str> = command.split(' ').collect();
            arguments.insert(0, "help");
            let help = Shell::new().run(&arguments).stdout;
            (command, words(&help, "--"))
        });
        Self {
            root: root.to_path_buf(),
            flags: flags.collect(),
            variables: names,
            targets: targets.collect(),
        }
    }

    /// What the commands of a block name that is not there.
    pub(super) fn flaws(&self, block: &str) -> Vec<String> {
        let mut flaws = Vec::new();
        for variable in words(block, "GREENROOM_") {
            let plain = variable.trim_end_matches("_FILE");
            if ![&*variable, plain]
                .iter()
                .any(|name| self.variables.contains(*name) || OF_TESTS.contains(name))
            {
                flaws.push(format!("{variable} is no variable of ours"));
            }
        }
        for folder in ["deploy/", "scripts/", "benches/", "clients/"] {
            for path in words(block, folder) {
                if !self.root.join(&path).exists() {
                    flaws.push(format!("{path} is not there"));
                }
            }
        }
        for line in block.replace("\\\n", " ").lines() {
            flaws.extend(self.flaws_of_line(line));
        }
        flaws
    }

    fn flaws_of_line(&self, line: &str) -> Vec<String> {
        let line = line.split(" #").next().unwrap_or_default();
        let mut flaws = Vec::new();
        for command in line.split(['|', ';', '&', '(']) {
            let mut parts = command
                .split_whitespace()
                .skip_while(|word| word.contains('=') || ["sudo", "exec", "env"].contains(word));
            let (first, rest): (_, Vec<&str>) = (parts.next(), parts.collect());
            match first {
                Some("make") => flaws.extend(
                    rest.iter()
                        .filter(|word| !word.contains('=') && !self.targets.contains(**word))
                        .map(|word| format!("make {word} is not there")),
                ),
                Some(program) if program.rsplit('/').next() == Some("greenroom") => {
                    flaws.extend(self.flaws_of_ours(&rest));
                }
                _ => {}
            }
        }
        flaws
    }

    fn flaws_of_ours(&self, rest: &[&str]) -> Vec<String> {
        let name = rest
            .iter()
            .take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
            .filter(|word| !word.starts_with('-'));
        let name: Vec<&str> = name.copied().collect();
        let known = (1..=name.len())
            .rev()
            .find_map(|length| self.flags.get(&name[..length].join(" ")));
        // Hidden from the reference, and there all the same.
        let hidden = || {
            let ran = Shell::new().run(&["help", name.first()?]);
            (ran.code == Some(0)).then(|| words(&ran.stdout, "--"))
        };
        let Some(known) = known.cloned().or_else(hidden) else {
            let is_about_itself = rest.first().is_some_and(|word| word.starts_with('-'));
            if is_about_itself || rest.first() == Some(&"help") {
                return Vec::new();
            }
            return vec![format!(
                "there is no command `greenroom {}`",
                name.join(" ")
            )];
        };
        words(&rest.join(" "), "--")
            .into_iter()
            .filter(|flag| !known.contains(flag))
            .map(|flag| format!("`greenroom {}` has no {flag}", name.join(" ")))
            .collect()
    }
}

/// The words of a text that start with `start`, up to what cannot be part of a name or a path.
fn words(text: &str, start: &str) -> BTreeSet<String> {
    let is_path = start.ends_with('/');
    let of_name = |c: char| {
        c.is_ascii_alphanumeric() || c == '_' || c == '-' || is_path && (c == '/' || c == '.')
    };
    text.match_indices(start)
        .filter(|(at, _)| !text[..*at].ends_with(|c| of_name(c) || c == '/'))
        .map(|(at, _)| text[at..].split(|c| !of_name(c)).next().unwrap_or_default())
        .map(|word| word.trim_end_matches('.').to_owned())
        .filter(|word| word.len() > start.len())
        .collect()
}
