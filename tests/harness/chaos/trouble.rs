//! What can go wrong for a while around the destination, the memory and the files of a sandbox.

use crate::destination::{Certificate, Door};
use crate::resolver::Answers;

/// How the extension finds its destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reach {
    /// Over TLS, with a certificate of an authority that `AWS_CA_BUNDLE` names.
    pub is_secure: bool,
    /// By a name, which its own name server knows.
    pub is_named: bool,
}

/// What is wrong for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Connections meet this door.
    Door(Door),
    /// Connections get this certificate.
    Certificate(Certificate),
    /// The name server answers like this.
    Name(Answers),
    /// The destination's clock is so many seconds ahead.
    Clock(i64),
    /// The key that was used last has expired, for ever.
    Expiry,
    /// The system says that so little memory is left.
    Memory(Headroom),
    /// Somebody gets at the spill files, once.
    Files(Damage),
}

/// What the system says is left of the function's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Headroom {
    /// Enough.
    Ample,
    /// Little.
    Low,
    /// Next to nothing.
    Critical,
}

impl Headroom {
    /// `/proc/meminfo` of a sandbox of this size, always of the same length.
    pub fn meminfo(self, megabytes: u32) -> String {
        let total = u64::from(megabytes) * 1024;
        let available = match self {
            Self::Ample => total - total / 4,
            Self::Low => total / 11,
            Self::Critical => total / 32,
        };
        format!(
            "MemTotal:       {total:>8} kB\nMemFree:        {available:>8} kB\nMemAvailable:   {available:>8} kB\n"
        )
    }
}

/// What is done to the spill files. A place is taken by its remainder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// One bit of the largest file is turned.
    Flip {
        /// Which.
        place: u64,
    },
    /// A few hundred bytes of the largest file are overwritten.
    Noise {
        /// From where.
        place: u64,
    },
    /// The largest file is cut off.
    Cut {
        /// Where.
        place: u64,
    },
    /// One file is taken away.
    Gone {
        /// Which.
        place: u64,
    },
    /// Everything is taken away, as what tidies /tmp does.
    Swept,
    /// Everything is taken away, and a link elsewhere lies in its place.
    Link,
}
