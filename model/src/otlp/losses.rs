//! What does not survive the way through the other form, each entry with an example that shows it and nothing else.
//!
//! A part of `docs/mapping.md`; the tests of the round trip hold each entry to its example.

/// A way that loses something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A document that becomes spans, and these documents.
    ThroughSpans,
    /// A span that becomes a document, and that spans.
    ThroughSegments,
}

/// Something that the other form cannot say.
pub struct Loss {
    /// On which way.
    pub way: Way,
    /// What is lost.
    pub what: &'static str,
    /// What there is instead.
    pub instead: &'static str,
    /// Members of a document, or of a span, that has it, as JSON.
    pub example: &'static str,
    /// Where it is missing then, and what is there; `*` is anything.
    pub lost: &'static [(&'static str, &'static str)],
}

const fn document(
    what: &'static str,
    instead: &'static str,
    example: &'static str,
    lost: &'static [(&'static str, &'static str)],
) -> Loss {
    Loss {
        way: Way::ThroughSpans,
        what,
        instead,
        example,
        lost,
    }
}

const fn span(
    what: &'static str,
    instead: &'static str,
    example: &'static str,
    lost: &'static [(&'static str, &'static str)],
) -> Loss {
    Loss {
        way: Way::ThroughSegments,
        what,
        instead,
        example,
        lost,
    }
}

