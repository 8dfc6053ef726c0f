//! What is known of a span, and which of its attributes a member has taken.

use super::super::mapping::{ROWS, Row, SQL_SYSTEMS, When};
use super::super::span::{Attribute, Kind, Resource, Span, Value};
use super::shape::Aspect;

/// A span with its resource, as one document tells it.
pub(super) struct Known<'a> {
    pub(super) span: &'a Span<'a>,
    pub(super) resource: &'a Resource<'a>,
    pub(super) aspect: Aspect,
    /// By the attribute's place: a member tells it.
    taken: Vec<bool>,
    /// Of every key a bit: most keys that are asked for are not there.
    keys: u64,
    /// As `keys`, of the resource's.
    resource_keys: u64,
    /// The platform that a segment runs on; none of a subsegment.
    pub(super) platform: Option<&'a str>,
    pub(super) is_http: bool,
    pub(super) is_sql: bool,
    pub(super) is_aws_cloud: bool,
    pub(super) is_aws_call: bool,
    pub(super) is_lambda: bool,
}

impl<'a> Known<'a> {
    pub(super) fn new(span: &'a Span<'a>, resource: &'a Resource<'a>, aspect: Aspect) -> Self {
        let taken = vec![false; span.attributes.len()];
        let mut known = Self {
            span,
            resource,
            aspect,
            taken,
            keys: bits(&span.attributes),
            resource_keys: bits(&resource.attributes),
            platform: None,
            is_http: false,
            is_sql: false,
            is_aws_cloud: true,
            is_aws_call: false,
            is_lambda: is_lambda(resource),
        };
        known.is_http = known.tells_of_http();
        known.is_sql = known
            .text("db.system.name")
            .or_else(|| known.text("db.system"))
            .is_some_and(is_sql);
        known.is_aws_cloud = known
            .of_resource("cloud.provider")
            .is_none_or(|provider| provider == "aws");
        known.is_aws_call = is_aws_call(span);
        known.platform = known
            .of_resource("cloud.platform")
            .filter(|_| aspect.is_segment());
        known
    }

    /// The attribute's place and value. The first of two equal keys counts.
    pub(super) fn find(&self, key: &str) -> Option<(usize, &'a Value<'a>)> {
        if self.keys & bit(key) == 0 {
            return None;
        }
        let mut attributes = self.span.attributes.iter().enumerate();
        let (place, attribute) = attributes.find(|(_, attribute)| attribute.key == key)?;
        Some((place, &attribute.value))
    }

    pub(super) fn value(&self, key: &str) -> Option<&'a Value<'a>> {
        Some(self.find(key)?.1)
    }

    /// An attribute's text, if it is one and not empty.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.value(key)?.as_text().filter(|text| !text.is_empty())
    }

    /// The first of the attributes that is a text.
    pub(super) fn first_text(&self, keys: &[&str]) -> Option<&'a str> {
        keys.iter().find_map(|key| self.text(key))
    }

    /// The text of an attribute of the resource.
    pub(super) fn of_resource(&self, key: &str) -> Option<&'a str> {
        self.resource_value(key)?
            .as_text()
            .filter(|text| !text.is_empty())
    }

    /// An attribute of the resource.
    pub(super) fn resource_value(&self, key: &str) -> Option<&'a Value<'a>> {
        let may_be = self.resource_keys & bit(key) != 0;
        may_be.then(|| find(&self.resource.attributes, key)).flatten()
    }

    pub(super) fn take(&mut self, place: usize) {
        if let Some(taken) = self.taken.get_mut(place) {
            *taken = true;
        }
    }

    pub(super) fn is_taken(&self, place: usize) -> bool {
        self.taken.get(place).copied().unwrap_or_default()
    }

    fn tells_of_http(&self) -> bool {
        let is_http = |key: &str| key.starts_with("http.") || key.starts_with("url.");
        let mut first = ROWS
            .iter()
            .filter(|row| row.when == When::Http)
            .filter_map(Row::written);
        self.span
            .attributes
            .iter()
            .any(|attribute| is_http(&attribute.key))
            || first.any(|key| self.find(key).is_some())
    }

    /// HTTP's status, if the span tells it.
    pub(super) fn http_status(&self) -> Option<i64> {
        let value = self
            .value("http.response.status_code")
            .or_else(|| self.value("http.status_code"))?;
        whole(value)
    }
}

fn bits(attributes: &[Attribute<'_>]) -> u64 {
    attributes
        .iter()
        .fold(0, |bits, attribute| bits | bit(&attribute.key))
}

/// One of 64 bits, by a key's length and last letter.
fn bit(key: &str) -> u64 {
    let last = key.bytes().next_back().unwrap_or_default();
    1 << (key.len().wrapping_mul(7).wrapping_add(last.into()) % 64)
}

/// The text of an attribute, if it is one and not empty.
pub(super) fn text<'a>(attributes: &'a [Attribute<'_>], key: &str) -> Option<&'a str> {
    let value = find(attributes, key)?;
    value.as_text().filter(|text| !text.is_empty())
}

/// The first attribute of this name.
pub(super) fn find<'a, 'b>(attributes: &'a [Attribute<'b>], key: &str) -> Option<&'a Value<'b>> {
    let attribute = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(&attribute.value)
}

/// A whole number, or a text of digits.
pub(super) fn whole(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Whether the call goes to AWS.
pub(super) fn is_aws_call(span: &Span<'_>) -> bool {
    let system = text(&span.attributes, "rpc.system").or_else(|| text(&span.attributes, "rpc.system.name"));
    system == Some("aws-api")
}

/// Whether the process runs in Lambda.
pub(super) fn is_lambda(resource: &Resource<'_>) -> bool {
    match text(&resource.attributes, "cloud.platform") {
        Some(platform) => platform == "aws_lambda",
        None => {
            text(&resource.attributes, "faas.name").is_some() && {
                let provider = text(&resource.attributes, "cloud.provider");
                provider.is_none_or(|provider| provider == "aws")
            }
        }
    }
}

/// Whether another service is on the other side.
pub(super) const fn calls_out(kind: Kind) -> bool {
    matches!(kind, Kind::Client | Kind::Producer | Kind::Consumer)
}

fn is_sql(system: &str) -> bool {
    SQL_SYSTEMS.iter().any(|known| known.eq_ignore_ascii_case(system))
}
