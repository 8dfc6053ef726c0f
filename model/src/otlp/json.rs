//! OTLP/JSON into protobuf, member by member, over the table of messages in [`schema`](super::schema).
//!
//! As lenient as OTLP/JSON asks and somewhat more: whole numbers as numbers or texts, choices as numbers or names, names
//! of members as `traceId` or `trace_id`, unknown members passed over. A member of the wrong kind is passed over as
//! well; doubles of more than fifteen digits may lose the last bit; an id that is none becomes one that [`scan`](super::scan) refuses, so that it costs its span and no more.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::protobuf::{
    close, open, put_bytes, put_bytes_always, put_fixed32, put_fixed64_always, put_varint_always,
};
use super::schema::{Field, Holds, Message, REQUEST};
use crate::wire::text::Text;

/// A body that is not JSON, or whose JSON is no object.
#[derive(Debug, thiserror::Error)]
#[error("not an OTLP/JSON request: {0}")]
pub struct NotJson(#[from] serde_json::Error);

/// The request in protobuf.
///
/// # Errors
/// [`NotJson`] with the place, if the body is not JSON, or nested deeper than the reader goes (128).
pub fn request(body: &[u8]) -> Result<Vec<u8>, NotJson> {
    let mut out = Vec::with_capacity(body.len() / 2);
    let mut reader = serde_json::Deserializer::from_slice(body);
    reader.deserialize_map(Members {
        message: &REQUEST,
        out: &mut out,
    })?;
    reader.end()?;
    Ok(out)
}

/// Reads an object's members into a message.
struct Members<'a> {
    message: &'static Message,
    out: &'a mut Vec<u8>,
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = members.next_key()? {
            let fields = self.message.fields.iter().zip(1..);
            match fields.into_iter().find(|(field, _)| is_named(field, &key)) {
                Some((field, number)) => members.next_value_seed(Fill {
                    field,
                    number,
                    keeps_zero: self.message.is_choice,
                    out: &mut *self.out,
                })?,
                None => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// `traceId`, or `trace_id`.
fn is_named(field: &Field, key: &str) -> bool {
    let mut upper = false;
    let mut name = field.name.bytes();
    for byte in key.bytes() {
        if byte == b'_' {
            upper = true;
            continue;
        }
        let byte = if upper { byte.to_ascii_uppercase() } else { byte };
        upper = false;
        if name.next() != Some(byte) {
            return false;
        }
    }
    name.next().is_none()
}

/// Reads a member into a field.
struct Fill<'a> {
    field: &'static Field,
    number: u32,
    keeps_zero: bool,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Fill<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl Fill<'_> {
    fn whole(self, number: u64) {
        if number == 0 && !self.keeps_zero {
            return;
        }
        let [a, b, c, d, ..] = number.to_le_bytes();
        match self.field.holds {
            Holds::Varint | Holds::Choice(..) => put_varint_always(self.out, self.number, number),
            Holds::Fixed64 => put_fixed64_always(self.out, self.number, number),
            Holds::Fixed32 => put_fixed32(self.out, self.number, u32::from_le_bytes([a, b, c, d])),
            _ => {}
        }
    }

    fn double(self, number: f64) {
        if let Holds::Double = self.field.holds {
            put_fixed64_always(self.out, self.number, number.to_bits());
        } else if number.fract() == 0.0 {
            // Beyond the range the nearest number: no time and no count of ours lies there.
            #[expect(clippy::as_conversions, reason = "whole; saturates at the ends of the range")]
            self.whole(if number < 0.0 {
                (number as i64).cast_unsigned()
            } else {
                number as u64
            });
        }
    }

    fn text(self, text: &str) {
        match self.field.holds {
            Holds::Text if self.keeps_zero => put_bytes_always(self.out, self.number, text.as_bytes()),
            Holds::Text => put_bytes(self.out, self.number, text.as_bytes()),
            Holds::Id => put_bytes(self.out, self.number, &id(text)),
            Holds::Bytes => {
                if let Ok(bytes) = BASE64_STANDARD.decode(text) {
                    put_bytes_always(self.out, self.number, &bytes);
                }
            }
            Holds::Choice(prefix, names) => {
                let name = text.strip_prefix(prefix).unwrap_or(text);
                let place = (0..).zip(names).find(|(_, known)| **known == name);
                if let Some((place, _)) = place {
                    self.whole(place);
                }
            }
            Holds::Flag => {
                if let Ok(flag) = text.parse() {
                    self.flag(flag);
                }
            }
            Holds::Double => {
                if let Ok(number) = text.parse() {
                    self.double(number);
                }
            }
            Holds::Varint | Holds::Fixed32 | Holds::Fixed64 => {
                let number = text.parse::<u64>().ok();
                if let Some(number) = number.or_else(|| Some(text.parse::<i64>().ok()?.cast_unsigned())) {
                    self.whole(number);
                }
            }
            Holds::Nothing | Holds::Message(_) => {}
        }
    }

    fn flag(self, flag: bool) {
        if let Holds::Flag = self.field.holds {
            put_varint_always(self.out, self.number, flag.into());
        }
    }
}

impl<'de> Visitor<'de> for Fill<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.flag(flag);
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        match self.field.holds {
            #[expect(
                clippy::as_conversions,
                reason = "the nearest double, as any reader of JSON takes"
            )]
            Holds::Double => self.double(number as f64),
            _ => self.whole(number),
        }
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        match self.field.holds {
            #[expect(
                clippy::as_conversions,
                reason = "the nearest double, as any reader of JSON takes"
            )]
            Holds::Double => self.double(number as f64),
            _ => self.whole(number.cast_unsigned()),
        }
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.double(number);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.text(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        if !self.field.repeats {
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        while elements
            .next_element_seed(Fill {
                out: &mut *self.out,
                ..self
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Holds::Message(message) = self.field.holds else {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        let inner = open(self.out, self.number);
        Members {
            message,
            out: &mut *self.out,
        }
        .visit_map(members)?;
        close(self.out, inner);
        Ok(())
    }
}

/// The bytes that hexadecimal digits stand for; one byte, which is no id, for anything else.
fn id(text: &str) -> Vec<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect::<Option<Vec<u8>>>().unwrap_or_else(|| vec![0])
}

#[cfg(test)]
mod tests {
    use super::super::span::{Kind, StatusCode, Value};
    use super::super::{decode, request, scan};
    use super::*;

    fn body(span: &str) -> String {
        format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{span}}}]}}]}}]}}"#)
    }

    /// The one span of a request.
    fn span(span: &str) -> Vec<u8> {
        let request = super::request(body(span).as_bytes()).unwrap();
        request::groups(&request)
            .flat_map(|group| group.spans())
            .next()
            .unwrap()
            .to_vec()
    }

    #[track_caller]
    fn check_times(times: &str, expected: (u64, u64)) {
        let bytes = span(times);
        let span = decode::span(&bytes).unwrap();
        assert_eq!((span.start_unix_nano, span.end_unix_nano), expected, "{times}");
    }

    #[test]
    fn whole_numbers_are_read_as_numbers_and_as_texts() {
        check_times(
            r#""startTimeUnixNano":1736970803120000000,"endTimeUnixNano":"7""#,
            (1_736_970_803_120_000_000, 7),
        );
        check_times(r#""start_time_unix_nano":"1","end_time_unix_nano":2"#, (1, 2));
        check_times(
            r#""startTimeUnixNano":1.5e9,"endTimeUnixNano":1e30"#,
            (1_500_000_000, u64::MAX),
        );
        check_times(r#""startTimeUnixNano":null,"endTimeUnixNano":"soon""#, (0, 0));
        check_times(
            r#""startTimeUnixNano":[1],"endTimeUnixNano":{"a":[1,{}]}"#,
            (0, 0),
        );
        check_times(r#""startTimeUnixNano":1.5,"endTimeUnixNano":true"#, (0, 0));
    }

    #[track_caller]
    fn check_choices(choices: &str, expected: (Kind, StatusCode)) {
        let bytes = span(choices);
        let span = decode::span(&bytes).unwrap();
        assert_eq!((span.kind, span.status.code), expected, "{choices}");
    }

    #[test]
    fn choices_are_read_as_numbers_and_as_names() {
        check_choices(
            r#""kind":3,"status":{"code":2}"#,
            (Kind::Client, StatusCode::Error),
        );
        check_choices(
            r#""kind":"SPAN_KIND_SERVER","status":{"code":"STATUS_CODE_OK"}"#,
            (Kind::Server, StatusCode::Ok),
        );
        check_choices(
            r#""kind":"2","status":{"code":"ERROR"}"#,
            (Kind::Unspecified, StatusCode::Error),
        );
        check_choices(
            r#""kind":"SPAN_KIND_NEW","status":{}"#,
            (Kind::Unspecified, StatusCode::Unset),
        );
    }

    #[track_caller]
    fn check_value(value: &str, expected: Value<'_>) {
        let bytes = span(&format!(r#""attributes":[{{"key":"k","value":{value}}}]"#));
        let span = decode::span(&bytes).unwrap();
        assert_eq!(
            span.attributes.first().map(|attribute| &attribute.value),
            Some(&expected),
            "{value}"
        );
    }

    #[test]
    fn values_of_every_kind_are_read_zeros_too() {
        check_value(r#"{"stringValue":""}"#, Value::Text("".into()));
        check_value(r#"{"string_value":"x"}"#, Value::Text("x".into()));
        check_value(r#"{"boolValue":false}"#, Value::Flag(false));
        check_value(r#"{"intValue":"-3"}"#, Value::Integer(-3));
        check_value(r#"{"intValue":-3}"#, Value::Integer(-3));
        check_value(r#"{"intValue":0}"#, Value::Integer(0));
        check_value(r#"{"doubleValue":0}"#, Value::Double(0.0));
        check_value(r#"{"doubleValue":-2}"#, Value::Double(-2.0));
        check_value(r#"{"doubleValue":"-Infinity"}"#, Value::Double(f64::NEG_INFINITY));
        check_value(r#"{"bytesValue":"AAE="}"#, Value::Bytes(vec![0, 1].into()));
        check_value(
            r#"{"arrayValue":{"values":[{"intValue":1},{}]}}"#,
            Value::List(vec![Value::Integer(1), Value::Empty]),
        );
        check_value(r#"{"arrayValue":{}}"#, Value::List(Vec::new()));
        check_value(r#"{"kvlistValue":{"values":[]}}"#, Value::Map(Vec::new()));
        check_value(r#"{"newValue":{"a":[[{}]]}}"#, Value::Empty);
        check_value("null", Value::Empty);
    }

    const TRACE: &str = r#""traceId":"67881233ABCDEF012345678812345678""#;

    #[track_caller]
    fn check_ids(ids: &str, expected: Result<Option<&str>, scan::Refusal>) {
        let bytes = span(&format!("{TRACE},{ids}"));
        let found = scan::scan(&bytes).map(|head| head.parent.map(|parent| parent.id.to_string()));
        assert_eq!(
            found.as_ref().map(Option::as_deref),
            expected.as_ref().map(|id| *id),
            "{ids}"
        );
    }

    #[test]
    fn an_id_that_is_none_costs_its_span_alone() {
        check_ids(r#""spanId":"53995C3F42CD8AD8""#, Ok(None));
        check_ids(r#""spanId":"53995c3f42cd8ad8","parentSpanId":"""#, Ok(None));
        check_ids(
            r#""spanId":"53995c3f42cd8ad8","parentSpanId":"0000000000000000""#,
            Ok(None),
        );
        check_ids(
            r#""span_id":"53995c3f42cd8ad8","parent_span_id":"00F067aa0ba902b7""#,
            Ok(Some("00f067aa0ba902b7")),
        );
        check_ids(r#""spanId":"53995c3f42cd8ad""#, Err(scan::Refusal::BadSpanId));
        check_ids(r#""spanId":"U5lcP0LNitg=""#, Err(scan::Refusal::BadSpanId)); // base64, as protobuf's own JSON has it
        check_ids(
            r#""spanId":"53995c3f42cd8ad8","parentSpanId":"zzzzzzzzzzzzzzzz""#,
            Err(scan::Refusal::BadParentId),
        );
        check_ids(r#""spanId":7"#, Err(scan::Refusal::BadSpanId));
    }

    #[test]
    fn what_is_no_request_is_refused_with_its_place() {
        for body in ["", "[]", "3", "null", "{", r#"{"resourceSpans":[}"#, "{} x"] {
            assert!(request(body.as_bytes()).is_err(), "{body}");
        }
        let error = request(b"{\n ,}").unwrap_err().to_string();
        assert_eq!(
            error,
            "not an OTLP/JSON request: key must be a string at line 2 column 2"
        );
        for body in [
            "{}",
            r#"{"resourceSpans":null}"#,
            r#"{"resourceSpans":[null,7,{}],"x":{}}"#,
        ] {
            assert!(request(body.as_bytes()).is_ok(), "{body}");
        }
    }

    #[test]
    fn values_nest_as_deep_as_spans_are_taken_with() {
        let nested = |levels: usize| {
            let (open, shut) = (r#"{"kvlistValue":{"values":[{"key":"k","value":"#, "}]}}");
            let value = format!("{}{{}}{}", open.repeat(levels), shut.repeat(levels));
            format!(r#"{TRACE},"spanId":"53995c3f42cd8ad8","attributes":[{{"key":"k","value":{value}}}]"#)
        };
        let limit = crate::limits::ATTRIBUTE_DEPTH_MAX;
        assert!(scan::scan(&span(&nested(limit))).is_ok());
        assert_eq!(scan::scan(&span(&nested(limit + 1))), Err(scan::Refusal::TooDeep));
        assert!(request(body(&nested(60)).as_bytes()).is_err());
    }
}