/// The list.
pub const LOSSES: &[Loss] = &[
    document(
        "subsegments nested in a document",
        "independent subsegments, each a document with `type`, `trace_id` and `parent_id`",
        r#"{"subsegments":[{"id":"00000000000000aa","name":"n","start_time":1.0,"end_time":2.0}]}"#,
        &[("/subsegments", "null")],
    ),
    document(
        "`namespace` `local`",
        "none, which says the same",
        r#"{"type":"subsegment","parent_id":"53995c3f42cd8ad8","namespace":"local"}"#,
        &[("/namespace", "null")],
    ),
    document(
        "flags that are false: `fault`, `error`, `throttle`, `in_progress`, `http.request.traced`",
        "left out, which says the same",
        r#"{"fault":false,"in_progress":false,"http":{"request":{"method":"GET","traced":false}}}"#,
        &[
            ("/fault", "null"),
            ("/http/request/traced", "null"),
            ("/in_progress", "null"),
        ],
    ),
    document(
        "whole numbers in quotes, where a number belongs",
        "numbers",
        r#"{"http":{"response":{"content_length":"861"}}}"#,
        &[("/http/response/content_length", "861")],
    ),
    document(
        "empty objects, and empty lists of exceptions",
        "left out",
        r#"{"service":{},"http":{"request":{}},"cause":{"exceptions":[]}}"#,
        &[("/cause", "null"), ("/http", "null"), ("/service", "null")],
    ),
    document(
        "an exception's empty texts, zeros and `remote` that is false",
        "left out",
        r#"{"cause":{"exceptions":[{"id":"00000000000000aa","type":"","message":"m","remote":false,"truncated":0,
            "stack":[{"path":"a","line":1,"label":"b"}]}]}}"#,
        &[
            ("/cause/exceptions/0/remote", "null"),
            ("/cause/exceptions/0/truncated", "null"),
            ("/cause/exceptions/0/type", "null"),
        ],
    ),
    document(
        "members of an exception or a frame that X-Ray's schema does not know",
        "left out",
        r#"{"cause":{"exceptions":[{"id":"00000000000000aa","message":"m","extra":1,
            "stack":[{"path":"a","line":1,"label":"b","extra":2}]}]}}"#,
        &[
            ("/cause/exceptions/0/extra", "null"),
            ("/cause/exceptions/0/stack/0/extra", "null"),
        ],
    ),
    document(
        "the order of a stack by X-Ray's SDK for Python, the innermost call last",
        "the innermost first, as in every other language",
        r#"{"aws":{"xray":{"sdk":"X-Ray for Python"}},"cause":{"exceptions":[{"id":"00000000000000aa","type":"E","message":"m",
            "stack":[{"path":"a","line":1,"label":"f"},{"path":"a","line":2,"label":"f"}]}]}}"#,
        &[
            ("/cause/exceptions/0/stack/0/line", "2"),
            ("/cause/exceptions/0/stack/1/line", "1"),
        ],
    ),
    document(
        "times below a microsecond",
        "the nearest microsecond",
        r#"{"start_time":1736970803.1234567,"end_time":1736970804.5}"#,
        &[("/start_time", "1736970803.123457")],
    ),
    document(
        "an end before the start",
        "the start",
        r#"{"start_time":1736970803.5,"end_time":1736970803.25}"#,
        &[("/end_time", "1736970803.5")],
    ),
    document(
        "the end of what is in progress",
        "none",
        r#"{"in_progress":true,"end_time":1736970803.25}"#,
        &[("/end_time", "null")],
    ),
    document(
        "ids in upper case",
        "in lower case",
        r#"{"parent_id":"53995C3F42CD8AD8"}"#,
        &[("/parent_id", r#""53995c3f42cd8ad8""#)],
    ),
    document(
        "a name's characters that X-Ray refuses",
        "left out",
        r#"{"name":"a?b"}"#,
        &[("/name", r#""ab""#)],
    ),
    span(
        "kinds PRODUCER, CONSUMER and unspecified",
        "INTERNAL under a parent",
        r#"{"kind":"Producer"}"#,
        &[("/kind", r#""Internal""#)],
    ),
    span(
        "the kind of a root",
        "SERVER: a segment",
        r#"{"kind":"Internal","parent":false}"#,
        &[("/flags", "1"), ("/kind", r#""Server""#)],
    ),
    span(
        "the name of a span that answers or calls a service",
        "the service's name",
        r#"{"kind":"Server","name":"GET /cart","flags":769}"#,
        &[("/name", r#""work""#)],
    ),
    span(
        "times below a microsecond",
        "cut to the microsecond",
        r#"{"start":1700000000123456789}"#,
        &[("/start", "1700000000123456000")],
    ),
    span(
        "`tracestate`, and the flags as they were",
        "none; flags say that the trace is recorded, and that a segment's parent is remote",
        r#"{"state":"a=b","flags":0}"#,
        &[("/flags", "257"), ("/state", r#""""#)],
    ),
    span(
        "how much was dropped before",
        "0",
        r#"{"dropped":3}"#,
        &[("/dropped", "0")],
    ),
    span(
        "events other than exceptions (and failed attempts of AWS calls)",
        "none",
        r#"{"events":[{"name":"log","attributes":{"a":1}}]}"#,
        &[("/events", "[]")],
    ),
    span(
        "the time of an exception, and what is unusual of it",
        "the span's end",
        r#"{"status":"Error","events":[{"name":"exception","time":5,"attributes":{"exception.type":"E",
            "exception.message":"m","exception.escaped":true}}]}"#,
        &[
            ("/events/0/attributes/exception.escaped", "null"),
            ("/events/0/time", "*"),
        ],
    ),
    span(
        "status Ok",
        "Unset",
        r#"{"status":"Ok"}"#,
        &[("/status", r#""Unset""#)],
    ),
    span(
        "the message of status Error",
        "an exception of this message, if there is no other",
        r#"{"status":"Error","message":"m"}"#,
        &[("/events", "*"), ("/message", r#""""#)],
    ),
    span(
        "a status other than HTTP's",
        "the one that follows from HTTP's",
        r#"{"attributes":{"http.response.status_code":500}}"#,
        &[("/status", r#""Error""#)],
    ),
    span(
        "bytes",
        "their base64, as text",
        r#"{"attributes":{"app.bytes":{"bytes":[1,2,3]}}}"#,
        &[("/attributes/app.bytes", r#""AQID""#)],
    ),
    span(
        "attributes without a value",
        "none",
        r#"{"attributes":{"app.empty":null}}"#,
        &[("/attributes/app.empty", "null")],
    ),
    span(
        "a link's `tracestate`",
        "none",
        r#"{"links":[{"state":"a=b"}]}"#,
        &[("/links/0/state", r#""""#)],
    ),
    span(
        "names of older conventions",
        "today's",
        r#"{"kind":"Client","attributes":{"peer.service":"work","http.method":"GET"}}"#,
        &[("/attributes/http.method", "null")],
    ),
    span(
        "characters other than letters, digits, `_` and `.` in the key of an annotation",
        "`_`",
        r#"{"attributes":{"a:b":1,"aws.xray.annotations":["a:b"]}}"#,
        &[
            ("/attributes/a:b", "null"),
            ("/attributes/aws.xray.annotations/0", r#""a_b""#),
        ],
    ),
    span(
        "the resource of a span that is a subsegment, but for SDK and version",
        "told by the segment alone",
        r#"{"resource":{"deployment.environment.name":"test","service.name":"orders"}}"#,
        &[
            ("/resource/deployment.environment.name", "null"),
            ("/resource/service.name", r#""work""#),
        ],
    ),
    span(
        "the instrumentation scope",
        "attributes `otel.scope.name` and `otel.scope.version`",
        r#"{"scope":"my-library"}"#,
        &[("/scope", r#""""#)],
    ),
    span(
        "attributes without a member, of a span whose resource does not name OpenTelemetry's SDK",
        "JSON in `aws.xray.metadata.default`",
        r#"{"attributes":{"app.key":1},"resource":{"telemetry.sdk.name":null}}"#,
        &[
            ("/attributes/app.key", "null"),
            ("/resource/telemetry.sdk.language", "null"),
        ],
    ),
    span(
        "the password in a database's address",
        "none, anywhere",
        r#"{"kind":"Client","attributes":{"peer.service":"work","db.system":"mysql","db.name":"x",
            "db.connection_string":"mysql://me:secret@db.example"}}"#,
        &[
            ("/attributes/db.connection_string", "null"),
            ("/attributes/db.name", "null"),
            ("/attributes/db.system", "null"),
        ],
    ),
    span(
        "a call that is the first span of its service (`aws.span.kind` LOCAL_ROOT)",
        "a span for the service, too, between it and its parent",
        r#"{"kind":"Client","attributes":{"aws.span.kind":"LOCAL_ROOT","aws.remote.service":"work","aws.local.service":"orders"}}"#,
        &[("/parent", "*")],
    ),
];
