//! Who may do what in which rooms, within which limits: the part of the settings that a running
//! server can be given anew.

use std::sync::Arc;

use greenroom_core::limits::{LimitField, Limits};
use greenroom_core::room::behaviour::Visibility;
use greenroom_service::{Rights, RoomId};

use crate::auth::{AuthError, Authenticator, DefaultRights, Identity, OriginPolicy, Pattern};
use crate::hooks::HookRules;

/// Who may do what in which rooms, within which limits.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Who is let in.
    pub authenticator: Authenticator,
    /// Which pages may talk to the server.
    pub origins: OriginPolicy,
    /// The limits in force where no rule says another.
    pub limits: Arc<Limits>,
    /// What holds in the rooms of a pattern.
    pub rules: Vec<RoomRule>,
    /// Whether connections that ask for it (permessage-deflate, RFC 7692) are compressed: fewer
    /// bytes for more processor time.
    pub compression: bool,
    /// Who is told what happens in which rooms.
    pub hooks: Arc<HookRules>,
}

/// What holds in the rooms that a pattern matches. A rule says only what it says: each of the
/// others is taken from the next rule that matches and says it, at last from the defaults.
#[derive(Clone, Debug)]
pub struct RoomRule {
    /// The rooms.
    pub pattern: Pattern,
    /// What somebody without a token may do there.
    pub anonymous: Option<Rights>,
    /// What somebody may do there whose token is good and says nothing of the room.
    pub authenticated: Option<Rights>,
    /// When others see an edit of a Yjs document.
    pub visibility: Option<Visibility>,
    /// Limits other than those of the server.
    pub limits: Vec<(&'static LimitField, u64)>,
}

impl RoomRule {
    /// A rule that says nothing yet.
    #[must_use]
    pub const fn new(pattern: Pattern) -> Self {
        Self {
            pattern,
            anonymous: None,
            authenticated: None,
            visibility: None,
            limits: Vec::new(),
        }
    }
}

impl Policy {
    /// With the default limits and without rules.
    #[must_use]
    pub fn new(authenticator: Authenticator, origins: OriginPolicy) -> Self {
        Self {
            authenticator,
            origins,
            limits: Arc::default(),
            rules: Vec::new(),
            compression: false,
            hooks: Arc::default(),
        }
    }

    /// The limits of the room of this name.
    #[must_use]
    pub fn limits_of(&self, room: &RoomId) -> Arc<Limits> {
        let mut limits = Arc::clone(&self.limits);
        // The last is the weakest.
        for rule in self.matching(room).rev() {
            for (field, value) in &rule.limits {
                // One out of range was refused when the rule was made; it changes nothing here.
                let _ = field.set(Arc::make_mut(&mut limits), *value);
            }
        }
        limits
    }

    /// When others see an edit of a Yjs document in the room of this name.
    #[must_use]
    pub fn visibility_of(&self, room: &RoomId) -> Visibility {
        let said = self.matching(room).find_map(|rule| rule.visibility);
        said.unwrap_or(Visibility::Early)
    }

    /// Who bears `credential`, and what they may do in `room`; see
    /// [`Authenticator::authenticate_with`].
    ///
    /// # Errors
    /// As that.
    pub fn authenticate(
        &self,
        credential: Option<&str>,
        room: &RoomId,
        now_unix_s: u64,
    ) -> Result<Identity, AuthError> {
        let defaults = DefaultRights {
            anonymous: self.matching(room).find_map(|rule| rule.anonymous),
            authenticated: self.matching(room).find_map(|rule| rule.authenticated),
        };
        self.authenticator
            .authenticate_with(defaults, credential, room, now_unix_s)
    }

    /// The longest that an edit waits for its commit in any room: what a crash can cost.
    pub(crate) fn commit_window_ms_max(&self) -> u64 {
        let rules = self.rules.iter().flat_map(|rule| &rule.limits);
        let windows = rules.filter(|(field, _)| field.name == "commit_window_ms");
        windows.fold(self.limits.commit_window_ms, |most, (_, window)| {
            most.max(*window)
        })
    }

    fn matching<'a>(&'a self, room: &'a RoomId) -> impl DoubleEndedIterator<Item = &'a RoomRule> {
        self.rules.iter().filter(|rule| rule.pattern.matches(room))
    }
}

#[cfg(test)]
mod tests;
