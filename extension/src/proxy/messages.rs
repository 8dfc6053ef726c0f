//! Follows one direction of a connection message by message, without touching its bytes.
//!
//! The bytes are on their way whatever this makes of them: what it cannot follow it stops following.
//!
//! Pure: no socket, no clock.

use crate::limits::PROXY_HEAD_MAX;

/// What bytes amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Nothing yet.
    More,
    /// A head is whole: it is the [`text`](Messages::text), and [`body`](Messages::body) has to be called.
    Head,
    /// All the bytes taken are content.
    Content,
    /// A message is over; its trailers are the [`text`](Messages::text).
    End,
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes.
    Sized(u64),
    /// After its last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Sized(u64),
    /// The line in front of a chunk, with the size read so far.
    ChunkLine(Option<u64>),
    /// What may follow the size on that line.
    ChunkExtension(u64),
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    Trailers,
    UntilClose,
    Lost,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Messages {
    state: State,
    text: Vec<u8>,
}

impl Messages {
    /// Before the first message.
    pub(super) fn new() -> Self {
        Self {
            state: State::Head,
            text: Vec::new(),
        }
    }

    /// The head, or the trailers, that were read last.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether a head, or the rest of one, comes next.
    pub(super) fn is_at_head(&self) -> bool {
        self.state == State::Head
    }

    /// Stops following.
    pub(super) fn lose(&mut self) {
        self.state = State::Lost;
        self.text = Vec::new();
    }

    /// How the body ends whose head was just read.
    pub(super) fn body(&mut self, framing: Framing) {
        self.text.clear();
        self.state = match framing {
            Framing::Sized(bytes) => State::Sized(bytes),
            Framing::Chunked => State::ChunkLine(None),
            Framing::UntilClose => State::UntilClose,
        };
    }

    /// Looks at the next bytes: what they amount to, and how many of them.
    ///
    /// [`Part::More`] takes at least one byte, if there is one.
    pub(super) fn step(&mut self, bytes: &[u8]) -> (Part, usize) {
        match self.state {
            State::Head | State::Trailers => self.read_text(bytes),
            State::Sized(0) => {
                self.text.clear();
                self.end()
            }
            State::Sized(left) => {
                let (taken, left) = take(bytes, left);
                self.state = State::Sized(left);
                content(taken)
            }
            State::Chunk(0) => {
                self.state = State::ChunkEnd;
                self.step(bytes)
            }
            State::Chunk(left) => {
                let (taken, left) = take(bytes, left);
                self.state = State::Chunk(left);
                content(taken)
            }
            State::ChunkLine(_) | State::ChunkExtension(_) | State::ChunkEnd => self.read_chunk_line(bytes),
            State::UntilClose => content(bytes.len()),
            State::Lost => (Part::More, bytes.len()),
        }
    }

    /// The next message can begin; the text stays for the caller until it does.
    fn end(&mut self) -> (Part, usize) {
        self.state = State::Head;
        (Part::End, 0)
    }

    fn read_text(&mut self, bytes: &[u8]) -> (Part, usize) {
        if self.state == State::Head && self.is_whole() {
            // What is left of the message before.
            self.text.clear();
        }
        for (index, byte) in bytes.iter().enumerate() {
            self.text.push(*byte);
            if self.text.len() > PROXY_HEAD_MAX {
                self.lose();
                return (Part::More, bytes.len());
            }
            if *byte != b'\n' || !self.is_whole() {
                continue;
            }
            let taken = index + 1;
            if self.state == State::Trailers {
                self.state = State::Head;
                return (Part::End, taken);
            }
            if is_blank(&self.text) {
                // An empty line in front of a message.
                self.text.clear();
                continue;
            }
            return (Part::Head, taken);
        }
        (Part::More, bytes.len())
    }

    /// Whether the text ends with an empty line.
    fn is_whole(&self) -> bool {
        is_blank(&self.text) || self.text.ends_with(b"\n\r\n") || self.text.ends_with(b"\n\n")
    }

    fn read_chunk_line(&mut self, bytes: &[u8]) -> (Part, usize) {
        for (index, byte) in bytes.iter().enumerate() {
            self.state = match (self.state, *byte) {
                (State::ChunkEnd, b'\r') => State::ChunkEnd,
                (State::ChunkEnd, b'\n') => State::ChunkLine(None),
                (State::ChunkLine(Some(0)) | State::ChunkExtension(0), b'\n') => {
                    self.text.clear();
                    State::Trailers
                }
                (State::ChunkLine(Some(size)) | State::ChunkExtension(size), b'\n') => State::Chunk(size),
                (State::ChunkLine(Some(size)), b';' | b' ' | b'\t' | b'\r')
                | (State::ChunkExtension(size), _) => State::ChunkExtension(size),
                (State::ChunkLine(size), digit) => {
                    more_digits(size, digit).map_or(State::Lost, |size| State::ChunkLine(Some(size)))
                }
                _ => State::Lost,
            };
            if matches!(self.state, State::Chunk(_) | State::Trailers | State::Lost) {
                return (Part::More, index + 1);
            }
        }
        (Part::More, bytes.len())
    }
}

