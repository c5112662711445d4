//! `config`: shows, checks and explains the configuration.

use crate::cli::{ConfigCheckOptions, ConfigShowOptions, GlobalOptions};
use crate::config::{
    Document, Environment, as_json, as_origins_json, as_toml, check_document, reference_page,
    resolve, schema as schema_of_file,
};
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::server_plan::Purpose;

/// `config show`
pub(super) fn show(
    options: &ConfigShowOptions,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let purpose = match options.dev {
        true => Purpose::Dev,
        false => Purpose::Serve,
    };
    let resolved = resolve(purpose, &options.flags.0, &Environment::of_process())?;
    resolved
        .warnings
        .iter()
        .for_each(|text| printer.warning(text));
    resolved.notes.iter().for_each(|text| printer.note(text));
    let entries = resolved.options.entries(purpose);
    let text = match (global.json, options.origin) {
        (false, origins) => as_toml(&entries, origins),
        (true, false) => format!("{:#}", as_json(&entries)),
        (true, true) => format!("{:#}", as_origins_json(&entries)),
    };
    printer.data(&text)?;
    Ok(ExitCode::Done)
}

/// `config check`
pub(super) fn check(options: &ConfigCheckOptions, printer: &Printer) -> Result<ExitCode, Failure> {
    check_document(&Document::read(&options.file)?)?;
    printer.note(&format!("{} is good", options.file));
    Ok(ExitCode::Done)
}

/// `config schema`
pub(super) fn schema(printer: &Printer) -> Result<ExitCode, Failure> {
    printer.data(&format!("{:#}", schema_of_file()))?;
    Ok(ExitCode::Done)
}

/// `config reference`
pub(super) fn reference(printer: &Printer) -> Result<ExitCode, Failure> {
    printer.data(reference_page().trim_end())?;
    Ok(ExitCode::Done)
}
