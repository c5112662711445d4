//! The commands, one file each.

mod backup;
mod config;
mod health;
mod reference;
mod room;
mod token;

use std::time::Instant;

use crate::cli::{
    BackupOptions, CompletionsOptions, ConfigCommand, DevOptions, GlobalOptions, HealthOptions,
    ReferenceOptions, RestoreOptions, RoomCommand, TokenCommand,
};
use crate::config::{Environment, Flags, Origin, ServeFlags, resolve};
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::reloading::Reloading;
use crate::server_plan::Purpose;
use crate::{logging, server_command, server_plan};

/// `dev`
pub(crate) fn dev(options: &DevOptions, printer: &Printer) -> Result<ExitCode, Failure> {
    let mut flags = options.flags.0.clone();
    if !options.command.is_empty() {
        // Who runs a command wants neither the port nor the data of another server.
        let said = resolve(Purpose::Dev, &flags, &Environment::of_process())?.options;
        if said.listen.origin == Origin::Default {
            flags = flags.with("listen", &["127.0.0.1:0"]);
        }
        if said.data.origin == Origin::Default {
            flags = flags.with("data", &[":memory:"]);
        }
    }
    run_server(Purpose::Dev, &flags, &options.command, printer)
}

/// `serve`
pub(crate) fn serve(flags: &ServeFlags, printer: &Printer) -> Result<ExitCode, Failure> {
    run_server(Purpose::Serve, &flags.0, &[], printer)
}

fn run_server(
    purpose: Purpose,
    flags: &Flags,
    command: &[String],
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let resolved = resolve(purpose, flags, &Environment::of_process())?;
    let options = &resolved.options;
    let log = logging::start(purpose, options.log_form.value, options.filter(), printer)?;
    // Dropped behind the server, with what it sent at its end.
    #[cfg(feature = "otel")]
    let _traces = crate::traces::start(|name| std::env::var(name).ok())?;
    let plan = server_plan::plan(&resolved)?;
    let reload = Reloading::new(flags.clone(), resolved, &plan, log);
    server_command::run(plan, reload, command, started, printer)
}

/// `config`
pub(crate) fn config(
    command: &ConfigCommand,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    match command {
        ConfigCommand::Show(options) => config::show(options, global, printer),
        ConfigCommand::Check(options) => config::check(options, printer),
        ConfigCommand::Schema => config::schema(printer),
        ConfigCommand::Reference => config::reference(printer),
    }
}

/// `room`
pub(crate) fn room(
    command: &RoomCommand,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    room::room(command, global, printer)
}

/// `token`
pub(crate) fn token(
    command: &TokenCommand,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    match command {
        TokenCommand::New(options) => token::new(options, global, printer),
        TokenCommand::Admin(options) => token::admin(options, global, printer),
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
