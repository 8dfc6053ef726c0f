//! One segment or subsegment on its way to a span: member by member, by the table.

use core::net::IpAddr;
use std::borrow::Cow;

use super::super::mapping::{IN_PROGRESS, ROWS, Row, Rule, SQL_SYSTEMS, STACKS_NAMESPACE, Shape, When};
use super::super::span::{Attribute, Kind, Resource, Span, Value};
use super::{Given, SDK_LANGUAGE, derived, finish, json, lookup};
use crate::limits::ATTRIBUTES_PER_SPAN_MAX;
use crate::wire::object::{Member, Object, text};

/// Names of DynamoDB's tables, one or more.
const TABLE_NAMES: &str = "aws.dynamodb.table_names";

/// What a segment or subsegment is, which decides what its members mean.
pub(super) struct Nature<'a> {
    /// A segment, not a subsegment.
    pub(super) is_segment: bool,
    /// A document, not nested in one.
    pub(super) is_top: bool,
    /// What it calls.
    pub(super) namespace: Namespace,
    /// Kind of AWS resource.
    pub(super) origin: Option<Cow<'a, str>>,
}

/// What a subsegment calls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    /// An AWS service.
    Aws,
    /// Another service, or a database.
    Remote,
    /// Nothing: it tells of work of its own.
    Local,
}

impl<'a> Nature<'a> {
    pub(super) fn of(object: &Object<'a>, is_top: bool) -> Self {
        let is_segment = is_top && object.value("type") != Some(r#""subsegment""#);
        let namespace = match object.value("namespace") {
            _ if is_segment => Namespace::Local,
            Some(r#""aws""#) => Namespace::Aws,
            Some(r#""remote""#) => Namespace::Remote,
            _ => Namespace::Local,
        };
        Self {
            is_segment,
            is_top,
            namespace,
            origin: object.read_value("origin").and_then(text),
        }
    }

    fn kind(&self) -> Kind {
        match self.namespace {
            _ if self.is_segment => Kind::Server,
            Namespace::Aws | Namespace::Remote => Kind::Client,
            Namespace::Local => Kind::Internal,
        }
    }
}

/// See the module.
pub(super) struct Part<'a> {
    pub(super) span: Span<'a>,
    /// Of a document; of what is nested in one, nothing.
    pub(super) resource: Resource<'a>,
    /// In which language the stacks are written.
    pub(super) language: Option<Cow<'a, str>>,
    pub(super) nature: Nature<'a>,
    pub(super) given: &'a Given<'a>,
    /// The value of `cloud.platform`.
    pub(super) platform: Option<&'static str>,
    /// The document has a member `aws`.
    pub(super) has_aws: bool,
    /// The SDK that wrote the document is OpenTelemetry's: it was a span before.
    pub(super) was_span: bool,
    /// Members that no attribute says, as the inside of a JSON object.
    pub(super) unsaid: String,
    pub(super) later: Later<'a>,
    /// The span will tell of HTTP.
    is_http: bool,
    /// The span will tell of a database that is asked in SQL.
    is_sql: bool,
}

/// Members that are told after the others.
#[derive(Default)]
pub(super) struct Later<'a> {
    pub(super) error: bool,
    pub(super) throttle: bool,
    pub(super) fault: bool,
    pub(super) cause: Option<&'a str>,
    pub(super) annotations: Option<&'a str>,
    pub(super) metadata: Option<Object<'a>>,
    /// Stacks that could not be taken apart, by their exception's id.
    pub(super) stacks: Option<Object<'a>>,
    pub(super) links: Option<&'a str>,
}

impl<'a> Part<'a> {
    pub(super) fn new(mut span: Span<'a>, nature: Nature<'a>, given: &'a Given<'a>) -> Self {
        span.kind = nature.kind();
        span.flags = derived::flags(&span, &nature);
        let platform = nature.origin.as_deref().and_then(lookup::platform_of);
        Self {
            span,
            resource: Resource::default(),
            language: None,
            nature,
            given,
            platform,
            has_aws: false,
            was_span: false,
            unsaid: String::new(),
            later: Later::default(),
            is_http: false,
            is_sql: false,
        }
    }

    /// Reads every member.
    pub(super) fn read(&mut self, object: &Object<'a>) {
        let mut unsaid = String::new();
        self.walk(object, (ROWS, 0), &mut unsaid);
        self.unsaid = unsaid;
        derived::add(self);
        finish::finish(self);
    }

    /// Adds an attribute of the span. Not if it has one of this name, or too many already.
    pub(super) fn put(&mut self, key: impl Into<Cow<'a, str>>, value: impl Into<Value<'a>>) -> bool {
        put(&mut self.span.attributes, key.into(), value.into())
    }

    /// Adds an attribute of the resource, as [`put`](Self::put).
    pub(super) fn put_resource(&mut self, key: impl Into<Cow<'a, str>>, value: impl Into<Value<'a>>) -> bool {
        put(&mut self.resource.attributes, key.into(), value.into())
    }

    /// Adds an attribute that no other part of a document has, whatever there is already.
    pub(super) fn put_own(&mut self, key: &'static str, value: impl Into<Value<'a>>) {
        self.span.attributes.push(Attribute::new(key, value));
    }

