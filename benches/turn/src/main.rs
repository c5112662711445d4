//! Runs a room's turns on virtual time, without sockets, store or clock, so that the instructions
//! of one can be counted: `turn WORKLOAD TURNS`. Two counts of different numbers of turns give the
//! cost of one, for making the room costs the same in both.
//!
//! The same arguments run the same instructions: nothing here is random, no job runs, and what a
//! turn is given is made before the first one. `cargo xtask turn` counts and compares.

mod driver;
mod frames;
mod workload;

use anyhow::{Context, Result, bail};

use workload::Workload;

const USAGE: &str = "usage: turn WORKLOAD TURNS, at most 2,000 of them";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, turns] = arguments.as_slice() else {
        bail!(USAGE);
    };
    let turns: usize = turns.parse().context(USAGE)?;
    let workload = Workload::named(name)
        .with_context(|| format!("no workload {name}; there are {}", Workload::names()))?;
    if turns > workload::TURNS_MAX {
        bail!(USAGE);
    }
    workload.run(turns)
}
