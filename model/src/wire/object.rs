//! A JSON object as a list of members whose bytes stay as they are.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::text::Text;

/// One member.
#[derive(Debug, Clone)]
pub(crate) struct Member<'a> {
    /// The name as it stands, with its quotes.
    key: Cow<'a, str>,
    /// The name as it reads.
    pub(crate) name: Cow<'a, str>,
    /// The value as it stands.
    pub(crate) value: Cow<'a, str>,
}

impl<'a> Member<'a> {
    /// Its bytes, with colon and comma.
    pub(crate) fn len(&self) -> usize {
        self.key.len() + self.value.len() + 2
    }

    /// The name as it stands, without its quotes.
    pub(crate) fn bare_key(&self) -> &str {
        self.key.trim_matches('"')
    }

    /// The value as it stands, if it was read and not set.
    pub(crate) fn read(&self) -> Option<&'a str> {
        match self.value {
            Cow::Borrowed(value) => Some(value),
            Cow::Owned(_) => None,
        }
    }

    /// Writes it with another value behind the members of an object that `out` holds.
    pub(crate) fn write(&self, value: &str, out: &mut String) {
        if !matches!(out.chars().next_back(), None | Some('{')) {
            out.push(',');
        }
        out.push_str(&self.key);
        out.push(':');
        out.push_str(value);
    }
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Object<'a> {
    /// In their order.
    pub(crate) members: Vec<Member<'a>>,
}

impl<'a> Object<'a> {
    /// Reads an object; none from anything else.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let object = reader.deserialize_map(Members).ok()?;
        reader.end().ok()?;
        Some(object)
    }

    /// A member's value as it stands. The last of several equal ones counts, as in the scan.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let member = self.members.iter().rfind(|member| member.name == name)?;
        Some(&member.value)
    }

    /// A member's text.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        text(self.value(name)?)
    }

    /// Takes every member of this name out; the value of the last.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a str> {
        let taken = self.members.extract_if(.., |member| member.name == name).last();
        taken?.read()
    }

    /// A member's value as it was read. The last of several equal ones counts.
    pub(crate) fn read_value(&self, name: &str) -> Option<&'a str> {
        self.members.iter().rfind(|member| member.name == name)?.read()
    }

    /// Puts a member at the end, in the place of every one of the same name.
    pub(crate) fn set(&mut self, name: &'static str, value: String) {
        self.members.retain(|member| member.name != name);
        self.members.push(member(name, value));
    }

    /// Makes a nested subsegment a document of its own.
    pub(crate) fn stand_alone(&mut self, trace: &str, parent: &str) {
        let own = [
            member("type", r#""subsegment""#.into()),
            member("trace_id", format!("\"{trace}\"")),
            member("parent_id", format!("\"{parent}\"")),
        ];
        self.members
            .retain(|member| own.iter().all(|own| own.name != member.name));
        self.members.splice(..0, own);
    }

    /// The bytes it is written in.
    pub(crate) fn len(&self) -> usize {
        2 + self.members.iter().map(Member::len).sum::<usize>()
    }

    /// The object as text.
    pub(crate) fn write(&self) -> String {
        let mut text = String::with_capacity(self.len());
        text.push('{');
        for member in &self.members {
            member.write(&member.value, &mut text);
        }
        text.push('}');
        text
    }
}

fn member<'a>(name: &'static str, value: String) -> Member<'a> {
    Member {
        key: format!("\"{name}\"").into(),
        name: name.into(),
        value: value.into(),
    }
}

/// What a JSON string says; none if it is something else.
pub(crate) fn text(value: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(value).ok().map(|text| text.0)
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let mut object = Object::default();
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            let name = match key.get().strip_prefix('"').and_then(|key| key.strip_suffix('"')) {
                Some(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
                // Broken surrogates cannot be read; such a member is unknown to everybody.
                _ => serde_json::from_str::<String>(key.get()).map_or(Cow::Borrowed(key.get()), Cow::Owned),
            };
            object.members.push(Member {
                key: key.get().into(),
                name,
                value: value.get().into(),
            });
        }
        Ok(object)
    }
}
