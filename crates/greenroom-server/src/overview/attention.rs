//! What an operator should look at, each with what to do about it.

use greenroom_core::limits::LimitField;
use serde::Serialize;
use utoipa::ToSchema;

use super::sample::{Counts, What};
use super::troubles::Trouble;
use super::{Latency, Overview};

/// Fewer refused credentials than this are somebody's expired token.
const NOT_LET_IN_MIN: u64 = 5;
/// An acknowledgement that one in a hundred waits longer for is slow.
const ACK_MS_MAX: f64 = 1_000.0;
/// A task that is woken later than this makes everybody wait.
const LAG_MS_MAX: f64 = 100.0;
/// A clock that was set by more than this is noticed by tokens and times.
const CLOCK_S_MAX: f64 = 5.0;
/// Descriptors in use, as a part of all, from which on new connections may soon fail.
const FDS_PART_MAX: f64 = 0.8;
/// The disk is told of when less than this many times the minimum is free.
const FREE_TIMES_MIN: u64 = 3;

/// Something that an operator should look at.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Attention {
    /// `error`: something does not work; `warning`: it will not for long, or for some.
    level: &'static str,
    /// Stable, for programs.
    code: &'static str,
    /// In a few words.
    title: String,
    /// In a sentence.
    detail: String,
    /// What to do about it.
    #[schema(required)]
    hint: Option<String>,
    /// The room that it is about.
    #[schema(required)]
    room: Option<String>,
}

/// What was found.
pub(super) struct Found<'a> {
    pub(super) overview: &'a Overview,
    /// Why the server is not ready.
    pub(super) reasons: &'a [String],
    /// In the window.
    pub(super) counts: Counts,
    /// In the window.
    pub(super) troubles: Vec<Trouble>,
    pub(super) clock_offset_s: f64,
    /// Whoever reaches the port may do everything, and strangers may reach it.
    pub(super) is_open_to_strangers: bool,
    /// A server for others keeps everything in memory.
    pub(super) forgets: bool,
    pub(super) now_ms: u64,
}

fn error(code: &'static str, title: impl Into<String>, detail: impl Into<String>) -> Attention {
    Attention {
        level: "error",
        ..warning(code, title, detail)
    }
}

fn warning(code: &'static str, title: impl Into<String>, detail: impl Into<String>) -> Attention {
    Attention {
        level: "warning",
        code,
        title: title.into(),
        detail: detail.into(),
        hint: None,
        room: None,
    }
}

impl Attention {
    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Found<'_> {
    /// All of it, the worst first.
    pub(super) fn attention(&self) -> Vec<Attention> {
        let mut all = self.not_ready();
        all.extend(self.rooms());
        all.extend(self.store());
        all.extend(self.access());
        all.extend(self.limits());
        all.extend(self.slow());
        all.extend(self.machine());
        all.sort_by_key(|one| one.level != "error");
        all
    }

    fn not_ready(&self) -> Vec<Attention> {
        let of = |reason: &String| {
            let (what, why) = reason.split_once(": ").unwrap_or((reason, ""));
            let hint = match what {
                "store full" => "free space on that disk; writes are taken again by themselves",
                "store read-only" => "restart the server once the cause is gone",
                _ => "nothing; it ends by itself",
            };
            let title = format!("Not ready: {what}");
            error("not_ready", title, sentence(why)).hint(hint)
        };
        self.reasons.iter().map(of).collect()
    }

    fn rooms(&self) -> Vec<Attention> {
        let mut all = Vec::new();
        for trouble in &self.troubles {
            let (title, detail) = match trouble.why {
                "store_failed" => (
                    "A room could not be stored",
                    "Its records could not be read or written; who was in it was closed.",
                ),
                _ => (
                    "A room was taken out of service",
                    "It failed again and again, or could not be loaded; it is refused for a while, then tried anew.",
                ),
            };
            let ago_s = self.now_ms.saturating_sub(trouble.at_ms) / 1_000;
            let detail = format!("{detail} That was {} ago.", span(ago_s));
            let mut one =
                error("room_trouble", title, detail).hint("the server's log has the cause");
            one.room = Some(trouble.room.as_str().to_owned());
            all.push(one);
        }
        for (kind, n) in self.counts.of(What::Fault) {
            let detail = format!(
                "{} in {} rooms made the room start anew; nothing durable was lost.",
                times(n, "event"),
                kind
            );
            let hint = "the server's log has the room and the cause: lines with `fault`";
            all.push(warning("room_fault", "Events failed", detail).hint(hint));
        }
        all
    }

