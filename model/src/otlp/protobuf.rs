//! Protobuf's fields, one by one, borrowed; and the writing of them. Knows no message.

use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field,
};

/// A message that ends inside a field, or holds what no field can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a protobuf message, or one cut short")]
pub struct Damaged;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Content<'a> {
    /// A number or a truth.
    Varint(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// Four bytes.
    Fixed32(u32),
    /// A text, bytes or a message.
    Bytes(&'a [u8]),
    /// What protobuf has given up and OTLP never had; passed over.
    Group,
}

/// The fields of a message in their order. Ends behind the first damage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) const fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// The next field's number and content.
    #[inline(never)]
    fn read(&mut self) -> Option<(u32, Content<'a>)> {
        let (number, wire_type) = decode_key(&mut self.0).ok()?;
        let content = match wire_type {
            WireType::Varint => Content::Varint(decode_varint(&mut self.0).ok()?),
            WireType::SixtyFourBit => {
                let (bytes, rest) = self.0.split_first_chunk()?;
                self.0 = rest;
                Content::Fixed64(u64::from_le_bytes(*bytes))
            }
            WireType::ThirtyTwoBit => {
                let (bytes, rest) = self.0.split_first_chunk()?;
                self.0 = rest;
                Content::Fixed32(u32::from_le_bytes(*bytes))
            }
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut self.0).ok()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Content::Bytes(bytes)
            }
            WireType::StartGroup | WireType::EndGroup => {
                skip_field(wire_type, number, &mut self.0, DecodeContext::default()).ok()?;
                Content::Group
            }
        };
        Some((number, content))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Content<'a>), Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(Damaged))
    }
}

/// Writes a number or a truth; nothing for 0, which is what a missing field says.
pub(super) fn put_varint(out: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        put_varint_always(out, number, value);
    }
}

/// Writes a number or a truth, 0 too: where a field's presence says something.
pub(super) fn put_varint_always(out: &mut Vec<u8>, number: u32, value: u64) {
    encode_key(number, WireType::Varint, out);
    encode_varint(value, out);
}

/// Writes eight bytes; nothing for 0.
pub(super) fn put_fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        put_fixed64_always(out, number, value);
    }
}

/// Writes eight bytes, 0 too.
pub(super) fn put_fixed64_always(out: &mut Vec<u8>, number: u32, value: u64) {
    encode_key(number, WireType::SixtyFourBit, out);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Writes four bytes; nothing for 0.
pub(super) fn put_fixed32(out: &mut Vec<u8>, number: u32, value: u32) {
    if value != 0 {
        encode_key(number, WireType::ThirtyTwoBit, out);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Writes a text, bytes or a whole message; nothing for an empty one.
pub(super) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_bytes_always(out, number, bytes);
    }
}

/// Writes a text, bytes or a whole message, an empty one too.
pub(super) fn put_bytes_always(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX), out);
    out.extend_from_slice(bytes);
}

/// A message that is being written: where its content begins.
#[must_use = "a message is closed, or its length is missing"]
pub(super) struct Open(usize);

/// Begins a message inside another one.
pub(super) fn open(out: &mut Vec<u8>, number: u32) -> Open {
    encode_key(number, WireType::LengthDelimited, out);
    Open(out.len())
}

/// Ends it: its length goes in front of what was written since.
pub(super) fn close(out: &mut Vec<u8>, message: Open) {
    let length = out.len().saturating_sub(message.0);
    let mut prefix = [0; 10];
    let mut free = prefix.as_mut_slice();
    encode_varint(u64::try_from(length).unwrap_or(u64::MAX), &mut free);
    let unused = free.len();
    let used = prefix.len().saturating_sub(unused);
    out.splice(message.0..message.0, prefix.into_iter().take(used));
}
