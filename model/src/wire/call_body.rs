//! Builds the body of PutTraceSegments from documents as they came.
//!
//! Documents are copied once, from where they are held into the body, with the escapes JSON strings need.
//! They are UTF-8 already: the pipeline checked that when they arrived.

const OPENING: &[u8] = br#"{"TraceSegmentDocuments":["#;
const CLOSING: &[u8] = b"]}";
const HEX_DIGITS: [u8; 16] = *b"0123456789abcdef";

/// The part of a document's size that room is made for beside it: escapes rarely take more. Room that is not
/// written to costs nothing, so it need not be counted.
const ESCAPES_SHARE: usize = 4;

/// `{"TraceSegmentDocuments":["…",…]}`.
pub fn put_trace_segments(documents: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let documents_bytes = documents
        .iter()
        .map(|document| room(document.as_ref()))
        .sum::<usize>();
    let mut body = Vec::with_capacity(OPENING.len() + documents_bytes + CLOSING.len());
    body.extend_from_slice(OPENING);
    for (place, document) in documents.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        body.push(b'"');
        push_escaped(&mut body, document.as_ref());
        body.push(b'"');
    }
    body.extend_from_slice(CLOSING);
    body
}

/// With quotes and comma.
fn room(document: &[u8]) -> usize {
    document.len() + document.len() / ESCAPES_SHARE + 3
}

/// Copies a word at a time, and up to the first byte of it that needs an escape if there is one.
///
/// Kept out of its caller, which is built for size: there it takes twice as long.
#[inline(never)]
fn push_escaped(body: &mut Vec<u8>, document: &[u8]) {
    let mut staged = Staged::default();
    let mut at = 0;
    while let Some((bytes, _)) = document
        .get(at..)
        .and_then(<[u8]>::split_first_chunk::<WORD_BYTES>)
    {
        let word = u64::from_le_bytes(*bytes);
        let marks = escapes(word);
        let plain = if marks == 0 {
            WORD_BYTES
        } else {
            place_of_lowest(marks)
        };
        staged.push(*bytes, plain, body);
        at += plain;
        if let Some(&marked) = document.get(at).filter(|_| marks != 0) {
            at += 1;
            if marked < b' ' {
                staged.empty_into(body);
                push_control(body, marked);
            } else {
                staged.push([b'\\', marked], 2, body);
            }
        }
    }
    staged.empty_into(body);
    for byte in document.get(at..).unwrap_or_default() {
        push_byte(body, *byte);
    }
}

/// Bytes on their way into the body, whose room would have to be looked after with each word.
struct Staged {
    bytes: [u8; STAGED_BYTES],
    length: usize,
}

impl Default for Staged {
    fn default() -> Self {
        Self {
            bytes: [0; STAGED_BYTES],
            length: 0,
        }
    }
}

impl Staged {
    /// Takes the first `length` of these bytes.
    fn push<const N: usize>(&mut self, bytes: [u8; N], length: usize, body: &mut Vec<u8>) {
        if self.length > STAGED_BYTES - N {
            self.empty_into(body);
        }
        if let Some(place) = self
            .bytes
            .get_mut(self.length..)
            .and_then(<[u8]>::first_chunk_mut)
        {
            *place = bytes;
            self.length += length;
        }
    }

    fn empty_into(&mut self, body: &mut Vec<u8>) {
        body.extend_from_slice(self.bytes.get(..self.length).unwrap_or_default());
        self.length = 0;
    }
}

fn push_byte(body: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' | b'\\' => body.extend_from_slice(&[b'\\', byte]),
        _ if byte < b' ' => push_control(body, byte),
        _ => body.push(byte),
    }
}

fn push_control(body: &mut Vec<u8>, byte: u8) {
    if let Some(letter) = short_escape(byte) {
        body.extend_from_slice(&[b'\\', letter]);
        return;
    }
    let digit = |nibble: u8| HEX_DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    body.extend_from_slice(b"\\u00");
    body.extend_from_slice(&[digit(byte >> 4), digit(byte & 0x0f)]);
}

fn short_escape(control: u8) -> Option<u8> {
    match control {
        0x08 => Some(b'b'),
        b'\t' => Some(b't'),
        b'\n' => Some(b'n'),
        0x0c => Some(b'f'),
        b'\r' => Some(b'r'),
        _ => None,
    }
}

// Every byte of every document passes here, so eight are looked at together: in a mark, the highest bit of
// each byte says yes or no. One by one took more than twice as long at the release profile,
// and at the profile of the extension's own code this takes twice as long as here.

const WORD_BYTES: usize = 8;
const STAGED_BYTES: usize = 512;
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x80 * ONES;

/// Marks what needs an escape. The lowest mark is right; those above it may be wrong.
fn escapes(word: u64) -> u64 {
    let equal = |wanted: u8| below(word ^ (u64::from(wanted) * ONES), 1);
    below(word, b' ') | equal(b'"') | equal(b'\\')
}

/// Marks the lowest byte under `bound`, and what borrows from it.
fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(u64::from(bound) * ONES) & !word & HIGH_BITS
}

fn place_of_lowest(marks: u64) -> usize {
    usize::try_from(marks.trailing_zeros() / u8::BITS).unwrap_or(WORD_BYTES)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn through_serde_json(documents: &[String]) -> Vec<u8> {
        serde_json::to_vec(&serde_json::json!({ "TraceSegmentDocuments": documents })).unwrap()
    }

    #[test]
    fn no_documents_make_an_empty_list() {
        let documents: [&str; 0] = [];
        assert_eq!(put_trace_segments(&documents), br#"{"TraceSegmentDocuments":[]}"#);
    }

    #[test]
    fn every_single_byte_character_is_escaped_as_serde_json_does_wherever_it_stands() {
        for byte in 0..0x80_u8 {
            let special = char::from(byte);
            for before in 0..2 * WORD_BYTES {
                let documents = [format!("{}{special}é{special}", "x".repeat(before))];
                assert_eq!(
                    put_trace_segments(&documents),
                    through_serde_json(&documents),
                    "{byte:#x} after {before}"
                );
            }
        }
    }

    #[test]
    fn the_room_of_a_usual_document_is_made_once() {
        let document =
            r#"{"name":"orders","id":"00f067aa0ba902b7","start_time":1.5,"metadata":{"default":{"a":"b"}}}"#;
        let documents = [document; 50];
        let capacity = OPENING.len() + CLOSING.len() + 50 * room(document.as_bytes());
        assert_eq!(put_trace_segments(&documents).capacity(), capacity);
    }

    proptest! {
        #[test]
        fn any_documents_read_back_as_they_were(documents in proptest::collection::vec(any::<String>(), 0..8)) {
            let body = put_trace_segments(&documents);
            prop_assert_eq!(&body, &through_serde_json(&documents));
        }
    }
}
