//! Starts the log: lifecycle events on stderr, never payloads, keys or tokens.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Format;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogForm;
use crate::dev_lines::{DevLines, KeepAbout};
use crate::failure::Failure;
use crate::printer::{Printer, Volume};
use crate::server_plan::Purpose;

/// Changes what is logged while the process runs.
pub(crate) struct LogControl {
    replace: Box<dyn Fn(EnvFilter)>,
    purpose: Purpose,
    volume: Volume,
}

impl LogControl {
    /// From now on `wanted` is the filter, else the volume.
    ///
    /// # Errors
    /// When `wanted` is not a filter.
    pub(crate) fn refilter(&self, wanted: Option<&str>) -> Result<(), Failure> {
        (self.replace)(filter(wanted, self.purpose, self.volume)?);
        Ok(())
    }
}

/// Starts the log of this process, filtered by `wanted`, else by the volume. Call it once.
///
/// # Errors
/// When `wanted` is not a filter.
pub(crate) fn start(
    purpose: Purpose,
    form: LogForm,
    wanted: Option<&str>,
    printer: &Printer,
) -> Result<LogControl, Failure> {
    let volume = printer.volume();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter(wanted, purpose, volume)?)
        .with_writer(std::io::stderr)
        .with_ansi(printer.stderr_colour());
    let text = match form {
        LogForm::Text => true,
        LogForm::Json => false,
        LogForm::Auto => std::io::stderr().is_terminal(),
    };
    // A failure means that the log is gone, which ends with the process.
    let replace: Box<dyn Fn(EnvFilter)> = if text && purpose == Purpose::Dev {
        let lines = DevLines {
            rest: Format::default().compact(),
        };
        let log = log.event_format(lines).with_filter_reloading();
        let handle = log.reload_handle();
        log.finish().with(KeepAbout).init();
        Box::new(move |filter| drop(handle.reload(filter)))
    } else if text {
        let log = log.compact().with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        Box::new(move |filter| drop(handle.reload(filter)))
    } else {
        let log = log.json().flatten_event(true).with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        Box::new(move |filter| drop(handle.reload(filter)))
    };
    Ok(LogControl {
        replace,
        purpose,
        volume,
    })
}

fn filter(wanted: Option<&str>, purpose: Purpose, volume: Volume) -> Result<EnvFilter, Failure> {
    let text = wanted.unwrap_or(match volume {
        Volume::Quiet => "warn",
        Volume::Normal if purpose == Purpose::Dev => "info,greenroom_server::lifecycle=debug",
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
            assert!(filter(None, Purpose::Serve, volume).is_ok());
            assert!(filter(None, Purpose::Dev, volume).is_ok());
        }
        assert!(filter(Some("debug"), Purpose::Dev, Volume::Normal).is_ok());
        let failure = filter(Some("a=b=c"), Purpose::Dev, Volume::Normal).unwrap_err();
        assert_eq!(failure.code, crate::exit_codes::ExitCode::Usage);
    }
}