    fn store(&self) -> Vec<Attention> {
        let mut all = Vec::new();
        for (reason, n) in self.counts.of(What::StoreRefused) {
            let detail = format!("{} not taken: `{reason}`.", times(n, "write"));
            all.push(
                error("store_refused", "The store refused writes", detail)
                    .hint("the server's log says why"),
            );
        }
        let store = &self.overview.store;
        if let (Some(free), Some(min)) = (store.free_bytes, store.free_min_bytes)
            && free >= min
            && free < min.saturating_mul(FREE_TIMES_MIN)
        {
            let detail = format!(
                "{} MiB are free on the disk of the store; below {} MiB writes are refused.",
                free >> 20,
                min >> 20
            );
            all.push(
                warning("disk_low", "The disk is filling up", detail)
                    .hint("free space, or move the data to a larger disk"),
            );
        }
        if self.forgets {
            let detail = "All rooms are in memory and gone when the process ends.";
            all.push(
                warning("in_memory", "Nothing is stored", detail)
                    .hint("name a directory: `--data ./data`"),
            );
        }
        all
    }

    fn access(&self) -> Vec<Attention> {
        let mut all = Vec::new();
        if self.is_open_to_strangers {
            let detail = "Whoever reaches this address may read and change every room.";
            all.push(
                error("open_access", "No token is needed", detail)
                    .hint("create a key: `greenroom token init`; then start without `--insecure`"),
            );
        }
        let refused: Vec<_> = self.counts.of(What::NotLetIn).collect();
        let sum: u64 = refused.iter().map(|(_, n)| n).sum();
        if sum >= NOT_LET_IN_MIN {
            let reasons = refused.iter().map(|(reason, n)| format!("{reason} {n}"));
            let reasons: Vec<_> = reasons.collect();
            let detail = format!(
                "{} without a good token: {}.",
                times(sum, "attempt"),
                reasons.join(", ")
            );
            all.push(
                warning("not_let_in", "People were not let in", detail)
                    .hint("`greenroom token verify TOKEN` says what is wrong with one"),
            );
        }
        for (_, n) in self.counts.of(What::Origin) {
            let detail = format!(
                "{} from pages of origins that are not allowed.",
                times(n, "request")
            );
            all.push(
                warning("origin", "Pages were turned away", detail)
                    .hint("allow a page that is yours: `--origin https://app.example.com`"),
            );
        }
        all
    }

    fn limits(&self) -> Vec<Attention> {
        let of = |(limit, n): (&str, u64)| {
            let means = LimitField::find(limit).map(|field| {
                let doc: Vec<_> = field.doc.iter().map(|line| line.trim()).collect();
                format!(" {}", doc.join(" "))
            });
            let detail = format!("{}.{}", times(n, "time"), means.unwrap_or_default());
            let one = warning("limit", format!("Limit reached: {limit}"), detail);
            match LimitField::find(limit) {
                Some(_) => one.hint(format!(
                    "set `{limit}` in `[limits]` if that was not misuse"
                )),
                None => one,
            }
        };
        self.counts.of(What::Limit).map(of).collect()
    }

    fn slow(&self) -> Vec<Attention> {
        let mut all = Vec::new();
        if let Some(ms) = one_in_100(&self.overview.ack).filter(|ms| *ms > ACK_MS_MAX) {
            let detail = format!("One in a hundred took longer than {:.1} s.", ms / 1e3);
            all.push(
                warning("slow_store", "Acknowledgements are slow", detail)
                    .hint("look at the disk of the store: `greenroom_store_append_seconds`"),
            );
        }
        if let Some(ms) = one_in_100(&self.overview.lag).filter(|ms| *ms > LAG_MS_MAX) {
            let detail = format!("One task in a hundred ran {ms:.0} ms late.");
            all.push(
                warning("busy", "The processor is busy", detail)
                    .hint("give the process more cores, or spread the rooms"),
            );
        }
        all
    }

    fn machine(&self) -> Vec<Attention> {
        let mut all = Vec::new();
        let process = &self.overview.process;
        let part = process.open_fds as f64 / process.max_fds.max(1) as f64;
        if process.max_fds > 0 && part > FDS_PART_MAX {
            let detail = format!(
                "{} of {} descriptors are open; each connection takes one.",
                process.open_fds, process.max_fds
            );
            all.push(
                warning("descriptors", "File descriptors run out", detail)
                    .hint("raise the limit: `ulimit -n`, or `LimitNOFILE=` in the unit"),
            );
        }
        if self.clock_offset_s.abs() > CLOCK_S_MAX {
            let detail = format!(
                "The machine's clock was set by {:.0} s since the server began; tokens are judged by it.",
                self.clock_offset_s
            );
            all.push(warning("clock", "The clock jumped", detail).hint("run a time service"));
        }
        all
    }
}

/// What one in a hundred is above, where there were a hundred.
fn one_in_100(latency: &Latency) -> Option<f64> {
    latency.p99_ms.filter(|_| latency.count >= 100)
}

/// `why` as a sentence of its own.
fn sentence(why: &str) -> String {
    let mut letters = why.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

fn times(n: u64, word: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {word}{s}")
}

fn span(s: u64) -> String {
    match s {
        0..60 => format!("{s} s"),
        _ => format!("{} min", s / 60),
    }
}
