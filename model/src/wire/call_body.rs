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

/// Copies in runs. A quote or backslash starts the next run: its escape is a backslash in front of it.
fn push_escaped(body: &mut Vec<u8>, document: &[u8]) {
    let mut copied = 0;
    for (number, word) in words(document).enumerate() {
        let mut marks = quotes(word) | controls(word);
        while marks != 0 {
            let place = number * WORD_BYTES + place_of_lowest(marks);
            marks &= marks - 1;
            body.extend_from_slice(document.get(copied..place).unwrap_or_default());
            copied = place;
            match document.get(place) {
                Some(&byte) if byte < b' ' => {
                    push_control(body, byte);
                    copied += 1;
                }
                _ => body.push(b'\\'),
            }
        }
    }
    body.extend_from_slice(document.get(copied..).unwrap_or_default());
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
const ONES: u64 = 0x0101_0101_0101_0101;
const LOW_BITS: u64 = 0x7f * ONES;
const HIGH_BITS: u64 = 0x80 * ONES;

/// The document in words, the last one filled up with spaces.
fn words(document: &[u8]) -> impl Iterator<Item = u64> {
    let (whole, rest) = document.as_chunks::<WORD_BYTES>();
    let mut last = [b' '; WORD_BYTES];
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    let whole = whole.iter().map(|bytes| u64::from_le_bytes(*bytes));
    whole.chain(std::iter::once(u64::from_le_bytes(last)))
}

/// Marks quotes and backslashes.
fn quotes(word: u64) -> u64 {
    equal(word, b'"') | equal(word, b'\\')
}

/// Marks the bytes that are `wanted`, and no other.
fn equal(word: u64, wanted: u8) -> u64 {
    let difference = word ^ (u64::from(wanted) * ONES);
    !(((difference & LOW_BITS) + LOW_BITS) | difference) & HIGH_BITS
}

/// Marks control characters, and no other byte.
fn controls(word: u64) -> u64 {
    const TO_HIGH_BIT: u64 = (0x80 - 0x20) * ONES;
    !(((word & LOW_BITS) + TO_HIGH_BIT) | word) & HIGH_BITS
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
