//! What OTLP's trace messages hold: one table for the look at strangers' bytes and for the reading of OTLP/JSON.
//!
//! A field's place in its message's list is its number.

/// A message of OTLP.
#[derive(Debug)]
pub(super) struct Message {
    /// By number, the first is 1.
    pub(super) fields: &'static [Field],
    /// One of its fields is there, whatever it holds: a zero is written too.
    pub(super) is_choice: bool,
    /// Values stand in it, which may nest.
    pub(super) nests: bool,
}

/// A field of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// Its name in OTLP/JSON.
    pub(super) name: &'static str,
    /// What it holds.
    pub(super) holds: Holds,
    /// It may come many times.
    pub(super) repeats: bool,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Holds {
    /// Nothing: the number is not used.
    Nothing,
    /// A text.
    Text,
    /// Bytes; base64 in JSON.
    Bytes,
    /// Bytes; hexadecimal digits in JSON.
    Id,
    /// A truth.
    Flag,
    /// A whole number of variable length.
    Varint,
    /// A whole number of variable length, or its name: these names from 0, behind this prefix.
    Choice(&'static str, &'static [&'static str]),
    /// A whole number of four bytes.
    Fixed32,
    /// A whole number of eight bytes.
    Fixed64,
    /// A number of eight bytes.
    Double,
    /// A message.
    Message(&'static Message),
}

const fn one(name: &'static str, holds: Holds) -> Field {
    Field {
        name,
        holds,
        repeats: false,
    }
}

const fn many(name: &'static str, message: &'static Message) -> Field {
    Field {
        name,
        holds: Holds::Message(message),
        repeats: true,
    }
}

const fn texts(name: &'static str) -> Field {
    Field {
        name,
        holds: Holds::Text,
        repeats: true,
    }
}

const fn message(fields: &'static [Field]) -> Message {
    Message {
        fields,
        is_choice: false,
        nests: false,
    }
}

const NONE: Field = one("", Holds::Nothing);

const fn attributes() -> Field {
    many("attributes", &ATTRIBUTE)
}

const fn dropped(name: &'static str) -> Field {
    one(name, Holds::Varint)
}

pub(super) static REQUEST: Message = message(&[many("resourceSpans", &RESOURCE_SPANS)]);

static RESOURCE_SPANS: Message = message(&[
    one("resource", Holds::Message(&RESOURCE)),
    many("scopeSpans", &SCOPE_SPANS),
    one("schemaUrl", Holds::Text),
]);

static SCOPE_SPANS: Message = message(&[
    one("scope", Holds::Message(&SCOPE)),
    many("spans", &SPAN),
    one("schemaUrl", Holds::Text),
]);

pub(super) static RESOURCE: Message = message(&[
    attributes(),
    dropped("droppedAttributesCount"),
    many("entityRefs", &ENTITY),
]);

static ENTITY: Message = message(&[
    one("schemaUrl", Holds::Text),
    one("type", Holds::Text),
    texts("idKeys"),
    texts("descriptionKeys"),
]);

pub(super) static SCOPE: Message = message(&[
    one("name", Holds::Text),
    one("version", Holds::Text),
    attributes(),
    dropped("droppedAttributesCount"),
]);

pub(super) static SPAN: Message = message(&[
    one("traceId", Holds::Id),
    one("spanId", Holds::Id),
    one("traceState", Holds::Text),
    one("parentSpanId", Holds::Id),
    one("name", Holds::Text),
    one(
        "kind",
        Holds::Choice(
            "SPAN_KIND_",
            &[
                "UNSPECIFIED",
                "INTERNAL",
                "SERVER",
                "CLIENT",
                "PRODUCER",
                "CONSUMER",
            ],
        ),
    ),
    one("startTimeUnixNano", Holds::Fixed64),
    one("endTimeUnixNano", Holds::Fixed64),
    attributes(),
    dropped("droppedAttributesCount"),
    many("events", &EVENT),
    dropped("droppedEventsCount"),
    many("links", &LINK),
    dropped("droppedLinksCount"),
    one("status", Holds::Message(&STATUS)),
    one("flags", Holds::Fixed32),
]);

static EVENT: Message = message(&[
    one("timeUnixNano", Holds::Fixed64),
    one("name", Holds::Text),
    attributes(),
    dropped("droppedAttributesCount"),
]);

static LINK: Message = message(&[
    one("traceId", Holds::Id),
    one("spanId", Holds::Id),
    one("traceState", Holds::Text),
    attributes(),
    dropped("droppedAttributesCount"),
    one("flags", Holds::Fixed32),
]);

static STATUS: Message = message(&[
    NONE,
    one("message", Holds::Text),
    one("code", Holds::Choice("STATUS_CODE_", &["UNSET", "OK", "ERROR"])),
]);

static ATTRIBUTE: Message = message(&[
    one("key", Holds::Text),
    one("value", Holds::Message(&VALUE)),
    one("keyStrindex", Holds::Varint),
]);

static VALUE: Message = Message {
    fields: &[
        one("stringValue", Holds::Text),
        one("boolValue", Holds::Flag),
        one("intValue", Holds::Varint),
        one("doubleValue", Holds::Double),
        one("arrayValue", Holds::Message(&LIST)),
        one("kvlistValue", Holds::Message(&MAP)),
        one("bytesValue", Holds::Bytes),
        one("stringValueStrindex", Holds::Varint),
    ],
    is_choice: true,
    nests: false,
};

static LIST: Message = Message {
    fields: &[many("values", &VALUE)],
    is_choice: false,
    nests: true,
};

static MAP: Message = Message {
    fields: &[many("values", &ATTRIBUTE)],
    is_choice: false,
    nests: true,
};
