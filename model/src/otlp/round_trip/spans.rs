//! Spans of everything that both forms can express: they come back.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value as Json, json};

use super::super::span::{Kind, Link, Resource, Scope, Span, SpanEvent, Status, StatusCode};
use super::{attributes_of, lost, shown, through_segments};
use crate::ids::{SegmentId, TraceId};

/// Attributes that members hold, each with what it may be.
fn known() -> impl Strategy<Value = (String, Json)> {
    let text = |key: &str| (Just(key.to_owned()), "[a-z]{1,6}".prop_map(Json::from));
    prop_oneof![
        text("http.request.method"),
        text("user_agent.original"),
        text("enduser.id"),
        text("aws.request_id"),
        text("aws.region"),
        text("aws.sqs.queue.url"),
        text("db.query.text"),
        text("db.user"),
        (
            Just("url.full".to_owned()),
            select(vec!["https://a.example:8443/b?c=d", "http://a.example/"]).prop_map(Json::from)
        ),
        (Just("client.address".to_owned()), Just(json!("203.0.113.9"))),
        (
            Just("http.response.body.size".to_owned()),
            (1i64..99).prop_map(Json::from)
        ),
        (
            Just("db.system.name".to_owned()),
            select(vec!["postgresql", "redis", "mysql"]).prop_map(Json::from)
        ),
        (
            Just("aws.dynamodb.table_names".to_owned()),
            vec("[a-z]{1,4}", 1..3).prop_map(Json::from)
        ),
        (
            Just("aws.xray.metadata.own".to_owned()),
            Just(json!(r#"{"k":[1]}"#))
        ),
    ]
}

/// An attribute that nobody knows.
fn custom() -> impl Strategy<Value = (String, Json)> {
    let scalar = prop_oneof![
        "[a-z]{1,6}".prop_map(Json::from),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1000i32..1000).prop_map(|number| json!(f64::from(number) / 8.0 + 0.0625)),
    ];
    let value = scalar.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..3).prop_map(Json::from),
            btree_map("[a-z]{1,3}", inner, 1..3).prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    });
    ("app[.][a-z]{1,4}", value)
}

fn exception() -> impl Strategy<Value = SpanEvent<'static>> {
    (
        "[0-9a-f]{15}1",
        "[A-Z][a-z]{1,6}",
        "[a-z ]{0,8}[a-z]",
        any::<bool>(),
    )
        .prop_map(|(id, kind, message, is_remote)| {
            let mut attributes =
                json!({ "exception.type": kind, "exception.message": message, "aws.xray.exception.id": id });
            if is_remote {
                attributes["aws.xray.exception.remote"] = true.into();
            }
            SpanEvent {
                time_unix_nano: 0,
                name: "exception".into(),
                attributes: attributes_of(&attributes),
                dropped_attributes: 0,
            }
        })
}

prop_compose! {
    fn link()(id in any::<[u8; 7]>(), attribute in custom()) -> Link<'static> {
        let [a, b, c, d, e, f, g] = id;
        Link {
            trace_id: TraceId::from_bytes([9; 16]),
            span_id: SegmentId::from_bytes([1, a, b, c, d, e, f, g]),
            trace_state: "",
            attributes: attributes_of(&Json::Object([attribute].into_iter().collect())),
            dropped_attributes: 0,
            flags: 0,
        }
    }
}

prop_compose! {
    /// A span that has the name of its service or of what it calls, and its resource.
    fn span()(
        kind in select(vec![Kind::Server, Kind::Client, Kind::Internal]), has_parent in any::<bool>(),
        start in 1_600_000_000_000_000u64..2_000_000_000_000_000, length in 1u64..1_000_000,
        known in vec(known(), 0..6), custom in vec(custom(), 0..4), annotated in any::<bool>(),
        exceptions in vec(exception(), 0..3), links in vec(link(), 0..3), status in select(vec![0i64, 200, 404, 429, 500]),
        language in select(vec!["java", "python", "nodejs", "go", "dotnet", "rust"]),
    ) -> (Span<'static>, Resource<'static>) {
        let mut attributes = Json::Object(known.into_iter().chain(custom).collect());
        let resource = json!({ "service.name": "orders", "service.version": "7", "telemetry.sdk.name": "opentelemetry",
            "telemetry.sdk.language": language, "telemetry.sdk.version": "1.0", "deployment.environment.name": "test" });
        if kind == Kind::Client {
            attributes["peer.service"] = "billing".into();
        }
        if annotated {
            attributes["tenant"] = "acme".into();
            attributes["aws.xray.annotations"] = json!(["tenant"]);
        }
        let is_failure = match status {
            0 => !exceptions.is_empty(),
            status => status >= 500 || (status >= 400 && kind != Kind::Server),
        };
        if status > 0 {
            attributes["http.response.status_code"] = status.into();
        }
        let mut span = Span::new(TraceId::from_bytes([7; 16]), SegmentId::from_bytes([2; 8]));
        let is_alone = kind == Kind::Server && !has_parent;
        span.parent = (!is_alone).then(|| SegmentId::from_bytes([3; 8]));
        span.name = match kind {
            Kind::Server => "orders",
            Kind::Client => "billing",
            _ => "work",
        }.into();
        span.kind = kind;
        span.start_unix_nano = start * 1000;
        span.end_unix_nano = (start + length) * 1000;
        span.attributes = attributes_of(&attributes);
        span.events = if is_failure { exceptions } else { Vec::new() };
        span.events.iter_mut().for_each(|event| event.time_unix_nano = span.end_unix_nano);
        span.links = links;
        span.flags = match (kind, is_alone) {
            (Kind::Server, true) => 1,
            (Kind::Server, false) => 0x301,
            _ => 0x101,
        };
        span.status = Status {
            code: if is_failure { StatusCode::Error } else { StatusCode::Unset },
            message: "".into(),
        };
        let resource = Resource { attributes: attributes_of(&resource), dropped_attributes: 0 };
        (span, resource)
    }
}

proptest! {
    #[test]
    fn a_span_survives_the_way_through_segments((span, resource) in span()) {
        let mut before = shown(&span, &resource, &Scope::default());
        if span.kind != Kind::Server {
            // What is known of the process is told once, by its segment.
            let sdk = ["telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version", "service.version"];
            before["resource"].as_object_mut().unwrap().retain(|key, _| sdk.contains(&key.as_str()));
        }
        let after = through_segments(&span, &resource, &Scope::default());
        prop_assert_eq!(after.len(), 1);
        prop_assert_eq!(lost(&before, &after[0]), vec![], "{:#}", after[0]);
    }
}
