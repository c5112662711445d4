//! `config`: shows, checks and explains the configuration.

use greenroom_server::auth::read_keys;
use greenroom_server::store::SqliteStore;

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
    if let Some(file) = &options.file {
        check_document(&Document::read(file)?)?;
        printer.note(&format!("{file} is good"));
    }
    if let Some(data) = &options.data {
        let name = data.display();
        let failed = |why: &dyn std::fmt::Display| Failure::usage(format!("{name}: {why}"));
        if !data.is_dir() {
            return Err(failed(&"there is no such directory"));
        }
        let format = SqliteStore::format_of(data)
            .map_err(|error| failed(&error).hint(error.hint()))?
            .ok_or_else(|| failed(&"there is no store in it"))?;
        read_keys(data)?;
        printer.note(&format!("{name} is good: format {format}"));
    }
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
