//! A Yjs document: its updates read by our own bounded reader, the shadow that says what the
//! document knows without building it, and the gate that every update passes.

pub mod gate;
mod integrate;
mod intervals;
pub mod shadow;
pub mod update;

#[cfg(test)]
mod tests;
