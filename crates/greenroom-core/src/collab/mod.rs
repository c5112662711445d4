//! Collab rooms: Yjs documents, presence and Live data in one order.

pub mod doc;
