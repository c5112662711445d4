//! What can be typed: commands, options, help texts. No decisions.

mod room;
mod versions;

use std::path::PathBuf;

use clap::builder::StyledStr;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{AnyFlags, DevFlags, ServeFlags};
use crate::env_vars;
use crate::exit_codes::ExitCode;
use crate::printer::Printer;

pub(crate) use room::{
    RoomCommand, RoomExportOptions, RoomImportOptions, RoomLsOptions, RoomRmOptions,
    RoomShowOptions, RoomTailOptions,
};
pub(crate) use versions::{
    DocumentOptions, VersionForm, VersionsCommand, VersionsDiffOptions, VersionsKeepOptions,
    VersionsLsOptions, VersionsRestoreOptions, VersionsRmOptions, VersionsShowOptions,
};

/// The address that `--server` stands for when nothing else says one.
pub(crate) const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";

const HELP: &str = "\
{about}

Usage: greenroom <COMMAND>

Start
  dev          Run a local server: open access, demo page      greenroom dev
  serve        Run a server for others                         greenroom serve --data ./data
Use
  room         List, show, tail, export, import rooms          greenroom room ls
  token        Create and check keys and tokens                greenroom token new --user ada --room 'docs/*'
Operate
  config       Show, check and explain the configuration       greenroom config show
  health       Ask a server whether it is ready (for probes)   greenroom health
  backup       Copy a running store into a file                greenroom backup store.backup
  restore      Make a data directory out of a backup           greenroom restore store.backup --data ./data
  completions  Print completions for a shell                   greenroom completions bash

Options
{options}

`greenroom help <COMMAND>` has examples.";

/// Realtime rooms over WebSockets: presence and shared documents
#[derive(Debug, Parser)]
#[command(name = "greenroom", version, help_template = HELP, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalOptions,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct GlobalOptions {
    /// Server to talk to
    #[arg(long, short, global = true, value_name = "URL", default_value = DEFAULT_SERVER,
          env = env_vars::URL, hide_env_values = true)]
    pub(crate) server: String,
    /// Admin or room token
    #[arg(long, global = true, value_name = "TOKEN",
          env = env_vars::TOKEN, hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Machine-readable output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Colours in the output
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorWhen,
    /// Errors and warnings only
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// More of what happens and why
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
}

/// When to use colours. The variants have no docs, which would make `--help` long-winded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    // On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    Always,
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a local server: open access, demo page
    #[command(
        after_help = "Behind `--` stands a command that is started when the server is ready, and ends it. \
Where nothing says otherwise the server listens on a free port then and keeps nothing. The command is told by \
GREENROOM_URL, GREENROOM_PUBLIC_KEY and GREENROOM_SECRET_KEY where it is; signals are passed on to it and to \
what it started, and its exit code is ours.

Examples:
  greenroom dev                            # http://localhost:8080/, data in ./.greenroom
  greenroom dev --listen 127.0.0.1:0       # on a free port
  greenroom dev --data :memory:            # keeps nothing
  greenroom dev --lan                      # for the phone next to you
  greenroom dev -- npm test                # for as long as that runs"
    )]
    Dev(DevOptions),
    /// Run a server for others
    #[command(
        after_help = "Without a key it listens on this machine only. Keys come from `greenroom token init`, from \
GREENROOM_SECRET_KEY, or from the file that GREENROOM_SECRET_KEY_FILE names.

Examples:
  greenroom token init && greenroom serve --listen 0.0.0.0:8080
  greenroom serve --data /var/lib/greenroom --origin https://app.example.com"
    )]
    Serve(ServeFlags),
    /// List, show, tail, export, import and delete rooms
    #[command(subcommand, arg_required_else_help = true)]
    Room(RoomCommand),
    /// Create and check keys and tokens
    #[command(subcommand, arg_required_else_help = true)]
    Token(TokenCommand),
    /// Show, check and explain the configuration
    #[command(subcommand, arg_required_else_help = true)]
    Config(ConfigCommand),
    /// Ask a server whether it is ready (for probes)
    #[command(after_help = "Exit codes: 0 ready, 3 not ready, 1 not reachable.

Examples:
  greenroom health
  greenroom health http://10.0.0.7:8080 --json
  greenroom health https://rooms.example.com
  greenroom health https://127.0.0.1:8443 --insecure    # of this machine, whose certificate names another")]
    Health(HealthOptions),
    /// Copy a running store into a file
    #[command(
        after_help = "The copy is of one moment: what is durable when the server is asked. Rooms go on meanwhile. Signing \
keys are not part of it. The file is written beside its name and gets it when it is whole.

