//! `completions` and `reference`: what shells, man and the documentation know of the commands.

use crate::cli::{CompletionsOptions, ReferenceOptions};
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::reference;

/// Prints completions for a shell.
pub(super) fn completions(
    options: &CompletionsOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    let mut tree = reference::tree();
    clap_complete::generate(options.shell, &mut tree, "greenroom", &mut script);
    printer.data(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::Done)
}

/// Prints the reference, or writes man pages and prints where.
pub(super) fn reference(
    options: &ReferenceOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    match &options.man {
        None => printer.data(reference::markdown().trim_end())?,
        Some(directory) => {
            for page in reference::man_pages(directory)? {
                printer.data(&page.display().to_string())?;
            }
        }
    }
    Ok(ExitCode::Done)
}
