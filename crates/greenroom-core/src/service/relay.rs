//! Hands every message to everybody else.

use greenroom_service::{Context, Message, Outcome, Service, Session, To};

/// The relay. It has no state, so that an empty save loses nothing and the room may be unloaded.
#[derive(Debug, Default)]
pub struct Relay;

impl Service for Relay {
    fn message(&mut self, from: &Session, message: Message, cx: &mut Context<'_>) -> Outcome {
        cx.send(To::Except(from.id), message);
        Ok(())
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some(Vec::new())
    }
}
