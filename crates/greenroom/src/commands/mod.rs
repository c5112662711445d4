//! The commands, one file each.

mod backup;
mod health;
mod reference;
mod token;

use std::time::Instant;

use crate::cli::{
    BackupOptions, CompletionsOptions, DevOptions, GlobalOptions, HealthOptions, ReferenceOptions,
    RestoreOptions, ServeOptions, TokenCommand,
};
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::{logging, server_command, server_plan};

/// `dev`
pub(crate) fn dev(options: &DevOptions, printer: &Printer) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    logging::start(options.server.log, printer)?;
    server_command::run(server_plan::for_dev(options)?, started, printer)
}

/// `serve`
pub(crate) fn serve(options: &ServeOptions, printer: &Printer) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    logging::start(options.server.log, printer)?;
    server_command::run(server_plan::for_serve(options)?, started, printer)
}

/// `token`
pub(crate) fn token(
    command: &TokenCommand,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    match command {
        TokenCommand::New(options) => token::new(options, global, printer),
        TokenCommand::Verify(options) => token::verify(options, global, printer),
        TokenCommand::Init(options) => token::init(options, global, printer),
    }
}

/// `health`
pub(crate) fn health(
    options: &HealthOptions,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    health::health(options, global, printer)
}

/// `backup`
pub(crate) fn backup(
    options: &BackupOptions,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    backup::backup(options, global, printer)
}

/// `restore`
pub(crate) fn restore(
    options: &RestoreOptions,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    backup::restore(options, global, printer)
}

/// `completions`
pub(crate) fn completions(
    options: &CompletionsOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    reference::completions(options, printer)
}

/// `reference`
pub(crate) fn reference(
    options: &ReferenceOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    reference::reference(options, printer)
}