Examples:
  greenroom backup store.backup
  greenroom backup - | zstd > store.backup.zst
  greenroom backup store.backup --server http://10.0.0.7:8080 --token \"$TOKEN\"
  greenroom backup store.backup --data ./data          # of a server that does not run"
    )]
    Backup(BackupOptions),
    /// Make a data directory out of a backup
    #[command(
        after_help = "Each room gets a new incarnation, so that nothing that somebody remembers of the rooms that were copied \
is taken for theirs: editors exchange what each side lacks when they connect. A directory that holds \
anything but keys is refused.

Exit codes: 0 restored, 3 restored and some of it was damaged before the backup was taken, 1 not restored.

Examples:
  greenroom restore store.backup --data ./data
  zstd -d < store.backup.zst | greenroom restore - --data /var/lib/greenroom"
    )]
    Restore(RestoreOptions),
    /// Print completions for a shell
    #[command(after_help = "Examples:
  greenroom completions bash > ~/.local/share/bash-completion/completions/greenroom
  greenroom completions zsh > ~/.zfunc/_greenroom
  greenroom completions fish > ~/.config/fish/completions/greenroom.fish")]
    Completions(CompletionsOptions),
    /// Print the reference of the command line, or write its man pages
    #[command(hide = true)]
    Reference(ReferenceOptions),
}

/// Options of `dev`.
#[derive(Args, Debug)]
pub(crate) struct DevOptions {
    #[command(flatten)]
    pub(crate) flags: DevFlags,
    /// A command to run while the server does
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

/// The commands of `config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the settings that a server would run with
    #[command(
        after_help = "What it prints is a file that says the same; secrets are left out.

Examples:
  greenroom config show --origin
  greenroom config show --dev
  greenroom config show --config greenroom.toml --json"
    )]
    Show(ConfigShowOptions),
    /// Check a file, or that this version can open a data directory
    #[command(after_help = "Exit codes: 0 good, 2 not good.

Examples:
  greenroom config check greenroom.toml
  greenroom config check --data ./data       # before an upgrade, with the new version")]
    Check(ConfigCheckOptions),
    /// Print the JSON Schema of the file, for editors
    #[command(after_help = "Examples:
  greenroom config schema > greenroom.schema.json")]
    Schema,
    /// Print the reference of all options and variables, as Markdown
    Reference,
}

/// Options of `config show`.
#[derive(Args, Debug)]
pub(crate) struct ConfigShowOptions {
    /// Those of `dev`, not of `serve`
    #[arg(long)]
    pub(crate) dev: bool,
    /// With where each comes from
    #[arg(long)]
    pub(crate) origin: bool,
    #[command(flatten)]
    pub(crate) flags: AnyFlags,
}

/// Options of `config check`.
#[derive(Args, Debug)]
pub(crate) struct ConfigCheckOptions {
    /// The file, TOML or JSON
    #[arg(value_name = "FILE", required_unless_present = "data")]
    pub(crate) file: Option<String>,
    /// Check also that this version can open the data in this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// The commands of `token`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Mint a token and print it
    #[command(
        after_help = "Patterns: `*` stands for anything but `/`, `**` for anything.

Examples:
  greenroom token new --user ada --room 'docs/*'
  greenroom token new --user guest --room lobby --rights read --ttl 10m
  greenroom token new --user ops --admin --ttl 30m"
    )]
    New(TokenNewOptions),
    /// Print a link that signs in to the console, once
    #[command(
        after_help = "Whoever opens the link first is signed in at the server of `--server` for up to 12 hours, with \
                      all rights. `greenroom dev` needs no sign-in.

Examples:
  greenroom token admin
  greenroom token admin --ttl 5m --user ada --server https://rooms.example.com"
    )]
    Admin(TokenAdminOptions),
    /// Check a token and print what it says
    #[command(after_help = "Exit codes: 0 good, 1 not good.

Examples:
  greenroom token verify eyJhbGciOi...
  greenroom token new --user ada --room '**' | greenroom token verify -")]
    Verify(TokenVerifyOptions),
    /// Create the keys file, or add a key to it
    #[command(after_help = "Examples:
  greenroom token init
  greenroom token init --data /var/lib/greenroom
  greenroom token init --rotate              # then restart the server")]
    Init(TokenInitOptions),
}

