//! Everything of the Greenroom server that does IO.

pub mod store;
