//! Sizes in bytes.

use std::fmt;
use std::str::FromStr;

/// A number of bytes. Reads `8MiB`, `512KiB`, `1GiB`, `64KB` (same as KiB) or plain bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteCount(u64);

const KIB: u64 = 1024;

impl ByteCount {
    /// No bytes.
    pub const ZERO: Self = Self(0);

    /// This many bytes.
    pub const fn bytes(count: u64) -> Self {
        Self(count)
    }

    /// This many times 1,048,576 bytes.
    pub const fn mib(count: u64) -> Self {
        Self(count.saturating_mul(KIB * KIB))
    }

    /// The length of something in memory.
    pub fn of(length: usize) -> Self {
        Self(u64::try_from(length).unwrap_or(u64::MAX))
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum, at most the largest count there is.
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, at least zero.
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// A text that is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a size such as 8MiB")]
pub struct SizeError;

impl FromStr for ByteCount {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| SizeError)?;
        let unit = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "kib" => KIB,
            "m" | "mb" | "mib" => KIB * KIB,
            "g" | "gb" | "gib" => KIB * KIB * KIB,
            _ => return Err(SizeError),
        };
        number.checked_mul(unit).map(Self).ok_or(SizeError)
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, name) in [(KIB * KIB * KIB, "GiB"), (KIB * KIB, "MiB"), (KIB, "KiB")] {
            if self.0 >= unit && self.0.is_multiple_of(unit) {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        write!(f, "{}B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, bytes) in [
            ("8MiB", 8 << 20),
            ("8 mb", 8 << 20),
            ("64k", 65_536),
            ("1GiB", 1 << 30),
            ("17", 17),
        ] {
            assert_eq!(text.parse(), Ok(ByteCount::bytes(bytes)), "{text}");
        }
        for text in ["", "lots", "-1", "8MiBs", "1.5MiB", "99999999999GiB", "MiB"] {
            assert_eq!(text.parse::<ByteCount>(), Err(SizeError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_size_survives_printing(bytes in any::<u64>()) {
            let size = ByteCount::bytes(bytes);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = text.parse::<ByteCount>();
        }
    }
}
