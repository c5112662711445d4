//! The `greenroom` command: a realtime room server in one binary, and the tools around it.

mod banner;
mod child;
mod cli;
mod client;
mod commands;
mod config;
mod dev_lines;
mod env_vars;
mod exit_codes;
mod failure;
mod file_out;
mod interrupt;
mod key_source;
mod logging;
mod port_owner;
mod printer;
mod progress;
mod reference;
mod reloading;
mod server_command;
mod server_plan;
mod supervisor;
mod text;
mod time_text;
#[cfg(feature = "otel")]
mod traces;
mod trust;

use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;

fn main() -> std::process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return cli::answer_instead(&answer, &Printer::plain()).into(),
    };
    let printer = Printer::new(&cli.global);
    let code = match run(&cli, &printer) {
        Ok(code) => code,
        Err(failure) => {
            printer.failure(&failure);
            failure.code
        }
    };
    code.into()
}

fn run(cli: &Cli, printer: &Printer) -> Result<ExitCode, Failure> {
    match &cli.command {
        Command::Dev(options) => commands::dev(options, printer),
        Command::Serve(options) => commands::serve(options, printer),
        Command::Room(command) => commands::room(command, &cli.global, printer),
        Command::Token(command) => commands::token(command, &cli.global, printer),
        Command::Config(command) => commands::config(command, &cli.global, printer),
        Command::Health(options) => commands::health(options, &cli.global, printer),
        Command::Backup(options) => commands::backup(options, &cli.global, printer),
        Command::Restore(options) => commands::restore(options, &cli.global, printer),
        Command::Completions(options) => commands::completions(options, printer),
        Command::Reference(options) => commands::reference(options, printer),
    }
}
