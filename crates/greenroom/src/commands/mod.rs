//! The commands, one file each.

mod health;
mod token;

use std::time::Instant;

use crate::cli::{DevOptions, GlobalOptions, HealthOptions, ServeOptions, TokenCommand};
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
