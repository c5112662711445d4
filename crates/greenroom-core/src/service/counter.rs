//! A shared counter: `increment` and `decrement`, everything else is ignored.

use greenroom_service::{Context, Fault, Message, Outcome, Service, Session, To};

/// The counter. Its plain field survives a crash through [`Service::save`].
#[derive(Debug, Default)]
pub struct Counter {
    value: i64,
}

impl Counter {
    /// The counter with the value that was saved last; 0 without one.
    ///
    /// # Errors
    /// [`Fault`] when `saved` is not what [`Service::save`] gives.
    pub fn open(saved: Option<&[u8]>) -> Result<Self, Fault> {
        let Some(saved) = saved else {
            return Ok(Self::default());
        };
        let bytes = saved
            .try_into()
            .map_err(|_| Fault("a counter is saved in 8 bytes".into()))?;
        Ok(Self {
            value: i64::from_be_bytes(bytes),
        })
    }
}

impl Service for Counter {
    fn message(&mut self, _: &Session, message: Message, cx: &mut Context<'_>) -> Outcome {
        self.value += match message.as_text() {
            Some("increment") => 1,
            Some("decrement") => -1,
            _ => return Ok(()),
        };
        cx.send(To::All, format!("new value: {}", self.value));
        Ok(())
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some(self.value.to_be_bytes().to_vec())
    }
}
