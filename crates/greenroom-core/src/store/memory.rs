//! The deterministic memory model of a store.
