//! An editor: a document behind what y-websocket's provider does.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use greenroom_core::protocol::lib0::{Reader, put_var_bytes, put_var_uint};
use greenroom_service::Message;
use yrs::StateVector;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;

use super::awareness::Awareness;
use super::replica::{Replica, clocks};
use crate::rng::Rng;

/// What a frame was about.
#[derive(Debug)]
pub(crate) enum Heard {
    /// An update that was relayed.
    Update(Bytes),
    /// The answer to a sync step 1.
    Answer(Bytes),
    /// The server's state vector.
    Vector,
    /// A refusal, with its reason.
    Denied(String),
    Other,
    /// It cannot be read.
    Nonsense,
}

/// An editor.
pub(crate) struct Editor {
    pub(crate) replica: Replica,
    pub(crate) client: u64,
    pub(crate) awareness: Awareness,
    /// A sync step 2 has come on this connection.
    pub(crate) synced: bool,
    /// Every update that it ever made.
    pub(crate) made: Vec<Bytes>,
    /// The deletions that the server answered with when nothing else was lacking.
    pub(crate) answer: Option<Bytes>,
    /// The newest state vector of the server.
    pub(crate) server_vector: Option<BTreeMap<u64, u32>>,
}

impl std::fmt::Debug for Editor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Editor")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl Editor {
    pub(crate) fn new(client: u64, silent: bool, now: u64) -> Self {
        Self {
            replica: Replica::new(client),
            client,
            awareness: Awareness::new(client, silent, now),
            synced: false,
            made: Vec::new(),
            answer: None,
            server_vector: None,
        }
    }

    /// What the provider says when its socket opens.
    pub(crate) fn opened(&mut self) -> Vec<Message> {
        self.synced = false;
        let mut say = vec![self.step1()];
        say.extend(self.awareness.encode_own().map(|body| message(&[1], &body)));
        say
    }

    /// Asks for what it lacks.
    pub(crate) fn step1(&self) -> Message {
        message(&[0, 0], &self.replica.state_vector().encode_v1())
    }

    /// Its socket closed.
    pub(crate) fn lost(&mut self) {
        self.synced = false;
        self.awareness.forget_others();
    }

    /// A random edit; gives what the provider says of it.
    pub(crate) fn write(&mut self, rng: &mut Rng) -> Message {
        let update = self.replica.write(rng);
        self.made.push(update.clone());
        message(&[0, 2], &update)
    }

    /// Its cursor moves.
    pub(crate) fn move_cursor(&mut self, rng: &mut Rng, now: u64) -> Message {
        let state = format!("{{\"cursor\":{}}}", rng.below(1_000));
        let body = self.awareness.set_own(state.into(), now);
        message(&[1], &body)
    }

    /// Looks at the clock.
    pub(crate) fn tick(&mut self, now: u64) -> Vec<Message> {
        self.awareness
            .tick(now)
            .iter()
            .map(|body| message(&[1], body))
            .collect()
    }

    /// A binary frame has come; what it was about, and what the provider says to it.
    pub(crate) fn heard(&mut self, payload: &[u8], now: u64) -> (Heard, Vec<Message>) {
        self.read(payload, now)
            .unwrap_or((Heard::Nonsense, Vec::new()))
    }

    fn read(&mut self, payload: &[u8], now: u64) -> Option<(Heard, Vec<Message>)> {
        let mut reader = Reader::new(payload);
        let (kind, mut say) = (reader.var_uint().ok()?, Vec::new());
        let heard = match kind {
            0 => {
                let step = reader.var_uint().ok()?;
                let body = reader.var_bytes().ok()?;
                self.sync(step, body, &mut say)?
            }
            1 => {
                let echo = self.awareness.apply(reader.var_bytes().ok()?, now);
                say.extend(echo.map(|body| message(&[1], &body)));
                Heard::Other
            }
            2 => {
                reader.var_uint().ok()?;
                Heard::Denied(reader.var_string().ok()?.to_owned())
            }
            3 => {
                say.push(message(&[1], &self.awareness.encode_all()));
                Heard::Other
            }
            _ => return None,
        };
        Some((heard, say))
    }

    fn sync(&mut self, step: u64, body: &[u8], say: &mut Vec<Message>) -> Option<Heard> {
        if step == 0 {
            let vector = StateVector::decode_v1(body).ok()?;
            let lacks = self.replica.diff(&vector);
            say.push(message(&[0, 1], &lacks));
            self.server_vector = Some(clocks(&vector));
            return Some(Heard::Vector);
        }
        self.replica.apply(body).ok()?;
        let body = Bytes::copy_from_slice(body);
        if step == 1 {
            self.synced = true;
            self.answer = Some(body.clone());
            return Some(Heard::Answer(body));
        }
        Some(Heard::Update(body))
    }
}

/// A message of the provider: its kinds, then its body as varBytes.
pub(crate) fn message(kinds: &[u8], body: &[u8]) -> Message {
    let mut out = BytesMut::with_capacity(body.len() + 8);
    for kind in kinds {
        put_var_uint(&mut out, u64::from(*kind));
    }
    put_var_bytes(&mut out, body);
    Message::Binary(out.freeze())
}
