//! How many connections one client address has.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts connections by address where there is a limit.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// `None`: nothing is counted.
    each_max: Option<u32>,
    /// No address without a connection stays; locked to add or take off one.
    counts: Mutex<HashMap<IpAddr, u32>>,
}

/// Counts as one connection until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Option<(Arc<Crowd>, IpAddr)>);

/// The address has as many as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Crowd {
    /// Lets each address have so many.
    pub(crate) fn new(each_max: Option<u32>) -> Arc<Self> {
        Arc::new(Self {
            each_max,
            counts: Mutex::default(),
        })
    }

    /// Counts one more of `ip`.
    ///
    /// # Errors
    /// [`Full`].
    pub(crate) fn enter(self: &Arc<Self>, ip: IpAddr) -> Result<Place, Full> {
        let Some(each_max) = self.each_max else {
            return Ok(Place(None));
        };
        let ip = household(ip);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(ip).or_default();
        if *count >= each_max {
            return Err(Full);
        }
        *count += 1;
        Ok(Place(Some((Arc::clone(self), ip))))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((crowd, ip)) = &self.0 else {
            return;
        };
        let mut counts = crowd.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(ip);
            }
        }
    }
}

/// The address, or of IPv6 the /64: that is what one subscriber has, each address of it for free.
fn household(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}
