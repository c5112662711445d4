//! The state vector: how far each client is known.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use crate::protocol::lib0::{ReadError, Reader, put_var_uint};

/// Per client the first clock that is not known. Clients at zero are left out.
///
/// Wire format v1: varUint count, then as often varUint client, varUint clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateVector(BTreeMap<u64, u32>);

impl StateVector {
    /// Reads a state vector. Its memory is bounded by 16 times the input.
    ///
    /// # Errors
    /// [`ReadError`]: too short, a count that the bytes cannot hold, a clock beyond 32 bits.
    /// Bytes that follow it are ignored, as Yjs does.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(bytes);
        let mut clocks = BTreeMap::new();
        for _ in 0..reader.count(2)? {
            let client = reader.var_uint()?;
            let clock = reader.var_u32()?;
            if clock > 0 {
                clocks.insert(client, clock);
            }
        }
        Ok(Self(clocks))
    }

    /// Writes the state vector, the highest client first as Yjs does.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(1 + self.0.len() * 8);
        put_var_uint(&mut out, self.0.len() as u64);
        for (&client, &clock) in self.0.iter().rev() {
            put_var_uint(&mut out, client);
            put_var_uint(&mut out, clock.into());
        }
        out.freeze()
    }

    /// The first unknown clock of that client.
    #[must_use]
    pub fn get(&self, client: u64) -> u32 {
        self.0.get(&client).copied().unwrap_or(0)
    }

    /// The clients and their clocks, lowest client first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u32)> {
        self.0.iter().map(|(&client, &clock)| (client, clock))
    }
}

impl FromIterator<(u64, u32)> for StateVector {
    fn from_iter<I: IntoIterator<Item = (u64, u32)>>(clocks: I) -> Self {
        let clocks = clocks.into_iter().filter(|(_, clock)| *clock > 0);
        Self(clocks.collect())
    }
}
