//! What `dev` says of rooms and people: one line each, `09:14:02Z  + alice  my-room  joined by yjs`.

#[cfg(test)]
mod tests;

use std::fmt::{self, Debug, Write as _};

use greenroom_server::LIFECYCLE_TARGET;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber, span};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::{Compact, Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::text::counted;
use crate::time_text::{now_unix_s, rfc3339};

const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// Writes events of a lifecycle as lines of this page, all others as `rest` does.
pub(crate) struct DevLines {
    pub(crate) rest: Format<Compact>,
}

impl<S, N> FormatEvent<S, N> for DevLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        cx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() != LIFECYCLE_TARGET {
            return self.rest.format_event(cx, writer, event);
        }
        let mut about = About::default();
        for span in cx
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(outer) = span.extensions().get::<About>() {
                about.take(outer);
            }
        }
        event.record(&mut about);
        let time = rfc3339(now_unix_s());
        let time = time.split_once('T').map_or(&*time, |(_, time)| time);
        let colour = writer.has_ansi_escapes();
        writeln!(writer, "{}", about.line(time, colour))
    }
}

/// Keeps what spans are about where [`DevLines`] finds it.
pub(crate) struct KeepAbout;

impl<S> Layer<S> for KeepAbout
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, cx: Context<'_, S>) {
        if let Some(span) = cx.span(id) {
            let mut about = About::default();
            attributes.record(&mut about);
            span.extensions_mut().insert(about);
        }
    }
}

/// The fields of lifecycle events and of the spans that they stand in.
#[derive(Clone, Debug, Default)]
struct About {
    message: String,
    room: String,
    user: String,
    kind: String,
    protocol: String,
    reason: String,
    why: String,
    sessions: u64,
    protocols: u64,
}

impl About {
    /// Takes over whom a span is about.
    fn take(&mut self, outer: &Self) {
        for (mine, theirs) in [(&mut self.room, &outer.room), (&mut self.user, &outer.user)] {
            if !theirs.is_empty() {
                mine.clone_from(theirs);
            }
        }
    }

    fn line(&self, time: &str, colour: bool) -> String {
        let (sign, shade, what) = match &*self.message {
            "opened" => ("*", DIM, format!("opened, {}", self.kind)),
            "closed" => ("*", DIM, format!("closed: {}", plain(&self.why))),
            "joined" => (
                "+",
                GREEN,
                format!("{:<12}{}", self.protocol, self.company()),
            ),
            "left" => ("-", DIM, format!("{:<12}{}", "left", self.company())),
            _ => (
                "!",
                YELLOW,
                format!("{}: {}", self.reason, plain(&self.why)),
            ),
        };
        let user = match (sign, &*self.user) {
            ("*", _) => String::new(),
            (_, "") => "somebody".to_owned(),
            (_, user) => plain(user),
        };
        let line = format!("{sign} {user:<12}{:<16}  {what}", plain(&self.room));
        match colour {
            true => format!("{DIM}{time}{RESET}  {shade}{line}{RESET}"),
            false => format!("{time}  {line}"),
        }
    }

    /// Who is in the room now.
    fn company(&self) -> String {
        let mut text = counted(self.sessions, "session", "sessions");
        if self.protocols > 1 {
            // Writing to a string does not fail.
            let _ = write!(text, ", {} protocols", self.protocols);
        }
        text
    }
}

/// Names are chosen by others: what would move a terminal's cursor is shown and not done.
fn plain(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

impl Visit for About {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "sessions" => self.sessions = value,
            "protocols" => self.protocols = value,
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let place = match field.name() {
            "message" => &mut self.message,
            "room" => &mut self.room,
            "user" => &mut self.user,
            "kind" => &mut self.kind,
            "protocol" => &mut self.protocol,
            "reason" => &mut self.reason,
            "why" => &mut self.why,
            _ => return,
        };
        *place = format!("{value:?}");
    }
}
