//! Values of JSON as attributes have them.

use serde_json::value::RawValue;

use super::super::span::{Attribute, Value};
use crate::limits::ATTRIBUTE_DEPTH_MAX;
use crate::wire::object::{Object, text};

/// The elements of an array as they stand; none from anything else.
pub(super) fn elements(raw: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// A number.
pub(super) fn number(raw: &str) -> Option<f64> {
    let number: f64 = raw.parse().ok()?;
    (is_number(raw) && number.is_finite()).then_some(number)
}

/// A whole number, which may stand in quotes.
pub(super) fn integer(raw: &str) -> Option<i64> {
    let digits = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
    digits.unwrap_or(raw).parse().ok()
}

/// A text, a number or a truth; none for the rest, and for whole numbers that no attribute can hold.
pub(super) fn scalar(raw: &str) -> Option<Value<'_>> {
    match raw.as_bytes().first()? {
        b'"' => text(raw).map(Value::Text),
        b't' => Some(Value::Flag(true)),
        b'f' => Some(Value::Flag(false)),
        _ if raw.contains(['.', 'e', 'E']) => number(raw).map(Value::Double),
        _ if is_number(raw) => raw.parse().ok().map(Value::Integer),
        _ => None,
    }
}

/// Any value; none for what is nested deeper than [`ATTRIBUTE_DEPTH_MAX`] and for numbers that no attribute can hold.
pub(super) fn value(raw: &str) -> Option<Value<'_>> {
    nested(raw, ATTRIBUTE_DEPTH_MAX)
}

fn nested(raw: &str, levels: usize) -> Option<Value<'_>> {
    match raw.as_bytes().first()? {
        b'n' => Some(Value::Empty),
        b'[' => {
            let levels = levels.checked_sub(1)?;
            let mut values = Vec::new();
            for raw in elements(raw)? {
                values.push(nested(raw, levels)?);
            }
            Some(Value::List(values))
        }
        b'{' => {
            let levels = levels.checked_sub(1)?;
            let mut entries = Vec::new();
            for member in Object::read(raw)?.members {
                let value = nested(member.read()?, levels)?;
                let key = member.name;
                entries.push(Attribute { key, value });
            }
            Some(Value::Map(entries))
        }
        _ => scalar(raw),
    }
}

/// Rust reads more as a number than JSON does, such as `inf`.
fn is_number(raw: &str) -> bool {
    raw.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}
