//! Unpacks bodies, within a bound on what they unpack to.
//!
//! Pure.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Not at all.
    Plain,
    /// `gzip`
    Gzip,
    /// `deflate`, which HTTP means zlib's form by.
    Deflate,
}

impl Packing {
    /// What a `Content-Encoding` says. None if it says something else.
    pub(crate) fn of(encoding: &str) -> Option<Self> {
        match encoding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Plain),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            _ => None,
        }
    }
}

/// Why a body cannot be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotUnpacked {
    /// Something else, or cut short.
    #[error("the body is not what its content encoding says, or was cut short")]
    Damaged,
    /// More than the bound comes of it.
    #[error("the body unpacks to more than {0} bytes: export fewer spans at once")]
    TooLarge(usize),
}

/// What was packed, if that is at most so many bytes.
pub(crate) fn unpack(body: &[u8], packing: Packing, max_bytes: usize) -> Result<Cow<'_, [u8]>, NotUnpacked> {
    match packing {
        Packing::Plain if body.len() > max_bytes => Err(NotUnpacked::TooLarge(max_bytes)),
        Packing::Plain => Ok(Cow::Borrowed(body)),
        Packing::Gzip => read(MultiGzDecoder::new(body), max_bytes).map(Cow::Owned),
        Packing::Deflate => read(ZlibDecoder::new(body), max_bytes).map(Cow::Owned),
    }
}

fn read(packed: impl Read, max_bytes: usize) -> Result<Vec<u8>, NotUnpacked> {
    let mut unpacked = Vec::new();
    let one_more = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    packed
        .take(one_more)
        .read_to_end(&mut unpacked)
        .map_err(|_| NotUnpacked::Damaged)?;
    if unpacked.len() > max_bytes {
        return Err(NotUnpacked::TooLarge(max_bytes));
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests;
