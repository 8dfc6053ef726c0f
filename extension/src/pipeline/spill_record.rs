//! How a document lies in a spill file.
//!
//! A record is a head of [`HEAD_BYTES`] and the document, a span with all that it came with:
//!
//! | bytes | content |
//! | --- | --- |
//! | 4 | magic; its first byte is never part of UTF-8, so no valid document contains it |
//! | 1 | state: waits, or settled; overwritten in place and therefore not under the checksum |
//! | 4 | CRC-32 of all that follows, little-endian like every number here |
//! | 1 | value |
//! | 4 | length of the document |
//! | 8 | arrival, in microseconds since 1970 |
//!
//! The function's own code can reach the file, so nothing in it is believed: what does not fit its checksum is
//! skipped up to the next magic, and costs itself alone. Lengths are not trusted for that: one wrong length
//! would cost what lies behind it.

use model::time::Timestamp;

use super::document::{Document, Value};
use crate::limits::SPILL_DOCUMENT_MAX;

const MAGIC: [u8; 4] = [0xF5, b'f', b's', b'1'];
/// Bytes in front of the document.
pub const HEAD_BYTES: usize = 22;
/// Where the state stands in a record.
pub const STATE_AT: u64 = 4;
/// The state of a document that was taken by X-Ray or refused.
pub const SETTLED: u8 = 0x96;
/// The state of every other: no bit in common, so that no flipped bit makes one of the other.
const WAITS: u8 = 0x69;

/// A document in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored<'a> {
    /// Its bytes, which nobody has looked at yet.
    pub document: &'a [u8],
    /// What it was worth.
    pub value: Value,
    /// When it arrived.
    pub arrived: Timestamp,
}

/// What stands at the beginning of some bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// A document that was not settled.
    Waits(Stored<'a>),
    /// One that was.
    Settled,
    /// Something else, up to where a record may begin.
    Damaged,
    /// Something else that goes on behind these bytes: not yet to be counted.
    DamagedOn,
}

/// Bytes of a document's record.
pub fn length(document: &Document) -> usize {
    HEAD_BYTES + document.filed().len()
}

