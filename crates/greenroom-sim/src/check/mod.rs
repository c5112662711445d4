//! The checkers: what must hold after each step, after each crash, and when all is calm again.

mod end;
pub(crate) mod journal;
mod ledger;
mod live;

pub(crate) use ledger::{Ledger, Sighting};
