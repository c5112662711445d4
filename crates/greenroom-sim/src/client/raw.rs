//! A client of a service: sends operations, counts what is acknowledged, sends again what is not.

use greenroom_service::Message;

use crate::plan::Kind;
use crate::rng::Rng;

/// A client of a counter or a tally.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) who: String,
    kind: Kind,
    /// Operations made so far, and the last of them that was acknowledged.
    pub(crate) made: u64,
    pub(crate) acked: u64,
    /// The last that was sent on this connection.
    sent: u64,
    /// The newest value that it heard of on this connection.
    heard: Option<u64>,
    /// Something was refused, and is to be sent again.
    pub(crate) refused: bool,
}

impl Raw {
    pub(crate) const fn new(who: String, kind: Kind) -> Self {
        Self { who, kind, made: 0, acked: 0, sent: 0, heard: None, refused: false }
    }

    /// A new connection: what was not acknowledged is sent again.
    pub(crate) fn opened(&mut self) -> Vec<Message> {
        self.heard = None;
        self.sent = self.acked;
        self.send_rest()
    }

    /// A new operation.
    pub(crate) fn write(&mut self) -> Vec<Message> {
        self.made += 1;
        self.send_rest()
    }

    /// A word that its room does not survive well.
    pub(crate) fn offend(rng: &mut Rng) -> Message {
        Message::from(*rng.pick(&["panic", "fault", "refuse"]))
    }

    /// Sends again from the first that was not acknowledged: one was refused.
    pub(crate) fn send_again(&mut self) -> Vec<Message> {
        self.sent = self.acked;
        self.send_rest()
    }

    fn send_rest(&mut self) -> Vec<Message> {
        // The counter knows no operations: what it was sent is never sent again.
        if self.kind == Kind::Counter {
            let fresh = self.made - self.acked;
            self.acked = self.made;
            return (0..fresh).map(|_| Message::from("increment")).collect();
        }
        let first = self.sent + 1;
        self.sent = self.made;
        (first..=self.made).map(|n| Message::from(format!("add {} {n}", self.who))).collect()
    }

    /// A text frame has come; an error when it breaks a promise.
    pub(crate) fn heard(&mut self, text: &str) -> Result<(), String> {
        if let Some(value) = text.strip_prefix("new value: ") {
            let value = value.parse().map_err(|_| format!("a value {value:?}"))?;
            let before = self.heard.replace(value);
            if before.is_some_and(|before| before >= value) {
                return Err(format!("{} heard {value} after {before:?}", self.who));
            }
        } else if let Some(acked) = text.strip_prefix("ack ") {
            let n = acked.strip_prefix(&self.who).and_then(|n| n.trim().parse().ok());
            let n: u64 = n.ok_or_else(|| format!("{} heard {text:?}", self.who))?;
            if n > self.made {
                return Err(format!("{} was acknowledged {n} of {}", self.who, self.made));
            }
            self.acked = self.acked.max(n);
        } else if text.starts_with("{\"error\"") {
            self.refused = true;
        } else {
            return Err(format!("{} heard {text:?}", self.who));
        }
        Ok(())
    }
}