/// Appends a document's record.
pub fn write(records: &mut Vec<u8>, document: &Document) {
    let bytes = document.filed();
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    records.extend(MAGIC);
    records.push(WAITS);
    let checksum_at = records.len();
    records.extend([0; 4]);
    let checked_from = records.len();
    records.push(rank(document.value));
    records.extend(length.to_le_bytes());
    records.extend(document.arrived.as_micros().to_le_bytes());
    records.extend(bytes.as_ref());
    let checksum = crc(records.get(checked_from..).unwrap_or_default());
    if let Some(place) = records.get_mut(checksum_at..checked_from) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Reads what stands at the beginning, and how many bytes it takes. None where more bytes may follow that are
/// needed to tell; `is_end` says that none do. Nothing stands in no bytes.
pub fn read(bytes: &[u8], is_end: bool) -> Option<(Found<'_>, usize)> {
    if bytes.is_empty() {
        return None;
    }
    let Some(after) = bytes.strip_prefix(&MAGIC) else {
        return to_next_magic(bytes, is_end);
    };
    let Some((head, after)) = after.split_first_chunk::<{ HEAD_BYTES - MAGIC.len() }>() else {
        return is_end.then_some((Found::Damaged, bytes.len()));
    };
    let [state, c0, c1, c2, c3, value, l0, l1, l2, l3, arrived @ ..] = *head;
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
    if length > SPILL_DOCUMENT_MAX {
        return to_next_magic(bytes, is_end);
    }
    let Some(document) = after.get(..length) else {
        return if is_end {
            to_next_magic(bytes, is_end)
        } else {
            None
        };
    };
    let checked = bytes
        .get(MAGIC.len() + 5..HEAD_BYTES + length)
        .unwrap_or_default();
    let is_sound = crc(checked) == u32::from_le_bytes([c0, c1, c2, c3]);
    let found = match (is_sound, state, value_of(value)) {
        (true, SETTLED, _) => Found::Settled,
        (true, WAITS, Some(value)) => Found::Waits(Stored {
            document,
            value,
            arrived: Timestamp::from_micros(i64::from_le_bytes(arrived)),
        }),
        (true, ..) => Found::Damaged,
        (false, ..) => return to_next_magic(bytes, is_end),
    };
    Some((found, HEAD_BYTES + length))
}

/// The damage ends where another record may begin.
fn to_next_magic(bytes: &[u8], is_end: bool) -> Option<(Found<'_>, usize)> {
    let behind_first = bytes.get(1..).unwrap_or_default();
    let next = behind_first
        .windows(MAGIC.len())
        .position(|window| window == MAGIC);
    match next {
        Some(place) => Some((Found::Damaged, place + 1)),
        None if is_end => Some((Found::Damaged, bytes.len())),
        // The last few bytes may be the beginning of a magic, but the first of them is not.
        None => {
            let length = bytes.len().checked_sub(MAGIC.len())?;
            (length > 0).then_some((Found::DamagedOn, length))
        }
    }
}

const fn rank(value: Value) -> u8 {
    match value {
        Value::Ordinary => 0,
        Value::Faulty => 1,
        Value::Platform => 2,
    }
}

fn value_of(rank_found: u8) -> Option<Value> {
    Value::ALL.into_iter().find(|value| rank(*value) == rank_found)
}

/// CRC-32 as zip and Ethernet have it, four bytes a step: a flood is put into files between two looks at the socket.
fn crc(bytes: &[u8]) -> u32 {
    let [one, two, three, four] = &TABLES;
    let (words, rest) = bytes.as_chunks::<WORD>();
    let crc = words.iter().fold(u32::MAX, |crc, word| {
        let [a, b, c, d] = (crc ^ u32::from_le_bytes(*word)).to_le_bytes();
        entry(four, a) ^ entry(three, b) ^ entry(two, c) ^ entry(one, d)
    });
    !rest.iter().fold(crc, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        entry(one, low ^ byte) ^ (crc >> 8)
    })
}

/// As a call of its own, which it would be where the program is built for size, it takes most of the time.
#[inline(always)]
fn entry(table: &[u32; 256], byte: u8) -> u32 {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}

const WORD: usize = 4;
/// What a byte does to the sum, and what it does with so many zeros behind it.
static TABLES: [[u32; 256]; WORD] = tables();

