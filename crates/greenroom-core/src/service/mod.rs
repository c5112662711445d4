//! Services in rooms: the adapter that runs any [`Service`](greenroom_service::Service) as a
//! [`Behaviour`], and the services that come with it.

mod adapter;
mod counter;
mod echo;
mod relay;
mod state;
#[cfg(any(test, feature = "testing"))]
pub mod test_room;
#[cfg(test)]
mod tests;

pub(crate) use state::ImportedState;

pub use counter::Counter;
pub use echo::Echo;
pub use relay::Relay;

use std::sync::Arc;

use greenroom_service::Factory;

use crate::room::behaviour::{Behaviour, BehaviourFactory};

/// Makes rooms that run the services of `factory`.
#[must_use]
pub fn service_rooms(factory: Arc<Factory>) -> Arc<BehaviourFactory> {
    Arc::new(move |_| Box::new(adapter::Adapter::new(Arc::clone(&factory))) as Box<dyn Behaviour>)
}

/// Reads the durable state of a service as loading it does, and gives its snapshot: a reader that
/// must hold whatever is stored.
///
/// # Errors
/// Why a part of it cannot be read.
#[cfg(any(test, feature = "testing"))]
pub fn read_past(
    past: &crate::room::behaviour::Past,
) -> Result<bytes::Bytes, greenroom_service::Fault> {
    state::State::of_past(past).map(|(state, _)| state.to_snapshot())
}
