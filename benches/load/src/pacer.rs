//! Writers at a steady rate.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::swarm::{Payload, Swarm};

/// Lets the writers of some rooms write one after the other, evenly over the time, so that rooms
/// do not beat in step.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// The first room, and how many.
    pub(crate) first_room: usize,
    pub(crate) rooms: usize,
    /// Writers per room.
    pub(crate) writers: usize,
    /// Updates per second of each writer.
    pub(crate) rate: f64,
    pub(crate) payload: Payload,
    /// Bytes of text in an update, or of JSON in a presence.
    pub(crate) text_bytes: usize,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) updates: u64,
    /// The deliveries that they should make.
    pub(crate) expected: u64,
}

impl Pacer {
    /// Writes for so long. `meanwhile` is called before each update.
    ///
    /// # Errors
    /// When the server closes the connection of a writer, or `meanwhile` fails.
    pub(crate) fn run(
        &self,
        swarm: &mut Swarm,
        time: Duration,
        mut meanwhile: impl FnMut(&mut Swarm) -> Result<()>,
    ) -> Result<Written> {
        let writers = self.rooms * self.writers;
        let gap_s = 1.0 / (self.rate * writers as f64);
        let updates = (time.as_secs_f64() / gap_s) as u64;
        let started = Instant::now();
        let mut expected = 0;
        for update in 0..updates {
            meanwhile(swarm)?;
            let due = started + Duration::from_secs_f64(gap_s * update as f64);
            loop {
                // A poll waits for whole milliseconds, rounded up; what fell due meanwhile is
                // written at once after it.
                swarm.turn(due.saturating_duration_since(Instant::now()))?;
                if Instant::now() >= due {
                    break;
                }
            }
            let turn = update as usize % writers;
            let (room, writer) = (self.first_room + turn % self.rooms, turn / self.rooms);
            expected += swarm.write(room, writer, self.payload, self.text_bytes)?;
        }
        Ok(Written { updates, expected })
    }
}
