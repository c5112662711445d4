//! placeholder
use super::update::{Digest, StateVector};
use bytes::Bytes;
#[derive(Debug, Default)]
pub struct Shadow(StateVector);
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Verdict { NoOp, Ready, Pending }
impl Shadow {
    pub fn verdict(&self, _: &Digest) -> Verdict { Verdict::Ready }
    pub fn apply(&mut self, _: &Digest) {}
    pub fn pending_bytes(&self) -> usize { 0 }
    pub fn encode_state_vector(&self) -> Bytes { self.0.encode() }
    pub fn covered_by(&self, _: &StateVector) -> bool { false }
    pub fn knows_any_of(&self, _: &StateVector) -> bool { false }
    pub fn delete_set_update(&self) -> Bytes { Bytes::new() }
}
