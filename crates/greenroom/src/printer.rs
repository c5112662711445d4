//! The only place that prints: data to stdout, everything else to stderr.

use std::io::{IsTerminal as _, Write as _};

use crate::cli::{ColorWhen, GlobalOptions};
use crate::env_vars;
use crate::failure::Failure;

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const CYAN: &str = "\x1b[36m";
const RESET: &str = "\x1b[0m";

/// How much goes to stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Volume {
    /// Errors and warnings.
    Quiet,
    /// And what is being done.
    Normal,
    /// And why.
    Verbose,
}

/// Prints for one command.
#[derive(Debug)]
pub(crate) struct Printer {
    stdout_colour: bool,
    stderr_colour: bool,
    volume: Volume,
}

impl Printer {
    /// As the options and the environment say.
    pub(crate) fn new(options: &GlobalOptions) -> Self {
        let colour = |terminal| {
            wants_colour(
                options.color,
                env_vars::get(env_vars::NO_COLOR).as_deref(),
                env_vars::get(env_vars::CLICOLOR_FORCE).as_deref(),
                terminal,
            )
        };
        Self {
            stdout_colour: colour(std::io::stdout().is_terminal()),
            stderr_colour: colour(std::io::stderr().is_terminal()),
            volume: match (options.quiet, options.verbose) {
                (true, _) => Volume::Quiet,
                (false, false) => Volume::Normal,
                (false, true) => Volume::Verbose,
            },
        }
    }

    /// Before the options are known.
    pub(crate) fn plain() -> Self {
        Self::new(&GlobalOptions::default())
    }

    /// Whether stderr shows colours.
    pub(crate) const fn stderr_colour(&self) -> bool {
        self.stderr_colour
    }

    /// How much goes to stderr.
    pub(crate) const fn volume(&self) -> Volume {
        self.volume
    }

    /// Whether somebody would see how far a command is.
    pub(crate) fn shows_progress(&self) -> bool {
        self.volume != Volume::Quiet && std::io::stderr().is_terminal()
    }

    /// One piece of data, on lines of its own.
    ///
    /// # Errors
    /// When stdout takes no more: the reader went away, or its disk is full.
    pub(crate) fn data(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{text}")
            .and_then(|()| stdout.flush())
            .map_err(|e| Failure::failed(format!("cannot write to stdout: {e}")))
    }

    /// What is being done.
    pub(crate) fn note(&self, text: &str) {
        if self.volume != Volume::Quiet {
            to_stderr(text);
        }
    }

    /// What has to be answered before it is done; the line goes on.
    pub(crate) fn question(&self, text: &str) {
        let mut stderr = std::io::stderr().lock();
        let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
    }

    /// Why it is done so.
    pub(crate) fn detail(&self, text: &str) {
        if self.volume == Volume::Verbose {
            to_stderr(text);
        }
    }

    /// Something that its reader should look at.
    pub(crate) fn warning(&self, text: &str) {
        to_stderr(&format!("{} {text}", self.label("warning:", YELLOW)));
    }

    /// What to type.
    pub(crate) fn hint(&self, text: &str) {
        to_stderr(&format!("{} {text}", self.label("hint:", CYAN)));
    }

    /// The end of a command that was not done.
    pub(crate) fn failure(&self, failure: &Failure) {
        let label = self.label("error:", RED);
        to_stderr(&format!("{label} {}", failure.message));
        if let Some(excerpt) = &failure.excerpt {
            to_stderr(excerpt);
        }
        for hint in &failure.hints {
            self.hint(hint);
        }
        for other in &failure.also {
            self.failure(other);
        }
    }

    /// `text` in bold where stderr shows it.
    pub(crate) fn bold(&self, text: &str) -> String {
        self.label(text, BOLD)
    }

    /// Help that was asked for, which is data.
    ///
    /// # Errors
    /// As [`Self::data`].
    pub(crate) fn help(&self, help: &clap::builder::StyledStr) -> Result<(), Failure> {
        let text = if self.stdout_colour {
            help.ansi().to_string()
        } else {
            help.to_string()
        };
        self.data(text.trim_end())
    }

    /// Help that was not asked for, which is not.
    pub(crate) fn help_instead(&self, help: &clap::builder::StyledStr) {
        let text = if self.stderr_colour {
            help.ansi().to_string()
        } else {
            help.to_string()
        };
        to_stderr(text.trim_end());
    }

    fn label(&self, text: &str, colour: &str) -> String {
        if self.stderr_colour {
            format!("{colour}{text}{RESET}")
        } else {
            text.to_owned()
        }
    }
}

/// Nobody can be told that stderr is gone, so that is ignored.
fn to_stderr(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// The flag decides; without one `NO_COLOR`, then `CLICOLOR_FORCE`, then whether it is a terminal.
fn wants_colour(
    when: ColorWhen,
    no_color: Option<&str>,
    clicolor_force: Option<&str>,
    terminal: bool,
) -> bool {
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto if no_color.is_some() => false,
        ColorWhen::Auto => clicolor_force.is_some_and(|force| force != "0") || terminal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_over_the_environment() {
        let check = |when, no_color, force, terminal, expected| {
            assert_eq!(wants_colour(when, no_color, force, terminal), expected);
        };
        check(ColorWhen::Auto, None, None, true, true);
        check(ColorWhen::Auto, None, None, false, false);
        check(ColorWhen::Auto, Some("1"), None, true, false);
        check(ColorWhen::Auto, Some("1"), Some("1"), true, false);
        check(ColorWhen::Auto, None, Some("1"), false, true);
        check(ColorWhen::Auto, None, Some("0"), false, false);
        check(ColorWhen::Always, Some("1"), None, false, true);
        check(ColorWhen::Never, None, Some("1"), true, false);
    }
}
