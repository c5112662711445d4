//! Wire formats: one folder each, translating between frames and typed messages, sans-IO.

pub mod lib0;
pub mod websocket;
