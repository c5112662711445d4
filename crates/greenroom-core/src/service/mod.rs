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
