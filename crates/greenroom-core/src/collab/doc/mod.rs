//! Yjs documents on the server: gate, shadow, journal and jobs, awareness.

pub mod ask;
pub mod awareness;
pub(crate) mod document;
pub mod engine;
pub mod gate;
mod integrate;
mod intervals;
pub mod job;
pub mod shadow;
pub mod update;
pub mod version;

#[cfg(test)]
mod tests;
