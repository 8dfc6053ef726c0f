//! Requests as AWS's OpenTelemetry distributions send them to the X-Ray daemon's port: `T1S` or `T1U`, then base64.
//!
//! Several may follow each other without a break. `T1` can begin no field of a request (it would be of a kind that
//! protobuf does not have), so a request is never cut in two.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::protobuf::Fields;
use crate::limits::REQUESTS_PER_DATAGRAM_MAX;

/// Written with padding, read with or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const SAMPLED: &[u8] = b"T1S";
const UNSAMPLED: &[u8] = b"T1U";

/// What a body of a datagram is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Behind `T1S`: to be traced. Behind `T1U` are spans that were not sampled, for figures alone.
    pub is_sampled: bool,
    /// The request in protobuf; none if what stands there is not base64.
    pub request: Option<Vec<u8>>,
}

/// Reads a body that begins with `T1S` or `T1U`: one part for each.
///
/// Behind [`REQUESTS_PER_DATAGRAM_MAX`] looks for an end the rest is taken for one part.
pub fn parts(body: &[u8]) -> Vec<Part> {
    let mut rest = body.trim_ascii();
    let mut parts = Vec::new();
    let mut looks = REQUESTS_PER_DATAGRAM_MAX;
    while let Some((is_sampled, text)) = prefix(rest) {
        let length = end(text, &mut looks);
        let (text, behind) = text.split_at_checked(length).unwrap_or((text, &[]));
        parts.push(Part {
            is_sampled,
            request: BASE64.decode(text.trim_ascii()).ok(),
        });
        rest = behind;
    }
    parts
}

/// A request as the X-Ray service takes it among its documents, and daemons in a datagram.
pub fn write(request: &[u8]) -> String {
    let mut text = "T1S".to_owned();
    BASE64.encode_string(request, &mut text);
    text
}

fn prefix(text: &[u8]) -> Option<(bool, &[u8])> {
    let sampled = text.strip_prefix(SAMPLED).map(|rest| (true, rest));
    sampled.or_else(|| text.strip_prefix(UNSAMPLED).map(|rest| (false, rest)))
}

/// Where the request ends that `text` begins with: before the next prefix, if what stands before it is a whole one.
fn end(text: &[u8], looks: &mut usize) -> usize {
    let mut start = 0;
    while let Some(found) = text.get(start..).and_then(find_prefix)
        && *looks > 0
    {
        *looks -= 1;
        let place = start + found;
        if text.get(..place).is_some_and(is_whole) {
            return place;
        }
        start = place + 1;
    }
    text.len()
}

fn find_prefix(text: &[u8]) -> Option<usize> {
    text.windows(SAMPLED.len())
        .position(|three| prefix(three).is_some())
}

fn is_whole(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let ended = text.ends_with(b"=");
    let request = (ended || text.len().is_multiple_of(4))
        .then(|| BASE64.decode(text).ok())
        .flatten();
    request.is_some_and(|request| Fields::of(&request).all(|field| field.is_ok()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One resource without members: whole, and of no length that ends in padding.
    const REQUEST: &[u8] = &[0x0a, 1, 0];

    #[track_caller]
    fn check(body: &str, expected: &[(bool, Option<&[u8]>)]) {
        let expected: Vec<Part> = expected
            .iter()
            .map(|(is_sampled, request)| Part {
                is_sampled: *is_sampled,
                request: request.map(<[u8]>::to_vec),
            })
            .collect();
        assert_eq!(parts(body.as_bytes()), expected, "{body}");
    }

    #[test]
    fn requests_are_read_alone_and_in_a_row() {
        check("T1SCgEA", &[(true, Some(REQUEST))]);
        check("T1UCgEA\n", &[(false, Some(REQUEST))]);
        check("T1SCgA=", &[(true, Some(&[0x0a, 0]))]);
        check("T1SCgA", &[(true, Some(&[0x0a, 0]))]); // padding left out
        check(
            "T1SCgA=T1UCgA=",
            &[(true, Some(&[0x0a, 0])), (false, Some(&[0x0a, 0]))],
        );
        check("T1SCgEAT1SCgEA", &[(true, Some(REQUEST)), (true, Some(REQUEST))]); // no padding between them
        check(
            "T1SCgEA\nT1UCgEA",
            &[(true, Some(REQUEST)), (false, Some(REQUEST))],
        );
        check("T1S", &[(true, Some(&[]))]);
        check("T1Snot base64!", &[(true, None)]);
        check("T1SC!T1SCgEA", &[(true, None)]); // nothing behind damage is believed
        check("M1CgEA", &[]);
        check("", &[]);
    }

    #[test]
    fn a_prefix_inside_a_request_does_not_cut_it() {
        let field = [&[0x0a, 6, 0x12, 4][..], &BASE64.decode("T1ST").unwrap(), &[0x12]].concat();
        let text = write(&field);
        assert!(text.get(3..).unwrap().contains("T1S") || text.len() > 3, "{text}");
        check(&text, &[(true, Some(&field))]);
    }

    #[test]
    fn a_datagram_of_nothing_but_prefixes_is_looked_at_so_often_and_no_more() {
        let at_limit = "T1S".repeat(REQUESTS_PER_DATAGRAM_MAX + 1);
        assert_eq!(parts(at_limit.as_bytes()).len(), REQUESTS_PER_DATAGRAM_MAX + 1);
        let over = "T1S".repeat(REQUESTS_PER_DATAGRAM_MAX + 3);
        assert_eq!(parts(over.as_bytes()).len(), REQUESTS_PER_DATAGRAM_MAX + 1);
    }

    proptest! {
        #[test]
        fn requests_survive_a_row(requests in proptest::collection::vec(
            proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 1..4), 1..5)
        ) {
            let requests: Vec<Vec<u8>> = requests.iter().map(|fields| {
                let mut request = Vec::new();
                fields.iter().for_each(|bytes| super::super::protobuf::put_bytes_always(&mut request, 1, bytes));
                request
            }).collect();
            let row: String = requests.iter().map(|request| write(request)).collect();
            let read: Vec<_> = parts(row.as_bytes()).into_iter().filter_map(|part| part.request).collect();
            prop_assert_eq!(read, requests);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parts(&[&b"T1S"[..], &bytes].concat());
        }
    }
}