    /// The text of an attribute of the span.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        find(&self.span.attributes, key)?.as_text()
    }

    /// Every member of an object whose rows these are; writes those that no attribute says to `unsaid`. Names of
    /// members begin at `at` of the rows'.
    fn walk(&mut self, object: &Object<'a>, (rows, at): (&'static [Row], usize), unsaid: &mut String) {
        for member in &object.members {
            let Some(raw) = member.read() else { continue };
            if at == 0 && self.top_member(&member.name, raw) {
                continue;
            }
            // A dot in a name is no level: such a member is nobody's.
            let below = match member.name.contains('.') {
                true => [].as_slice(),
                false => lookup::below(rows, at, &member.name),
            };
            let is_said = match below {
                [] => false,
                [row, ..] if row.member.len() == at + member.name.len() => {
                    let of_calls = below.iter().find(|row| row.when == When::AwsCall);
                    let is_call = self.nature.namespace == Namespace::Aws;
                    self.put_row(of_calls.filter(|_| is_call).unwrap_or(row), raw)
                }
                _ => self.object(member, (below, at), unsaid),
            };
            if !is_said {
                member.write(raw, unsaid);
            }
        }
    }

    /// A member that is an object; whether it needs not be kept as it is.
    fn object(
        &mut self,
        member: &Member<'a>,
        (rows, at): (&'static [Row], usize),
        unsaid: &mut String,
    ) -> bool {
        let Some(object) = member.read().and_then(Object::read) else {
            return false;
        };
        if at == 0 {
            self.enter(&member.name, &object);
        }
        let mut inner = String::from("{");
        self.walk(&object, (rows, at + member.name.len() + 1), &mut inner);
        if inner.len() > 1 {
            inner.push('}');
            member.write(&inner, unsaid);
        }
        true
    }

    /// What an object as a whole says of its members.
    fn enter(&mut self, name: &str, object: &Object<'a>) {
        match name {
            "sql" => {
                let system = object.text("database_type");
                self.is_sql = system.is_some_and(|name| SQL_SYSTEMS.contains(&&*lookup::sql_system(&name)));
            }
            "http" => {
                let request = object.read_value("request").and_then(Object::read);
                let response = object.read_value("response").and_then(Object::read);
                let has_text = |name| request.as_ref().and_then(|one| one.text(name)).is_some();
                let has_number = |name| {
                    let value = response.as_ref().and_then(|one| one.value(name));
                    value.and_then(json::integer).is_some()
                };
                self.is_http = ["method", "url", "user_agent"].into_iter().any(has_text)
                    || ["status", "content_length"].into_iter().any(has_number);
            }
            "aws" => {
                self.has_aws = true;
                if self.nature.is_segment && self.platform.is_none() {
                    let names = object.members.iter().map(|member| &*member.name);
                    self.platform = lookup::platform_among(names);
                }
            }
            _ => {}
        }
    }

    /// A member of the document's own level that no row tells; whether it needs not be kept as it is.
    fn top_member(&mut self, name: &str, raw: &'a str) -> bool {
        let later = &mut self.later;
        match name {
            "name" | "id" | "trace_id" | "parent_id" | "start_time" | "end_time" | "type" | "subsegments" => {
            }
            "in_progress" if raw == "true" => {
                self.put(IN_PROGRESS, true);
            }
            "namespace" => return matches!(raw, r#""aws""# | r#""remote""# | r#""local""#),
            "in_progress" | "error" | "throttle" | "fault" if raw == "false" => {}
            "error" if raw == "true" => later.error = true,
            "throttle" if raw == "true" => later.throttle = true,
            "fault" if raw == "true" => later.fault = true,
            "cause" => later.cause = Some(raw),
            "annotations" => later.annotations = Some(raw),
            "metadata" => match Object::read(raw) {
                Some(metadata) => {
                    later.stacks = metadata.read_value(STACKS_NAMESPACE).and_then(Object::read);
                    later.metadata = Some(metadata);
                }
                None => return false,
            },
            "links" => later.links = Some(raw),
            // Node.js writes it here, everybody else in the request.
            "traced" => {
                let row = ROWS.iter().find(|row| row.member == "http.request.traced");
                if let Some(row) = row {
                    self.put_row(row, raw);
                }
                return raw == "false";
            }
            _ => return false,
        }
        true
    }

    /// Writes the attribute of a row. Whether the attribute says the member for good: otherwise it is kept as well.
    fn put_row(&mut self, row: &'static Row, raw: &'a str) -> bool {
        let Some((value, is_whole)) = row_value(row, raw) else {
            return false;
        };
        if value == Value::Flag(false) {
            return true;
        }
        if row.rule == Some(Rule::Sdk) && self.nature.is_top {
            return self.sdk(value);
        }
        let mut is_said = false;
        if let Some(key) = row.written() {
            // A list of one is what today's conventions have instead of a text.
            let (key, new) = match (row.rule, &value) {
                (Some(Rule::OneTable), Value::Text(_)) => (TABLE_NAMES, Value::List(vec![value.clone()])),
                _ => (key, value.clone()),
            };
            is_said |= self.put(key, new);
            if self.given.older_names
                && let Some(older) = lookup::older(row)
            {
                self.put(older, value.clone());
            }
        }
        // What a span can say as well, a subsegment says of what it calls.
        if self.nature.is_segment || (self.nature.is_top && row.span.is_empty()) {
            is_said |= self.put_to_resource(row, value);
        }
        is_said && is_whole && self.comes_back(row)
    }

    /// Name and language of the SDK, which OpenTelemetry has apart.
    fn sdk(&mut self, value: Value<'a>) -> bool {
        let apart = value.as_text().and_then(lookup::of_opentelemetry);
        let apart = apart.map(|(name, language)| (name.to_owned(), language.to_owned()));
        let Some((name, language)) = apart else {
            self.put_resource("telemetry.sdk.name", value);
            return false;
        };
        self.was_span = true;
        self.put_resource(SDK_LANGUAGE, language);
        self.put_resource("telemetry.sdk.name", name)
    }

    fn put_to_resource(&mut self, row: &'static Row, value: Value<'a>) -> bool {
        let Some(first) = row.written_to_resource() else {
            return false;
        };
        let value = match value {
            // What describes a resource is text, numbers of deployments too.
            Value::Integer(number) => number.to_string().into(),
            value => value,
        };
        if row.shape != Shape::LogGroups {
            return put(&mut self.resource.attributes, first.into(), value);
        }
        let Value::Map(groups) = value else { return false };
        let mut is_said = true;
        for group in groups {
            is_said &= put(&mut self.resource.attributes, group.key, group.value);
        }
        is_said
    }

    /// Whether what the row wrote is read back: its condition holds for the span as it will be.
    fn comes_back(&self, row: &Row) -> bool {
        match row.when {
            When::Always | When::Aws | When::AwsCall => true,
            When::Http => self.is_http,
            When::Sql => self.is_sql,
            When::Segment => self.nature.is_segment,
            when => self.nature.is_segment && lookup::is_of_platform(when, self.platform),
        }
    }
}

/// The attribute of this name.
pub(super) fn find<'s, 'a>(attributes: &'s [Attribute<'a>], key: &str) -> Option<&'s Value<'a>> {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    found.map(|attribute| &attribute.value)
}

