//! The store of a test room, in the test's hands.

use greenroom_service::Millis;

use super::TestRoom;
use crate::room::Input;
use crate::store::memory::MemoryStore;
use crate::store::{ListFilter, RoomMeta, StoreError, StoreReply, StoreRequest};

impl TestRoom {
    /// From now on requests to the store wait for [`answer_store`](Self::answer_store).
    pub fn hold_store(&mut self) {
        self.holds_store = true;
    }

    /// The requests that wait, oldest first.
    #[must_use]
    pub fn held_requests(&self) -> Vec<StoreRequest> {
        let requests = self.held_requests.iter();
        requests.map(|(_, request)| request.clone()).collect()
    }

    /// The store does the oldest request that waits and answers; false when there is none.
    pub fn answer_store(&mut self) -> bool {
        let Some((task, request)) = self.held_requests.pop_front() else {
            return false;
        };
        let reply = self.store.handle(request);
        self.input(Input::StoreDone(task, reply));
        true
    }

    /// The oldest request that waits is not done, and answered so; false when there is none.
    pub fn answer_store_with(&mut self, reply: StoreReply) -> bool {
        let Some((task, _)) = self.held_requests.pop_front() else {
            return false;
        };
        self.input(Input::StoreDone(task, reply));
        true
    }

    /// The store does what waits, and from now on each request at once.
    pub fn release_store(&mut self) {
        self.holds_store = false;
        while self.answer_store() {}
    }

    /// The next request fails, and is not done.
    pub fn fail_store(&mut self, error: StoreError) {
        self.store.fail_next(error);
    }

    /// The store itself: to look into it, or to damage it.
    pub fn store(&mut self) -> &mut MemoryStore {
        &mut self.store
    }

    /// What the store knows of the room; `None` when nothing was ever written to it.
    ///
    /// # Panics
    /// When the store fails.
    pub fn meta(&mut self) -> Option<RoomMeta> {
        let filter = ListFilter {
            limit: 1,
            ..ListFilter::default()
        };
        match self.store.handle(StoreRequest::List(filter)) {
            StoreReply::Rooms(rooms) => rooms.into_iter().next(),
            other => panic!("a store that answers {other:?}"),
        }
    }

    /// When the store says that the room wants to be loaded.
    pub(super) fn wake_at(&mut self) -> Option<Millis> {
        let request = StoreRequest::Due {
            before: Millis(u64::MAX),
            limit: 1,
        };
        match self.store.apply(request) {
            StoreReply::Due(due) => due.first().map(|(_, at)| *at),
            other => panic!("a store that answers {other:?}"),
        }
    }
}
