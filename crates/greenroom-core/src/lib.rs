//! The sans-IO heart of Greenroom: rooms, protocols, built-in behaviours, registry, store contract.

pub mod close_reason;
pub mod collab;
pub mod export;
pub mod hooks;
pub mod limits;
pub mod protocol;
pub mod registry;
pub mod room;
pub mod service;
pub mod store;
