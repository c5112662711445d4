//! The files of `deploy/` use only what there is: variables, flags, commands.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::Shell;

mod parsed;

/// Files in which operators find our variables and flags.
const FILES: [&str; 7] = [
    "Dockerfile",
    "compose.yml",
    "fly.toml",
    "systemd/greenroom.service",
    "systemd/greenroom.socket",
    "nginx/greenroom.conf",
    "caddy/Caddyfile",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The words of a text that start with `start`, up to what cannot be part of a name.
fn words<'a>(text: &'a str, start: &'a str) -> BTreeSet<&'a str> {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    text.match_indices(start)
        .filter(|(at, _)| !text[..*at].ends_with(name))
        .map(|(at, _)| text[at..].split(|c| !name(c)).next().unwrap_or_default())
        .collect()
}

#[test]
fn every_variable_of_the_files_is_one_of_ours() {
    let reference = text("docs/reference/configuration.md") + &text("docs/reference/cli.md");
    let known = words(&reference, "GREENROOM_");
    for file in FILES {
        let text = text(&format!("deploy/{file}"));
        for variable in words(&text, "GREENROOM_") {
            // Whoever reads a secret from a file says so by the same name.
            let plain = variable.trim_end_matches("_FILE");
            assert!(
                known.contains(variable) || known.contains(plain) || plain == "GREENROOM_",
                "deploy/{file}: {variable} is no variable of ours"
            );
        }
    }
}

#[test]
fn every_flag_of_ours_in_the_files_is_one() {
    let help = |command: &str| Shell::new().run(&["help", command]).stdout;
    let known = help("serve") + &help("dev");
    let known = words(&known, "--");
    for file in FILES {
        let text = text(&format!("deploy/{file}"));
        let ours = text.lines().filter(|line| {
            ["greenroom serve", "greenroom dev", "--trusted-proxies"]
                .iter()
                .any(|part| line.contains(part))
        });
        for line in ours {
            // Flags of `docker run` stand before the name of the image.
            let line = line.split_once("greenroom ").map_or(line, |(_, rest)| rest);
            for flag in words(line, "--") {
                assert!(
                    known.contains(flag),
                    "deploy/{file}: {flag} is no flag of ours"
                );
            }
        }
    }
}

#[test]
fn the_image_runs_what_there_is_as_nobody_in_particular() {
    let dockerfile = text("deploy/Dockerfile");
    let known = [
        "FROM",
        "RUN",
        "COPY",
        "WORKDIR",
        "ENV",
        "USER",
        "VOLUME",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    ];
    let joined = dockerfile.replace("\\\n", " ");
    for line in joined
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let instruction = line.split(' ').next().unwrap_or_default();
        assert!(known.contains(&instruction), "{line}");
    }
    for needed in [
        "USER 65532:65532",
        "VOLUME [\"/data\"]",
        "EXPOSE 8080",
        "CMD [\"/usr/local/bin/greenroom\", \"health\"]",
        "ENTRYPOINT [\"/usr/local/bin/greenroom\"]",
    ] {
        assert!(joined.contains(needed), "{needed}");
    }
    // The toolchain of the image is the one that the workspace asks for.
    let toolchain = text("rust-toolchain.toml");
    assert!(toolchain.contains("1.95") && joined.contains("FROM rust:1.95-alpine"));
}

#[test]
fn whoever_stops_it_grants_more_than_a_stop_may_take() {
    let drain_s = 25;
    for (file, key) in [
        ("compose.yml", "stop_grace_period: "),
        ("fly.toml", "kill_timeout = "),
        ("systemd/greenroom.service", "TimeoutStopSec="),
    ] {
        let text = text(&format!("deploy/{file}"));
        let (_, value) = text
            .split_once(key)
            .unwrap_or_else(|| panic!("{file}: no {key}"));
        let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
        assert!(digits.parse::<u32>().unwrap() > drain_s, "{file}");
    }
}
