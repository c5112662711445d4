//! Webhooks: the user's own server is told what happens in rooms. What rooms mark in the durable queue
//! is delivered from there, at least once and in the order of each room; see
//! [`greenroom_core::hooks`].

mod call;
mod client;
mod deliver;
mod message;
mod rules;
mod secret;
mod target;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::Notify;

pub use rules::{Content, HookRule, HookRules};
pub use secret::{HookSecret, HookSecretError};
pub use target::{HookUrl, HookUrlError};

pub(crate) use deliver::run;

use client::HookClient;

/// What the hooks of a process share.
#[derive(Default)]
pub(crate) struct Hooks {
    /// There is a new mark in the queue.
    marked: Notify,
    client: Arc<HookClient>,
}

impl Hooks {
    /// There is a new mark in the queue.
    pub(crate) fn marked(&self) {
        self.marked.notify_one();
    }
}
