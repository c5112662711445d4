//! The command line for those who read rather than try: `docs/reference/cli.md` and man pages, both
//! from the definition of the command line, so that neither can tell anything else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Arg, Command, CommandFactory as _};
use clap_mangen::Man;

use crate::cli::Cli;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;

const INTRODUCTION: &str = "\
# Command line

This page is generated from the program by `greenroom reference`; a test sees to it that it is
current.

Data goes to stdout, everything else to stderr, so that output may be piped. Errors say what was
wrong and end in a `hint:` with what to type. Colours follow `--color`, then `NO_COLOR`, then
`CLICOLOR_FORCE`, then whether it is a terminal. Progress is shown on a terminal only.

`greenroom completions SHELL` prints completions for a shell, `greenroom reference --man DIR` writes
man pages.

## Exit codes

| code | meaning |
|---|---|
";

/// The page `docs/reference/cli.md`.
pub(crate) fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    for code in ExitCode::ALL {
        let _ = writeln!(page, "| {} | {} |", code.number(), code.meaning());
    }
    let root = tree();
    page.push_str("\n## Options of every command\n\n");
    arguments(
        &mut page,
        root.get_arguments().filter(|a| a.is_global_set()),
    );
    for command in shown(&root) {
        section(&mut page, command, "greenroom");
    }
    page
}

/// Writes one man page per command into `directory` and gives their paths.
///
/// # Errors
/// When they cannot be written.
pub(crate) fn man_pages(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        Failure::failed(format!("cannot write {}: {error}", path.display()))
    };
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    let mut written = Vec::new();
    for (name, command) in pages(tree(), "") {
        let path = directory.join(format!("{name}.1"));
        let mut page = Vec::new();
        Man::new(command)
            .render(&mut page)
            .and_then(|()| std::fs::write(&path, page))
            .map_err(|error| failed(&path, error))?;
        written.push(path);
    }
    Ok(written)
}

/// The command line, with what clap adds when it parses.
pub(crate) fn tree() -> Command {
    let mut root = Cli::command();
    root.build();
    root
}

/// Every command under its name with hyphens, as man pages are named.
fn pages(command: Command, before: &str) -> Vec<(String, Command)> {
    let name = match before {
        "" => command.get_name().to_owned(),
        before => format!("{before}-{}", command.get_name()),
    };
    let below: Vec<_> = shown(&command).cloned().collect();
    let mut pages = vec![(name.clone(), command.name(name.clone()))];
    for command in below {
        pages.extend(self::pages(command, &name));
    }
    pages
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

fn section(page: &mut String, command: &Command, before: &str) {
    let name = format!("{before} {}", command.get_name());
    let depth = "#".repeat(name.split(' ').count());
    let about = command.get_about().map(ToString::to_string);
    let _ = write!(page, "\n{depth} {name}\n\n{}.\n", about.unwrap_or_default());
    if command.has_subcommands() {
        for below in shown(command) {
            section(page, below, &name);
        }
        return;
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let _ = write!(page, "\n```text\n{usage}\n```\n\n");
    let own = |argument: &&Arg| !argument.is_global_set() && argument.get_id() != "help";
    arguments(page, command.get_arguments().filter(own));
    if let Some(after) = command.get_after_help() {
        let after = after.to_string();
        let (text, examples) = after.split_once("Examples:\n").unwrap_or((&after, ""));
        if !text.trim().is_empty() {
            let _ = write!(page, "\n{}\n", text.trim());
        }
        if !examples.is_empty() {
            let examples = examples.lines().map(|line| line.trim_start());
            let examples = examples.collect::<Vec<_>>().join("\n");
            let _ = write!(page, "\n```sh\n{examples}\n```\n");
        }
    }
}

/// A table of arguments, nothing when there are none.
fn arguments<'a>(page: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let mut arguments = arguments
        .filter(|argument| !argument.is_hide_set())
        .peekable();
    if arguments.peek().is_none() {
        return;
    }
    page.push_str("| argument | variable | what |\n|---|---|---|\n");
    for argument in arguments {
        let variable = argument.get_env().map(|name| name.to_string_lossy());
        let variable = variable.map_or_else(String::new, |name| format!("`{name}`"));
        let _ = writeln!(
            page,
            "| `{}` | {variable} | {} |",
            spelling(argument).replace('|', "\\|"),
            meaning(argument).replace('|', "\\|"),
        );
    }
}

fn spelling(argument: &Arg) -> String {
    let mut names = Vec::new();
    names.extend(argument.get_short().map(|short| format!("-{short}")));
    names.extend(argument.get_long().map(|long| format!("--{long}")));
    let takes_value = argument.get_action().takes_values();
    let values = argument.get_value_names().unwrap_or_default();
    let value = values.iter().map(|name| format!("<{name}>"));
    let value = value.collect::<Vec<_>>().join(" ");
    match (names.is_empty(), takes_value) {
        (true, _) => value,
        (false, true) => format!("{} {value}", names.join(", ")),
        (false, false) => names.join(", "),
    }
}

fn meaning(argument: &Arg) -> String {
    let mut text = argument
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let takes_value = argument.get_action().takes_values();
    let possible = argument.get_possible_values();
    if takes_value && !possible.is_empty() {
        let names: Vec<_> = possible.iter().map(|value| value.get_name()).collect();
        let _ = write!(text, "; one of {}", names.join(", "));
    }
    let defaults = argument.get_default_values();
    if takes_value && !defaults.is_empty() {
        let defaults = defaults.iter().map(|value| value.to_string_lossy());
        let _ = write!(text, "; default {}", defaults.collect::<Vec<_>>().join(","));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set to write the page instead of comparing it.
    const UPDATE: &str = "GREENROOM_UPDATE_REFERENCE";

    #[test]
    fn the_page_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
        if std::env::var_os(UPDATE).is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, markdown()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == markdown(),
            "docs/reference/cli.md is not current: `{UPDATE}=1 cargo test -p greenroom reference` \
             writes it"
        );
    }

    #[test]
    fn every_command_has_a_page_of_its_own() {
        let names: Vec<_> = pages(tree(), "")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert!(names.contains(&"greenroom".to_owned()));
        assert!(names.contains(&"greenroom-token-new".to_owned()));
        assert!(!names.iter().any(|name| name.contains("help")));
    }
}
