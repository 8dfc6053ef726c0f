//! Documents of everything that both forms can express: they come back.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value as Json, json};

use super::super::mapping::{ROWS, Shape};
use super::{apart, lost, through_spans};

/// Members of no row, by what they hold.
const OTHERS: &[(&str, Shape)] = &[
    ("error", Shape::Flag),
    ("throttle", Shape::Flag),
    ("fault", Shape::Flag),
    ("inferred", Shape::Flag),
    ("traced", Shape::Flag),
    ("Dummy", Shape::Text),
    ("aws.queue_name", Shape::Text),
    ("aws.resource_names", Shape::Texts),
    ("aws.api_gateway.stage", Shape::Text),
    ("aws.ec2.unknown", Shape::Integer),
    ("service.compiler", Shape::Text),
    ("http.unknown", Shape::Texts),
    ("cause.working_directory", Shape::Text),
    ("cause.paths", Shape::Texts),
    ("annotations.tenant", Shape::Text),
    ("annotations.items", Shape::Integer),
    ("annotations.beta", Shape::Flag),
    ("annotations.aws:key", Shape::Text),
    ("annotations.user", Shape::Text),
    ("annotations.odd", Shape::Texts),
    ("metadata.default.cart", Shape::Texts),
    ("metadata.default.service", Shape::Text),
    ("metadata.custom.k", Shape::Integer),
    ("metadata.odd", Shape::Text),
];

const TEXTS: &[&str] = &[
    "203.0.113.9",
    "2001:db8::1",
    "https://shop.example:8443/api/cart?x=1#top",
    "http://shop.example",
    "/cart",
    "jdbc:postgresql://db.example:5432/ebdb?x=y",
    "PostgreSQL",
    "mysql",
    "AWS::EC2::Instance",
    "AWS::ECS::Fargate",
    "AWS::Lambda::Function",
    "AWS::Lambda",
    "AWS::S3",
    "X-Ray for Go",
    "X-Ray for Node.js",
    "X-Ray for Java",
    "X-Ray for .NET",
    "X-Ray for Ruby",
    "aws",
    "0",
    "",
    "caf\u{e9} \"\\ \n",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![select(TEXTS).prop_map(str::to_owned), "[a-z]{1,6}", ".{1,6}"]
}

fn leaf(shape: Shape) -> BoxedStrategy<Json> {
    match shape {
        Shape::Text | Shape::Address => text().prop_map(Json::from).boxed(),
        Shape::Integer => prop_oneof![0i64..600, any::<i64>()].prop_map(Json::from).boxed(),
        Shape::Flag => Just(json!(true)).boxed(),
        Shape::Texts => vec(text(), 1..3).prop_map(Json::from).boxed(),
        Shape::LogGroups => {
            let group = |(name, arn): (String, bool)| match arn {
                true => json!({ "log_group": name, "arn": format!("arn:{name}") }),
                false => json!({ "log_group": name }),
            };
            vec(("[a-z/]{1,6}", any::<bool>()).prop_map(group), 1..3)
                .prop_map(Json::from)
                .boxed()
        }
    }
}

/// A member by its place, and what it holds.
fn member() -> impl Strategy<Value = (String, Json)> {
    let rows = ROWS.iter().map(|row| (row.member, row.shape));
    let all: Vec<(&str, Shape)> = rows.chain(OTHERS.iter().copied()).collect();
    select(all).prop_flat_map(|(place, shape)| (Just(place.to_owned()), leaf(shape)))
}

fn exception() -> impl Strategy<Value = Json> {
    let part = |letters| proptest::option::weighted(0.8, letters);
    let frame = (
        part("[a-z./]{1,8}"),
        proptest::option::of(1u16..),
        part("[a-zA-Z.<>]{1,8}"),
    )
        .prop_map(|(path, line, label)| {
            let mut frame = json!({ "path": path, "line": line, "label": label });
            frame.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            frame
        });
    let ids = ("[0-9a-f]{15}1", "[0-9a-f]{15}1");
    (
        ids,
        "[A-Z][a-z.]{1,6}",
        "[a-z ]{1,8}",
        any::<bool>(),
        vec(frame, 0..3),
    )
        .prop_map(|((id, cause), kind, message, has_cause, stack)| {
            let mut exception = json!({ "id": id, "type": kind, "message": message, "remote": true });
            if has_cause {
                exception["cause"] = cause.into();
                exception["truncated"] = 3.into();
                exception["skipped"] = 1.into();
            }
            if !stack.is_empty() {
                exception["stack"] = stack.into();
            }
            exception
        })
}

