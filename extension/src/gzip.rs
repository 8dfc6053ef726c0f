//! gzip (RFC 1952) of what is in memory whole: the frame around deflate, both ways.
//!
//! Invariants
//! - Unpacking allocates no more for the data than its limit, whatever the frame claims.
//! - One member is read. What stands behind it is not looked at.

use crc::{CRC_32_ISO_HDLC, Crc, Table};
use miniz_oxide::deflate::{CompressionLevel, compress_to_vec};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// By the smallest table, and as a static: a constant would be copied to where it is used.
static CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// No fields, no time, packed by the fastest method on an unnamed system.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];
const HEAD_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// What the data is first taken to need, however little is packed.
const LEAST: usize = 64;

/// Why bytes were not unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotUnpacked {
    /// They are not gzip, were cut short, or say another checksum or length than the data has.
    Damaged,
    /// The data is over the limit.
    TooLarge,
}

/// The data of the first member, if it is no longer than `limit`.
///
/// # Errors
/// See [`NotUnpacked`].
pub fn unpack(bytes: &[u8], limit: usize) -> Result<Vec<u8>, NotUnpacked> {
    let packed = behind_head(bytes).ok_or(NotUnpacked::Damaged)?;
    let (data, rest) = inflate(packed, limit)?;
    if rest.starts_with(&tail(&data)) {
        Ok(data)
    } else {
        Err(NotUnpacked::Damaged)
    }
}

/// One member that holds these bytes, packed as fast as can be.
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packed = HEAD.to_vec();
    packed.append(&mut compress_to_vec(bytes, CompressionLevel::BestSpeed.into()));
    packed.extend_from_slice(&tail(bytes));
    packed
}

fn behind_head(bytes: &[u8]) -> Option<&[u8]> {
    let ([0x1f, 0x8b, 8, flags, ..], mut rest) = bytes.split_first_chunk::<10>()? else {
        return None;
    };
    if flags & RESERVED != 0 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (length, behind) = rest.split_first_chunk()?;
        rest = behind.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for field in [NAME, COMMENT] {
        if flags & field != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            (_, rest) = rest.split_at_checked(end + 1)?;
        }
    }
    if flags & HEAD_CRC != 0 {
        let head = bytes.get(..bytes.len() - rest.len())?;
        let (stored, behind) = rest.split_first_chunk::<2>()?;
        if !CRC.checksum(head).to_le_bytes().starts_with(stored) {
            return None;
        }
        rest = behind;
    }
    Some(rest)
}

/// The data, and what stands behind its packed form.
fn inflate(mut packed: &[u8], limit: usize) -> Result<(Vec<u8>, &[u8]), NotUnpacked> {
    const FLAGS: u32 = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let mut state = Box::<DecompressorOxide>::default();
    let mut data = Vec::new();
    let mut end = 0;
    loop {
        let (status, read, written) = decompress(&mut state, packed, &mut data, end, FLAGS);
        packed = packed.get(read..).unwrap_or_default();
        end += written;
        match status {
            TINFLStatus::Done => {
                data.truncate(end);
                return Ok((data, packed));
            }
            TINFLStatus::HasMoreOutput if data.len() < limit => {
                let room = data.len().max(packed.len()).max(LEAST);
                let room = room.saturating_mul(2).min(limit);
                // Growing by itself, the vector would double beyond the limit.
                data.reserve_exact(room - data.len());
                data.resize(room, 0);
            }
            TINFLStatus::HasMoreOutput => return Err(NotUnpacked::TooLarge),
            _ => return Err(NotUnpacked::Damaged),
        }
    }
}

/// Checksum and length, modulo 2^32.
fn tail(data: &[u8]) -> [u8; 8] {
    let length = u64::try_from(data.len()).unwrap_or_default();
    (length << 32 | u64::from(CRC.checksum(data))).to_le_bytes()
}

#[cfg(test)]
mod tests;