/// Options of `token new`.
#[derive(Args, Debug)]
pub(crate) struct TokenNewOptions {
    /// Whose token it is
    #[arg(long, value_name = "USER")]
    pub(crate) user: String,
    /// A name to show to people
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Rooms it is good for; repeatable
    #[arg(long, value_name = "PATTERN", required_unless_present = "admin")]
    pub(crate) room: Vec<String>,
    /// What it allows there
    #[arg(
        long,
        value_name = "RIGHTS",
        value_delimiter = ',',
        default_value = "read,write,presence"
    )]
    pub(crate) rights: Vec<String>,
    /// All rights in all rooms, and to operate the server
    #[arg(long)]
    pub(crate) admin: bool,
    /// How long it is good: a number and s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub(crate) ttl: String,
    #[command(flatten)]
    pub(crate) keys: KeyOptions,
}

/// Options of `token admin`.
#[derive(Args, Debug)]
pub(crate) struct TokenAdminOptions {
    /// Who signs in with it: the name in the server's log and in the records of edits
    #[arg(long, value_name = "USER", default_value = "admin")]
    pub(crate) user: String,
    /// How long the link is good, at most 24h: a number and s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "30m")]
    pub(crate) ttl: String,
    #[command(flatten)]
    pub(crate) keys: KeyOptions,
}

/// Options of `token verify`.
#[derive(Args, Debug)]
pub(crate) struct TokenVerifyOptions {
    /// The token; `-` reads it from stdin [default: --token]
    #[arg(value_name = "TOKEN")]
    pub(crate) given: Option<String>,
    #[command(flatten)]
    pub(crate) keys: KeyOptions,
}

/// Where the keys are.
#[derive(Args, Debug)]
pub(crate) struct KeyOptions {
    /// Data directory with the keys file [default: ./data, or ./.greenroom]
    #[arg(long, value_name = "DIR", env = env_vars::DATA, hide_env_values = true)]
    pub(crate) data: Option<String>,
}

/// Options of `token init`.
#[derive(Args, Debug)]
pub(crate) struct TokenInitOptions {
    /// Data directory to put it in; made when it is not there
    #[arg(long, value_name = "DIR", default_value = "./data",
          env = env_vars::DATA, hide_env_values = true)]
    pub(crate) data: String,
    /// Add a key that signs from now on; tokens of the others stay good
    #[arg(long)]
    pub(crate) rotate: bool,
}

/// Options of `health`.
#[derive(Args, Debug)]
pub(crate) struct HealthOptions {
    /// The server [default: --server]
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Believe any certificate: for a server with TLS that is asked by its address
    #[arg(long)]
    pub(crate) insecure: bool,
}

/// Options of `backup`.
#[derive(Args, Debug)]
pub(crate) struct BackupOptions {
    /// Where to; `-` is stdout
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Copy this data directory, of a server that does not run, instead of asking one
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<String>,
}

/// Options of `restore`.
#[derive(Args, Debug)]
pub(crate) struct RestoreOptions {
    /// The backup; `-` is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Data directory to make; empty, or with keys only
    #[arg(long, value_name = "DIR", env = env_vars::DATA, hide_env_values = true)]
    pub(crate) data: String,
}

/// Options of `completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsOptions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// Options of `reference`, which is for those who package.
#[derive(Args, Debug)]
pub(crate) struct ReferenceOptions {
    /// Write man pages into this directory instead
    #[arg(long, value_name = "DIR")]
    pub(crate) man: Option<PathBuf>,
}

/// Prints what clap says instead of options: help, the version, or what is wrong.
pub(crate) fn answer_instead(answer: &clap::Error, printer: &Printer) -> ExitCode {
    let text = answer.render();
    match answer.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match printer.help(&text) {
            Ok(()) => ExitCode::Done,
            Err(failure) => failure.code,
        },
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            printer.help_instead(&text);
            ExitCode::Usage
        }
        _ => {
            printer.help_instead(&in_our_words(&text, printer));
            ExitCode::Usage
        }
    }
}

/// Clap's tips and its last line become hints, as every error of ours ends.
fn in_our_words(text: &StyledStr, printer: &Printer) -> StyledStr {
    let text = if printer.stderr_colour() {
        text.ansi().to_string()
    } else {
        text.to_string()
    };
    text.lines()
        .map(
            |line| match line.strip_prefix("For more information, try ") {
                Some(_) => "hint: `--help` shows what there is".to_owned(),
                None => line.replacen("  tip:", "hint:", 1),
            },
        )
        .collect::<Vec<_>>()
        .join("\n")
        .into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_lists_every_command_once() {
        let root = Cli::command();
        for command in root.get_subcommands().filter(|c| !c.is_hide_set()) {
            let line = format!("\n  {:<12} ", command.get_name());
            assert_eq!(HELP.matches(&line).count(), 1, "{}", command.get_name());
        }
    }
}
