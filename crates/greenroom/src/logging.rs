//! Starts the log: lifecycle events on stderr, never payloads, keys or tokens.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::LogForm;
use crate::failure::Failure;
use crate::printer::{Printer, Volume};

/// Starts the log of this process, filtered by `wanted`, else by the volume. Call it once.
///
/// # Errors
/// When `wanted` is not a filter.
pub(crate) fn start(form: LogForm, wanted: Option<&str>, printer: &Printer) -> Result<(), Failure> {
    let filter = filter(wanted, printer.volume())?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(printer.stderr_colour());
    let text = match form {
        LogForm::Text => true,
        LogForm::Json => false,
        LogForm::Auto => std::io::stderr().is_terminal(),
    };
    if text {
        log.compact().init();
    } else {
        log.json().flatten_event(true).init();
    }
    Ok(())
}

fn filter(wanted: Option<&str>, volume: Volume) -> Result<EnvFilter, Failure> {
    let text = wanted.unwrap_or(match volume {
        Volume::Quiet => "warn",
        Volume::Normal => "info",
        Volume::Verbose => "info,greenroom=debug,greenroom_server=debug,greenroom_core=debug",
    });
    EnvFilter::builder()
        .parse(text)
        .map_err(|error| Failure::usage(format!("`{text}` is not a filter of the log: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_of_ours_is_one() {
        for volume in [Volume::Quiet, Volume::Normal, Volume::Verbose] {
            assert!(filter(None, volume).is_ok());
        }
        assert!(filter(Some("debug"), Volume::Normal).is_ok());
        let failure = filter(Some("a=b=c"), Volume::Normal).unwrap_err();
        assert_eq!(failure.code, crate::exit_codes::ExitCode::Usage);
    }
}
