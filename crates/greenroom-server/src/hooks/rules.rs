//! Which rooms have which hooks: rules over room names, as those for rights.

use std::time::Duration;

use greenroom_core::hooks::{Pace, Wishes};
use greenroom_service::RoomId;

use super::secret::HookSecret;
use super::target::HookUrl;
use crate::auth::Pattern;
use crate::proxies::TrustedProxies;

/// What a hook is told of a document, besides the seq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its state as a Yjs update, v1.
    pub update: bool,
    /// Its roots as JSON.
    pub json: bool,
    /// The roots that are texts.
    pub text: bool,
}

/// What holds for the hooks of the rooms that a pattern matches. A rule says only what it says: each
/// of the others is taken from the next rule that matches and says it, at last from the defaults.
#[derive(Clone, Debug)]
pub struct HookRule {
    /// The rooms.
    pub pattern: Pattern,
    /// Who is asked about those whom no token of ours makes known.
    pub authenticate: Option<HookUrl>,
    /// Who is asked what a room is to hold at first.
    pub on_load: Option<HookUrl>,
    /// Who is told when a document changed.
    pub on_change: Option<HookUrl>,
    /// Who is told when a room was unloaded.
    pub on_unload: Option<HookUrl>,
    /// What is told of a document that changed; all when nobody says.
    pub content: Option<Content>,
    /// A change is told when the document was left alone for so long.
    pub quiet_ms: Option<u64>,
    /// A change is told so long after it at the latest.
    pub wait_ms_max: Option<u64>,
    /// How long a receiver has for its answer.
    pub deadline_ms: Option<u64>,
    /// What a receiver did not take for so long is given up.
    pub give_up_ms: Option<u64>,
}

/// The rules, and what they share.
#[derive(Clone, Debug, Default)]
pub struct HookRules {
    /// In order.
    pub rules: Vec<HookRule>,
    /// What requests are signed with: each of them signs.
    pub secrets: Vec<HookSecret>,
    /// Private addresses that may be asked; without them none.
    pub private: TrustedProxies,
}

impl Content {
    /// All of it.
    pub const ALL: Self = Self {
        update: true,
        json: true,
        text: true,
    };
}

impl HookRule {
    /// What [`quiet_ms`](Self::quiet_ms) is when nobody says.
    pub const QUIET_MS: u64 = 2_000;
    /// What [`wait_ms_max`](Self::wait_ms_max) is when nobody says.
    pub const WAIT_MS_MAX: u64 = 10_000;
    /// What [`deadline_ms`](Self::deadline_ms) is when nobody says.
    pub const DEADLINE_MS: u64 = 10_000;
    /// What [`give_up_ms`](Self::give_up_ms) is when nobody says.
    pub const GIVE_UP_MS: u64 = 72 * 60 * 60 * 1_000;

    /// A rule that says nothing yet.
    #[must_use]
    pub const fn new(pattern: Pattern) -> Self {
        Self {
            pattern,
            authenticate: None,
            on_load: None,
            on_change: None,
            on_unload: None,
            content: None,
            quiet_ms: None,
            wait_ms_max: None,
            deadline_ms: None,
            give_up_ms: None,
        }
    }
}

impl HookRules {
    fn find<'a, T>(&'a self, room: &RoomId, what: impl Fn(&'a HookRule) -> Option<T>) -> Option<T> {
        let mut matching = self.rules.iter().filter(|rule| rule.pattern.matches(room));
        matching.find_map(what)
    }

    /// What the room of this name is to do for its hooks.
    #[must_use]
    pub fn wishes_of(&self, room: &RoomId) -> Wishes {
        Wishes {
            changes: self.on_change(room).is_some(),
            unloads: self.on_unload(room).is_some(),
            first_content: self.on_load(room).is_some(),
        }
    }

    pub(super) fn authenticate(&self, room: &RoomId) -> Option<&HookUrl> {
        self.find(room, |rule| rule.authenticate.as_ref())
    }

    pub(super) fn on_load(&self, room: &RoomId) -> Option<&HookUrl> {
        self.find(room, |rule| rule.on_load.as_ref())
    }

    pub(super) fn on_change(&self, room: &RoomId) -> Option<&HookUrl> {
        self.find(room, |rule| rule.on_change.as_ref())
    }

    pub(super) fn on_unload(&self, room: &RoomId) -> Option<&HookUrl> {
        self.find(room, |rule| rule.on_unload.as_ref())
    }

    pub(super) fn content(&self, room: &RoomId) -> Content {
        self.find(room, |rule| rule.content).unwrap_or(Content::ALL)
    }

    pub(super) fn deadline(&self, room: &RoomId) -> Duration {
        let said = self.find(room, |rule| rule.deadline_ms);
        Duration::from_millis(said.unwrap_or(HookRule::DEADLINE_MS))
    }

    pub(super) fn pace(&self, room: &RoomId) -> Pace {
        let or = |said: Option<u64>, usual| said.unwrap_or(usual);
        Pace {
            quiet_ms: or(self.find(room, |rule| rule.quiet_ms), HookRule::QUIET_MS),
            wait_ms_max: or(
                self.find(room, |rule| rule.wait_ms_max),
                HookRule::WAIT_MS_MAX,
            ),
            give_up_ms: or(
                self.find(room, |rule| rule.give_up_ms),
                HookRule::GIVE_UP_MS,
            ),
        }
    }
}
