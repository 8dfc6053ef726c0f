//! A recorder's word that a request's handler has answered and everything of its trace is sent.
//!
//! It comes through the X-Ray daemon's port, behind the same header line as a document, and is none.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::ids::RequestId;

/// What `fluoroscope` names here. Other words are left to later versions.
const DONE: &str = "done";

#[derive(Serialize, Deserialize)]
struct Word<'a> {
    #[serde(borrow)]
    fluoroscope: Cow<'a, str>,
    #[serde(borrow)]
    request_id: Cow<'a, str>,
}

/// The request that a body says is done; none if it says anything else.
pub fn decode(body: &[u8]) -> Option<RequestId> {
    let word: Word<'_> = serde_json::from_slice(body).ok()?;
    (word.fluoroscope == DONE)
        .then(|| word.request_id.parse().ok())
        .flatten()
}

/// The whole datagram that says so.
pub fn datagram(request: &RequestId) -> Vec<u8> {
    let word = Word {
        fluoroscope: DONE.into(),
        request_id: request.as_str().into(),
    };
    let mut datagram = b"{\"format\":\"json\",\"version\":1}\n".to_vec();
    // Two texts always serialise; were they not to, the datagram would say nothing.
    datagram.extend(serde_json::to_vec(&word).unwrap_or_default());
    datagram
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::udp_frame::{self, Body};

    #[track_caller]
    fn check(body: &str, expected: Option<&str>) {
        let found = decode(body.as_bytes());
        assert_eq!(found.as_ref().map(RequestId::as_str), expected, "{body}");
    }

    #[test]
    fn only_the_word_done_with_a_request_counts() {
        check(
            r#"{"fluoroscope":"done","request_id":"0f6f4f8e-8a57"}"#,
            Some("0f6f4f8e-8a57"),
        );
        check(
            r#" {"request_id":"\u0072-1", "more":[1], "fluoroscope":"done"} "#,
            Some("r-1"),
        );
        for body in [
            r#"{"fluoroscope":"begun","request_id":"r-1"}"#,
            r#"{"fluoroscope":"done","request_id":""}"#,
            r#"{"fluoroscope":"done","request_id":7}"#,
            r#"{"fluoroscope":"done"}"#,
            r#"{"request_id":"r-1"}"#,
            r#"["fluoroscope","done"]"#,
            "",
        ] {
            check(body, None);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(request in "[!-~]{1,64}") {
            let request: RequestId = request.parse().unwrap();
            let datagram = datagram(&request);
            let Ok(Body::Json(body)) = udp_frame::decode(&datagram) else { panic!("no frame") };
            prop_assert_eq!(decode(body), Some(request));
        }

        #[test]
        fn no_body_makes_the_decoder_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&body);
        }
    }
}
