//! An address of its own for each sandbox that runs: given back when it is over.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

/// Numbers in use.
static TAKEN: Mutex<BTreeSet<u8>> = Mutex::new(BTreeSet::new());

/// Port 2000 of an address that nobody else uses.
#[derive(Debug)]
pub struct Slot(u8);

impl Slot {
    /// The first that is free.
    ///
    /// # Panics
    /// 254 sandboxes run at once.
    pub fn take() -> Self {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let free = (1..=254).find(|number| !taken.contains(number));
        let number = free.expect("fewer than 254 sandboxes run at once");
        taken.insert(number);
        Self(number)
    }

    /// The address.
    pub fn udp_address(&self) -> SocketAddr {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        // Beside those of `lab::own_udp_address`.
        SocketAddr::from((Ipv4Addr::new(127, (high & 0x3f) | 0x80, low, self.0), 2000))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        taken.remove(&self.0);
    }
}
