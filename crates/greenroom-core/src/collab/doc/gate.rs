//! placeholder
use super::update::Digest;
use bytes::Bytes;
#[derive(Debug, Clone)]
pub struct CheckedUpdate { pub bytes: Bytes, pub digest: Digest }
pub fn check_update(bytes: Bytes) -> Result<CheckedUpdate, super::update::UpdateError> {
    let digest = Digest::read(&bytes)?;
    Ok(CheckedUpdate { bytes, digest })
}
