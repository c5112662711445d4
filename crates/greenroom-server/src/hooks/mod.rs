//! Webhooks: the user's own server is told what happens in rooms. What rooms mark in the durable queue
//! is delivered from there, at least once and in the order of each room; see
//! [`greenroom_core::hooks`].

mod authenticate;
mod call;
mod client;
mod deliver;
mod first_content;
mod message;
mod rules;
mod secret;
mod target;
#[cfg(test)]
mod tests;

use greenroom_core::limits::HOOK_ASKS_MAX;
use tokio::sync::{Notify, Semaphore};

pub use rules::{Content, HookRule, HookRules};
pub use secret::{HookSecret, HookSecretError};
pub use target::{HookUrl, HookUrlError};

pub(crate) use authenticate::Question;
pub(crate) use deliver::run;
pub(crate) use first_content::first_content;

use client::HookClient;

/// What the hooks of a process share.
pub(crate) struct Hooks {
    /// There is a new mark in the queue.
    marked: Notify,
    client: HookClient,
    /// Questions under way that somebody waits for.
    asks: Semaphore,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            marked: Notify::new(),
            client: HookClient::default(),
            asks: Semaphore::new(HOOK_ASKS_MAX),
        }
    }
}

impl Hooks {
    /// There is a new mark in the queue.
    pub(crate) fn marked(&self) {
        self.marked.notify_one();
    }
}
