//! A service with everything that can go wrong: it counts operations of named clients, each once,
//! and panics, faults or refuses when it is told to.
//!
//! ```text
//! add WHO N   counts operation N of WHO; answered by `ack WHO N`, everybody hears `new value: V`
//! panic       changes itself, then panics
//! fault       changes itself, then gives a fault
//! refuse      refuses
//! ```

use greenroom_service::{Context, Fault, Message, Outcome, Refuse, Service, Session, To};

/// The service.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    value: u64,
}

impl Tally {
    pub(crate) fn open(saved: Option<&[u8]>) -> Result<Self, Fault> {
        let Some(saved) = saved else { return Ok(Self::default()) };
        let bytes = saved.try_into().map_err(|_| Fault("a tally is saved in 8 bytes".into()))?;
        Ok(Self { value: u64::from_be_bytes(bytes) })
    }

    fn add(&mut self, from: &Session, who: &str, n: u64, cx: &mut Context<'_>) -> Outcome {
        let last = cx.get(who.as_bytes()).map_or(0, |bytes| number(&bytes));
        if n > last + 1 {
            return Err(Refuse::new("gap", "an operation is missing").into());
        }
        if n == last + 1 {
            cx.put(who.as_bytes(), n.to_string().as_bytes());
            self.value += 1;
            cx.send(To::All, format!("new value: {}", self.value));
        }
        cx.send(To::One(from.id), format!("ack {who} {n}"));
        Ok(())
    }
}

fn number(bytes: &[u8]) -> u64 {
    std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl Service for Tally {
    fn message(&mut self, from: &Session, message: Message, cx: &mut Context<'_>) -> Outcome {
        let text = message.as_text().unwrap_or_default();
        let words: Vec<_> = text.split(' ').collect();
        match words[..] {
            ["add", who, n] => self.add(from, who, number(n.as_bytes()), cx),
            ["panic"] => {
                self.value += 1_000;
                cx.put(b"panic", b"1");
                panic!("told to panic");
            }
            ["fault"] => {
                self.value += 1_000;
                cx.send(To::All, "new value: 1000000");
                Err(Fault("told to fault".into()).into())
            }
            _ => Err(Refuse::new("nonsense", "no such message").into()),
        }
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some(self.value.to_be_bytes().to_vec())
    }
}
