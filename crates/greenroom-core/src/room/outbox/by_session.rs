//! Values by session, kept in the order of the ids.

use greenroom_service::SessionId;

/// A sorted list, and where the last one was found: a turn asks for a session several times and
/// then for the next, so that it is mostly found without a search. Ids grow, so that who comes
/// stands at the end.
#[derive(Debug)]
pub(super) struct BySession<T> {
    /// Sorted by id, each once.
    entries: Vec<(SessionId, T)>,
    last: usize,
}

impl<T> Default for BySession<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            last: 0,
        }
    }
}

impl<T> BySession<T> {
    pub(super) fn get(&self, session: SessionId) -> Option<&T> {
        let at = self.find(session).ok()?;
        Some(&self.entries[at].1)
    }

    pub(super) fn get_mut(&mut self, session: SessionId) -> Option<&mut T> {
        let at = self.find(session).ok()?;
        self.last = at;
        Some(&mut self.entries[at].1)
    }

    /// # Panics
    /// When the session is there.
    pub(super) fn insert(&mut self, session: SessionId, value: T) {
        let at = self.find(session).expect_err("a session enters once");
        self.entries.insert(at, (session, value));
    }

    pub(super) fn remove(&mut self, session: SessionId) -> Option<T> {
        let at = self.find(session).ok()?;
        Some(self.entries.remove(at).1)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (SessionId, &mut T)> {
        self.entries.iter_mut().map(|(id, value)| (*id, value))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().map(|(_, value)| value)
    }

    /// Where it is, or would be.
    fn find(&self, session: SessionId) -> Result<usize, usize> {
        let is_at = |at: usize| self.entries.get(at).is_some_and(|(id, _)| *id == session);
        if is_at(self.last) {
            return Ok(self.last);
        }
        if is_at(self.last + 1) {
            return Ok(self.last + 1);
        }
        self.entries.binary_search_by_key(&session, |(id, _)| *id)
    }
}

#[cfg(test)]
mod tests;
