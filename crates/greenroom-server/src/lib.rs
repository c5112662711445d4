//! Everything of the Greenroom server that does IO.

pub mod codec;
pub mod reader;
pub mod writer;
