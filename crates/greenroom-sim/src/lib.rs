//! Greenroom under a virtual clock, network and disk: one seed drives clients, connections, rooms,
//! a store that fails and processes that die, and checkers watch over what was promised.
//!
//! ```
//! let summary = greenroom_sim::run(1, None).expect("no promise is broken");
//! assert_eq!(summary, greenroom_sim::run(1, None).expect("the same run"));
//! ```
//! The core runs as it is: its registry, its rooms and their jobs, its protocols. Clients are real
//! yrs documents behind what y-websocket's provider does. The connections, the store's thread and
//! the loop of a room's task are models of what `greenroom-server` does with sockets and threads.
//! There is no clock, no thread and no randomness but the seed's: a seed is a run, to the byte.

mod bug;
mod check;
mod client;
mod disk;
mod plan;
mod queue;
mod rng;
mod saboteur;
mod server;
mod tally;
mod trace;
mod wire;
mod world;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use bug::Bug;
use world::World;

/// What a run without a broken promise gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// A hash of everything that happened: CRC-32 of the trace.
    pub trace_hash: u32,
    /// How many lines the trace has.
    pub trace_lines: u64,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed that shows it.
    pub seed: u64,
    /// What was broken.
    pub what: String,
    /// The last lines of the trace.
    pub tail: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.tail {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "seed {}: {}", self.seed, self.what)?;
        let seed = self.seed;
        write!(f, "run it again: GREENROOM_SIM_SEED={seed} cargo test -p greenroom-sim one_seed")
    }
}

impl std::error::Error for Failure {}

/// Runs the world of `seed`, with a bug planted in it or without.
///
/// # Errors
/// [`Failure`] when a promise was broken, or when anything panicked that may not.
pub fn run(seed: u64, bug: Option<Bug>) -> Result<Summary, Box<Failure>> {
    let mut world = World::new(seed, bug);
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    let what = match ended {
        Ok(Ok(())) => {
            let (trace_hash, trace_lines) = world.trace.sum();
            return Ok(Summary { trace_hash, trace_lines });
        }
        Ok(Err(what)) => what,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            format!("a panic: {}", text.unwrap_or("of unknown kind"))
        }
    };
    let tail = world.trace.tail().map(str::to_owned).collect();
    Err(Box::new(Failure { seed, what, tail }))
}