fn put(document: &mut Json, place: &str, value: Json) {
    let (first, rest) = place.split_once('.').unwrap_or((place, ""));
    if rest.is_empty() {
        document[first] = value;
    } else {
        if !document[first].is_object() {
            document[first] = json!({});
        }
        put(&mut document[first], rest, value);
    }
}

prop_compose! {
    fn segment()(
        name in "[a-zA-Z0-9 _.:/%&#=+@-]{1,12}", id in "[0-9a-f]{15}1", start in 1_600_000_000_000_000u64..2_000_000_000_000_000,
        length in 0u64..1_000_000, is_open in any::<bool>(), members in vec(member(), 0..10),
        exceptions in vec(exception(), 0..3), is_linked in any::<bool>(),
    ) -> Json {
        let seconds = |micros: u64| f64::from(u32::try_from(micros / 1_000_000).unwrap())
            + f64::from(u32::try_from(micros % 1_000_000).unwrap()) / 1e6;
        let mut document = json!({ "name": name, "id": id, "start_time": seconds(start) });
        match is_open {
            true => document["in_progress"] = true.into(),
            false => document["end_time"] = seconds(start + length).into(),
        }
        for (place, value) in members {
            put(&mut document, &place, value);
        }
        if !exceptions.is_empty() {
            put(&mut document, "cause.exceptions", exceptions.into());
        }
        if is_linked {
            let links = json!([{ "trace_id": TRACE, "id": "00000000000000aa", "attributes": { "a": [1, "b"] } }]);
            document["links"] = links;
        }
        document
    }
}

const TRACE: &str = "1-67881233-abcdef012345678812345678";

fn subsegment() -> impl Strategy<Value = Json> {
    let namespaces = select(vec![json!("aws"), json!("remote"), Json::Null, json!("moon")]);
    (segment(), namespaces).prop_map(|(mut document, namespace)| {
        if !namespace.is_null() {
            document["namespace"] = namespace;
        }
        document
    })
}

prop_compose! {
    /// A segment or an independent subsegment, with others nested in it.
    fn document()(
        segment in segment(), subsegment in subsegment(), is_segment in any::<bool>(), has_parent in any::<bool>(),
        children in vec((subsegment(), vec(subsegment(), 0..2)), 0..3),
    ) -> Json {
        let mut document = if is_segment { segment } else { subsegment };
        document["trace_id"] = TRACE.into();
        if !is_segment {
            document["type"] = "subsegment".into();
        }
        if has_parent || !is_segment {
            document["parent_id"] = "53995c3f42cd8ad8".into();
        }
        let mut number = 0x10;
        let mut name = |child: &mut Json| {
            number += 1;
            child["id"] = format!("{number:016x}").into();
        };
        let children = children.into_iter().map(|(mut child, mut grandchildren)| {
            name(&mut child);
            grandchildren.iter_mut().for_each(&mut name);
            if !grandchildren.is_empty() {
                child["subsegments"] = grandchildren.into();
            }
            child
        });
        let children: Vec<Json> = children.collect();
        if !children.is_empty() {
            document["subsegments"] = children.into();
        }
        document
    }
}

proptest! {
    #[test]
    fn a_document_survives_the_way_through_spans(document in document()) {
        let after = through_spans(&document);
        for before in apart(&document) {
            let id = before["id"].as_str().unwrap();
            prop_assert_eq!(lost(&before, &after[id]), vec![], "{}\n{}", before, after[id]);
        }
    }

    #[test]
    fn a_second_way_through_spans_adds_nothing(document in document()) {
        for once in through_spans(&document).values() {
            let twice = through_spans(once);
            prop_assert_eq!(lost(once, &twice[once["id"].as_str().unwrap()]), vec![]);
        }
    }
}
