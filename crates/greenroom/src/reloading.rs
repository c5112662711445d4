//! SIGHUP: reads the configuration and the keys again, gives the running server what it can take,
//! and says what it cannot.

use std::collections::BTreeSet;

use greenroom_server::Reloader;
#[cfg(feature = "tls")]
use greenroom_server::TlsError;
use greenroom_server::auth::Pattern;

use crate::config::{Entry, Environment, Flags, Options, Reload, Resolved, resolve};
use crate::failure::Failure;
use crate::logging::LogControl;
use crate::printer::Printer;
use crate::server_plan::{self, ServerPlan};

/// What a running server was started or reloaded with.
pub(crate) struct Reloading {
    flags: Flags,
    running: Resolved,
    /// What the rooms are, which only a restart changes.
    kinds: Vec<(Pattern, Option<&'static str>)>,
    keys: BTreeSet<String>,
    log: LogControl,
}

/// What came of a reload.
struct Change {
    taken: Vec<String>,
    /// What needs a restart, each with why.
    left: Vec<String>,
}

impl Reloading {
    pub(crate) fn new(flags: Flags, running: Resolved, plan: &ServerPlan, log: LogControl) -> Self {
        Self {
            flags,
            kinds: kinds(&running.options),
            running,
            keys: key_ids(plan),
            log,
        }
    }

    /// Reads everything again and tells what came of it. When anything is wrong, nothing changes.
    pub(crate) fn reload(&mut self, server: &Reloader, printer: &Printer) {
        match self.try_reload(server) {
            Ok(change) => {
                tracing::info!(
                    taken = change.taken.len(),
                    left = change.left.len(),
                    "reloaded"
                );
                let taken = match change.taken.is_empty() {
                    true => "nothing changed".to_owned(),
                    false => change.taken.join(", "),
                };
                for left in change.left {
                    printer.warning(&left);
                }
                // Last, so that whoever waits for it has read all.
                printer.note(&format!("reloaded: {taken}"));
            }
            Err(failure) => {
                tracing::warn!(problem = failure.message, "not reloaded");
                printer.failure(&failure);
                printer.note("not reloaded: everything is as it was");
            }
        }
    }

    fn try_reload(&mut self, server: &Reloader) -> Result<Change, Failure> {
        let purpose = self.running.purpose;
        let mut resolved = resolve(purpose, &self.flags, &Environment::of_process())?;
        let wanted = resolved.options.entries(purpose);
        // Who is let in depends on where the server listens: on where it does, not on where it
        // will after a restart.
        resolved.options.keep_fixed(&self.running.options);
        let plan = server_plan::plan(&resolved)?;
        let mut change = compare(&self.running.options.entries(purpose), &wanted);
        if kinds(&resolved.options) != self.kinds {
            let what =
                "rooms: patterns and kinds need a restart; rights, limits and visibility do not";
            change.left.push(what.to_owned());
        }
        let keys = key_ids(&plan);
        let added = keys
            .difference(&self.keys)
            .map(|id| format!("key {id} added"));
        let removed = self
            .keys
            .difference(&keys)
            .map(|id| format!("key {id} removed"));
        change.taken.extend(added.chain(removed));
        #[cfg(feature = "tls")]
        if server.reload_certificate().map_err(not_the_certificate)? {
            change.taken.push("the certificate's files".into());
        }
        self.log.refilter(resolved.options.filter())?;
        server.replace(plan.policy);
        self.keys = keys;
        self.running = resolved;
        Ok(change)
    }
}

#[cfg(feature = "tls")]
fn not_the_certificate(error: TlsError) -> Failure {
    Failure::failed(error.to_string()).hint(error.hint())
}

fn compare(running: &[Entry], wanted: &[Entry]) -> Change {
    let mut change = Change {
        taken: Vec::new(),
        left: Vec::new(),
    };
    for (old, new) in running.iter().zip(wanted) {
        if old.value == new.value {
            continue;
        }
        let key = &new.key;
        match new.reload {
            Reload::Taken => change.taken.push(key.clone()),
            Reload::ForNew => change
                .taken
                .push(format!("{key} (for new rooms and connections)")),
            Reload::NeedsRestart => {
                let value = new
                    .value
                    .as_ref()
                    .map_or_else(String::new, ToString::to_string);
                let origin = &new.origin;
                change
                    .left
                    .push(format!("{key}: {value} ({origin}) needs a restart"));
            }
        }
    }
    change
}

fn kinds(options: &Options) -> Vec<(Pattern, Option<&'static str>)> {
    let rules = options.rooms.value.0.iter();
    rules
        .map(|room| (room.rule.pattern.clone(), room.kind))
        .collect()
}

fn key_ids(plan: &ServerPlan) -> BTreeSet<String> {
    let keys = plan.policy.authenticator.keys().iter();
    keys.map(|key| key.id().to_owned()).collect()
}
