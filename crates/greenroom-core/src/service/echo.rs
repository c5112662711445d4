//! Hands every message back to who sent it.

use greenroom_service::{Context, Message, Outcome, Service, Session, To};

/// The echo: what clients are tried with. It has no state, so that an empty save loses nothing and
/// the room may be unloaded.
#[derive(Debug, Default)]
pub struct Echo;

impl Service for Echo {
    fn message(&mut self, from: &Session, message: Message, cx: &mut Context<'_>) -> Outcome {
        cx.send(To::One(from.id), message);
        Ok(())
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some(Vec::new())
    }
}
