//! What a room's owner hears of it: that a document changed, that the room was unloaded. Here is
//! what goes by IO nowhere: the marks that rooms put into the durable queue with their appends, and
//! the order in which they are worked off. A mark holds no content: whoever delivers one asks the
//! room for what it holds by then, so that a hundred changes are one delivery.

mod deliveries;
mod mark;
#[cfg(test)]
mod tests;

pub use deliveries::{Begun, Deliveries, Ended, Finished, Pace, Why};
pub use mark::{Event, Mark, Unloaded};

/// What is wanted of a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// That changes of documents are marked in the durable queue.
    pub changes: bool,
    /// That it is marked there when the room is unloaded after somebody was in it.
    pub unloads: bool,
    /// That a room in which nothing was ever written asks for its first content before it is live.
    pub first_content: bool,
}
