//! The answer to an export request: what was taken, and what was not and why.
//!
//! The same for traces, metrics and logs but for one name in JSON.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::protobuf::{Content, Damaged, Fields, close, open, put_bytes, put_varint};

/// What of a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer<'a> {
    /// Spans that were rejected and must not be sent again.
    pub rejected: u64,
    /// Why, or a warning where none was rejected.
    pub message: Cow<'a, str>,
}

impl<'a> Answer<'a> {
    /// The answer in protobuf: no bytes if all is well.
    pub fn to_protobuf(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if *self != Self::default() {
            let partial = open(&mut out, 1);
            put_varint(&mut out, 1, self.rejected);
            put_bytes(&mut out, 2, self.message.as_bytes());
            close(&mut out, partial);
        }
        out
    }

    /// The answer in JSON: an empty object if all is well.
    pub fn to_json(&self) -> String {
        if *self == Self::default() {
            return "{}".to_owned();
        }
        let rejected = self.rejected.to_string();
        json!({"partialSuccess": {"rejectedSpans": rejected, "errorMessage": self.message}}).to_string()
    }

    /// Reads an answer in protobuf.
    ///
    /// # Errors
    /// [`Damaged`] if the bytes are no protobuf message.
    pub fn from_protobuf(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let mut answer = Self::default();
        for field in Fields::of(bytes) {
            let (1, Content::Bytes(partial)) = field? else {
                continue;
            };
            for field in Fields::of(partial) {
                match field? {
                    (1, Content::Varint(rejected)) => answer.rejected = rejected,
                    (2, Content::Bytes(message)) => answer.message = String::from_utf8_lossy(message),
                    _ => {}
                }
            }
        }
        Ok(answer)
    }

    /// Reads an answer in JSON. None if it is no JSON object.
    pub fn from_json(body: &[u8]) -> Option<Answer<'static>> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let partial = body.as_object()?.get("partialSuccess").unwrap_or(&Value::Null);
        let rejected = partial.get("rejectedSpans").unwrap_or(&Value::Null);
        let text = partial.get("errorMessage").and_then(Value::as_str);
        Some(Answer {
            rejected: rejected
                .as_u64()
                .or_else(|| rejected.as_str()?.parse().ok())
                .unwrap_or_default(),
            message: Cow::Owned(text.unwrap_or_default().to_owned()),
        })
    }
}

/// What a refused request is answered with: `google.rpc.Status` in protobuf.
pub fn status_to_protobuf(code: u8, message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, 1, code.into());
    put_bytes(&mut out, 2, message.as_bytes());
    out
}

/// The message of such a status. None if the bytes are no protobuf message.
pub fn status_from_protobuf(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let mut message = Cow::default();
    for field in Fields::of(bytes) {
        if let (2, Content::Bytes(text)) = field.ok()? {
            message = String::from_utf8_lossy(text);
        }
    }
    Some(message)
}

/// As [`status_to_protobuf`], in JSON.
pub fn status_to_json(code: u8, message: &str) -> String {
    json!({"code": code, "message": message}).to_string()
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    #[test]
    fn an_answer_without_rejects_is_empty() {
        let answer = Answer::default();
        assert_eq!(
            (answer.to_protobuf(), answer.to_json()),
            (Vec::new(), "{}".to_owned())
        );
        assert_eq!(Answer::from_protobuf(&[]), Ok(Answer::default()));
        for body in [
            "{}",
            r#"{"partialSuccess":{}}"#,
            r#"{"partialSuccess":null,"x":1}"#,
        ] {
            assert_eq!(
                Answer::from_json(body.as_bytes()),
                Some(Answer::default()),
                "{body}"
            );
        }
    }

    #[test]
    fn an_answer_in_json_is_read_with_numbers_and_with_texts() {
        for rejected in ["3", "\"3\""] {
            let body = format!(r#"{{"partialSuccess":{{"rejectedSpans":{rejected},"errorMessage":"why"}}}}"#);
            let answer = Answer::from_json(body.as_bytes()).unwrap();
            assert_eq!((answer.rejected, answer.message.as_ref()), (3, "why"), "{body}");
        }
        for body in ["", "[]", "3", "{"] {
            assert_eq!(Answer::from_json(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn a_refused_request_is_told_why_in_both_forms() {
        let status = status_to_protobuf(3, "no");
        assert_eq!(status, [8, 3, 18, 2, b'n', b'o']);
        assert_eq!(status_from_protobuf(&status).as_deref(), Some("no"));
        assert_eq!(status_from_protobuf(b"<html>"), None);
        assert_eq!(status_to_json(3, "no"), r#"{"code":3,"message":"no"}"#);
    }

    proptest! {
        #[test]
        fn the_oracle_reads_what_we_answer(rejected in 0..i64::MAX, message in ".{0,20}") {
            let answer = Answer { rejected: rejected.unsigned_abs(), message: message.clone().into() };
            let partial = ExportTracePartialSuccess { rejected_spans: rejected, error_message: message.clone() };
            let oracle = ExportTraceServiceResponse {
                partial_success: (rejected != 0 || !message.is_empty()).then_some(partial),
            };
            prop_assert_eq!(oracle.encode_to_vec(), answer.to_protobuf());
            let bytes = answer.to_protobuf();
            prop_assert_eq!(Answer::from_protobuf(&bytes), Ok(answer.clone()));
            prop_assert_eq!(Answer::from_json(answer.to_json().as_bytes()), Some(answer));
        }

        #[test]
        fn no_bytes_make_the_readers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = (Answer::from_protobuf(&bytes), Answer::from_json(&bytes), status_from_protobuf(&bytes));
        }
    }
}