fn put<'a>(attributes: &mut Vec<Attribute<'a>>, key: Cow<'a, str>, value: Value<'a>) -> bool {
    let is_new = attributes.len() < ATTRIBUTES_PER_SPAN_MAX && find(attributes, &key).is_none();
    if is_new {
        attributes.push(Attribute { key, value });
    }
    is_new
}

/// The value of a row's attribute, and whether it says all that the member said.
fn row_value<'a>(row: &Row, raw: &'a str) -> Option<(Value<'a>, bool)> {
    let whole = |value: Value<'a>| (value, true);
    match row.shape {
        Shape::Integer => json::integer(raw).map(Value::Integer).map(whole),
        Shape::Flag => match raw {
            "true" | "false" => Some(whole(Value::Flag(raw == "true"))),
            _ => None,
        },
        Shape::Texts => {
            let value = json::value(raw)?;
            let Value::List(texts) = &value else { return None };
            // One table alone is read back as `table_name`, and an empty list not at all.
            let fewest = if row.rule == Some(Rule::SeveralTables) {
                2
            } else {
                1
            };
            let is_whole = texts.len() >= fewest;
            let are_texts = texts.iter().all(|text| text.as_text().is_some());
            are_texts.then_some((value, is_whole))
        }
        Shape::LogGroups => log_groups(raw),
        Shape::Text | Shape::Address => {
            let Some(said) = text(raw) else {
                // Written out, a number or a truth reads as well, but comes back as text.
                return json::scalar(raw).map(|_| (raw.into(), false));
            };
            if row.member == "sql.database_type" {
                let system = lookup::sql_system(&said).into_owned();
                let is_whole = system == said;
                return Some((system.into(), is_whole));
            }
            // An empty text is left out on the way back, and so is an address that is none.
            let is_whole = match row.shape {
                Shape::Address => said.parse::<IpAddr>().is_ok(),
                _ => !said.is_empty(),
            };
            Some((said.into(), is_whole))
        }
    }
}

/// Names and ARNs of log groups, by the attribute that lists them.
fn log_groups(raw: &str) -> Option<(Value<'_>, bool)> {
    let (mut names, mut arns) = (Vec::new(), Vec::new());
    let mut is_whole = true;
    for group in json::elements(raw)? {
        let group = Object::read(group)?;
        names.extend(group.read_value("log_group").and_then(json::scalar));
        arns.extend(group.read_value("arn").and_then(json::scalar));
        // Only of plain names is it known which belongs to which group.
        is_whole &= group.members.len() == 1 && arns.is_empty();
    }
    let mut lists = Vec::new();
    for (key, texts) in [("aws.log.group.names", names), ("aws.log.group.arns", arns)] {
        if !texts.is_empty() {
            lists.push(Attribute::new(key, Value::List(texts)));
        }
    }
    Some((Value::Map(lists), is_whole))
}