fn is_blank(text: &[u8]) -> bool {
    matches!(text, b"\r\n" | b"\n")
}

fn more_digits(size: Option<u64>, digit: u8) -> Option<u64> {
    let digit = char::from(digit).to_digit(16)?;
    size.unwrap_or(0).checked_mul(16)?.checked_add(digit.into())
}

/// So many of the bytes, and what is left of the count then.
fn take(bytes: &[u8], left: u64) -> (usize, u64) {
    let there = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    (taken, left.saturating_sub(there))
}

/// No bytes are no content.
fn content(taken: usize) -> (Part, usize) {
    if taken == 0 {
        (Part::More, 0)
    } else {
        (Part::Content, taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a stream amounts to when it comes in pieces of this size, every head followed by this body.
    fn outline(stream: &[u8], piece: usize, framing: Framing) -> Vec<String> {
        let mut messages = Messages::new();
        let (mut parts, mut content) = (Vec::new(), Vec::new());
        for mut bytes in stream.chunks(piece.max(1)) {
            loop {
                let (part, taken) = messages.step(bytes);
                match part {
                    Part::More if taken == bytes.len() => break,
                    Part::More => {}
                    Part::Content => content.extend_from_slice(&bytes[..taken]),
                    Part::Head => {
                        parts.push(format!("head {}", String::from_utf8_lossy(messages.text())));
                        messages.body(framing);
                    }
                    Part::End => {
                        parts.push(format!("content {}", String::from_utf8_lossy(&content)));
                        parts.push(format!("end {}", String::from_utf8_lossy(messages.text())));
                        content.clear();
                    }
                }
                bytes = &bytes[taken..];
            }
        }
        if messages.state == State::Lost {
            parts.push("lost".into());
        }
        parts
    }

    #[test]
    fn messages_are_followed_however_they_are_cut() {
        let sized = b"\r\nPOST /a HTTP/1.1\r\na: b\r\n\r\n12345GET /b\n\n67890";
        let chunked =
            b"A\r\n\r\n3;x=\"y\"\r\nabc\r\n0a \r\n0123456789\r\n0\r\nKey: v\r\n\r\nB\r\n\r\n0\r\n\r\n";
        for piece in 1..40 {
            assert_eq!(
                outline(sized, piece, Framing::Sized(5)),
                [
                    "head POST /a HTTP/1.1\r\na: b\r\n\r\n",
                    "content 12345",
                    "end ",
                    "head GET /b\n\n",
                    "content 67890",
                    "end "
                ]
            );
            assert_eq!(
                outline(chunked, piece, Framing::Chunked),
                [
                    "head A\r\n\r\n",
                    "content abc0123456789",
                    "end Key: v\r\n\r\n",
                    "head B\r\n\r\n",
                    "content ",
                    "end \r\n"
                ]
            );
        }
    }

    #[test]
    fn a_message_without_a_body_ends_with_its_head() {
        assert_eq!(
            outline(b"GET /\r\n\r\n", 99, Framing::Sized(0)),
            ["head GET /\r\n\r\n", "content ", "end "]
        );
    }

    #[test]
    fn a_head_is_followed_up_to_its_limit() {
        let mut head = vec![b'x'; PROXY_HEAD_MAX - 4];
        head.extend_from_slice(b"\r\n\r\n");
        assert_eq!(outline(&head, 4096, Framing::Sized(0)).len(), 3);
        head.insert(0, b'x');
        assert_eq!(outline(&head, 4096, Framing::Sized(0)), ["lost"]);
    }

    #[test]
    fn chunks_that_make_no_sense_are_not_followed() {
        for body in ["x\r\n", "\r\n", "fffffffffffffffff\r\n", "1\r\nabc"] {
            let stream = format!("A\r\n\r\n{body}");
            assert_eq!(
                outline(stream.as_bytes(), 9, Framing::Chunked).last().unwrap(),
                "lost",
                "{body}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_stand_still(
            stream in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r'), Just(b'0')], 0..300),
            piece in 1_usize..50,
            size in 0_u64..20,
            kind in 0..3,
        ) {
            let framing = [Framing::Sized(size), Framing::Chunked, Framing::UntilClose][usize::try_from(kind).unwrap()];
            let whole = outline(&stream, stream.len(), framing);
            prop_assert_eq!(outline(&stream, piece, framing), whole);
        }
    }
}
