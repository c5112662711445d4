//! How far a long command is: on a terminal only, and only when it takes long enough to wonder.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::printer::Printer;

/// What is done by then needs no bar.
const SHOWN_AFTER: Duration = Duration::from_millis(200);

/// A bar that may never be seen.
#[derive(Debug)]
pub(crate) struct Progress {
    started: Instant,
    /// Before the number, one word.
    label: &'static str,
    /// How many bytes there will be, when that is known.
    bytes: Option<u64>,
    wanted: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins; `label` is one word.
    pub(crate) fn begin(printer: &Printer, label: &'static str, bytes: Option<u64>) -> Self {
        Self {
            started: Instant::now(),
            label,
            bytes,
            wanted: printer.shows_progress(),
            bar: None,
        }
    }

    /// So many bytes are done.
    pub(crate) fn at(&mut self, bytes: u64) {
        if !self.wanted || self.started.elapsed() < SHOWN_AFTER {
            return;
        }
        let (label, length) = (self.label, self.bytes);
        self.bar
            .get_or_insert_with(|| bar(label, length))
            .set_position(bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(label: &'static str, bytes: Option<u64>) -> ProgressBar {
    let template = match bytes {
        Some(_) => "{prefix:<11} {bar:20} {bytes} / {total_bytes}  {bytes_per_sec}   {eta} left",
        None => "{prefix:<11} {bytes}  {bytes_per_sec}   {elapsed}",
    };
    let style = ProgressStyle::with_template(template).expect("the templates are sound");
    ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr())
        .with_style(style.progress_chars("█▌░"))
        .with_prefix(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_sound() {
        for bytes in [None, Some(10)] {
            bar("Copying", bytes).finish_and_clear();
        }
    }
}