#[expect(
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "made by the compiler: an index beyond the table would not build"
)]
const fn tables() -> [[u32; 256]; WORD] {
    let mut tables = [[0; 256]; WORD];
    let (mut place, mut number) = (0, 0u32);
    while place < 256 {
        let mut crc = number;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                0xEDB8_8320 ^ (crc >> 1)
            } else {
                crc >> 1
            };
            bit += 1;
        }
        tables[0][place] = crc;
        place += 1;
        number += 1;
    }
    let mut table = 1;
    while table < WORD {
        place = 0;
        while place < 256 {
            let before = tables[table - 1][place];
            tables[table][place] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            place += 1;
        }
        table += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use model::ids::TraceId;
    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::document::Form;

    fn document(bytes: &[u8], value: Value) -> Document {
        Document {
            bytes: bytes.into(),
            form: Form::Segment,
            trace_id: TraceId::from_bytes([1; 16]),
            parent: None,
            arrived: Timestamp::from_micros(1_700_000_000_123_456),
            is_noted: true,
            value,
        }
    }

    fn file(documents: &[Document]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for document in documents {
            write(&mut bytes, document);
        }
        bytes
    }

    /// The documents that wait and the number of damaged places, read in windows of this many bytes.
    fn read_all(file: &[u8], window: usize) -> (Vec<Vec<u8>>, usize) {
        let (mut documents, mut damaged, mut at) = (Vec::new(), 0, 0);
        let mut size = window;
        while at < file.len() {
            let end = (at + size).min(file.len());
            let Some((found, length)) = read(&file[at..end], end == file.len()) else {
                assert!(end < file.len(), "it cannot tell what stands at the end");
                size *= 2;
                continue;
            };
            match found {
                Found::Waits(stored) => documents.push(stored.document.to_vec()),
                Found::Settled | Found::DamagedOn => {}
                Found::Damaged => damaged += 1,
            }
            assert!(length > 0 && at + length <= file.len());
            at += length;
            size = window;
        }
        (documents, damaged)
    }

    #[test]
    fn the_checksum_is_the_one_everybody_has() {
        assert_eq!(crc(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_document_comes_back_as_it_was() {
        for value in Value::ALL {
            let bytes = file(&[document(b"{\"id\":1}", value)]);
            assert_eq!(bytes.len(), HEAD_BYTES + 8);
            let stored = Stored {
                document: b"{\"id\":1}",
                value,
                arrived: Timestamp::from_micros(1_700_000_000_123_456),
            };
            assert_eq!(read(&bytes, true), Some((Found::Waits(stored), bytes.len())));
        }
    }

    #[test]
    fn a_settled_document_does_not_come_back() {
        let mut bytes = file(&[document(b"1", Value::Faulty), document(b"2", Value::Faulty)]);
        bytes[usize::try_from(STATE_AT).unwrap()] = SETTLED;
        assert_eq!(read_all(&bytes, 100), (vec![b"2".to_vec()], 0));
    }

    #[test]
    fn the_longest_document_is_read_and_a_longer_one_is_damage() {
        let longest = vec![b'x'; SPILL_DOCUMENT_MAX];
        let bytes = file(&[document(&longest, Value::Ordinary)]);
        assert_eq!(read_all(&bytes, 1024).0, std::slice::from_ref(&longest));
        let longer = [longest, vec![b'x']].concat();
        let bytes = file(&[
            document(&longer, Value::Ordinary),
            document(b"next", Value::Ordinary),
        ]);
        assert_eq!(read_all(&bytes, 1 << 20), (vec![b"next".to_vec()], 1));
    }

    prop_compose! {
        fn documents()(texts in proptest::collection::vec("[ -~]{0,300}", 1..20)) -> Vec<Document> {
            texts.iter().map(|text| document(text.as_bytes(), Value::Ordinary)).collect()
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(
            bytes in proptest::collection::vec(prop_oneof![4 => any::<u8>(), 1 => Just(0xF5)], 0..400),
            magics in proptest::collection::vec(0usize..400, 0..5),
            window in 1usize..100,
        ) {
            let mut bytes = bytes;
            for at in magics {
                if let Some(place) = bytes.get_mut(at..at + 4) {
                    place.copy_from_slice(&MAGIC);
                }
            }
            read_all(&bytes, window);
        }

        #[test]
        fn a_flipped_byte_costs_its_record_at_most(
            documents in documents(), at in any::<prop::sample::Index>(), flip in 1u8.., window in 1usize..500,
        ) {
            let mut bytes = file(&documents);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let (found, damaged) = read_all(&bytes, window);
            let mut end = 0;
            let hit = documents.iter().position(|document| { end += length(document); at < end }).unwrap();
            let rest = documents.iter().enumerate().filter(|(place, _)| *place != hit);
            let rest: Vec<Vec<u8>> = rest.map(|(_, document)| document.bytes.to_vec()).collect();
            prop_assert_eq!(found, rest);
            prop_assert!(damaged <= 1);
        }

        #[test]
        fn a_cut_tail_costs_the_record_that_was_cut_at_most(
            documents in documents(), keep in any::<prop::sample::Index>(), window in 1usize..500,
        ) {
            let mut bytes = file(&documents);
            bytes.truncate(keep.index(bytes.len()));
            let mut end = 0;
            let whole = documents.iter().take_while(|document| { end += length(document); end <= bytes.len() });
            let whole: Vec<Vec<u8>> = whole.map(|document| document.bytes.to_vec()).collect();
            let (found, damaged) = read_all(&bytes, window);
            prop_assert_eq!(found, whole);
            prop_assert!(damaged <= 1);
        }
    }
}
