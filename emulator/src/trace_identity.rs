//! Which carrier shows which segment id, in every style that sandboxes are known or suspected to have.
//!
//! Pure: ids come from the caller.

use model::ids::{SegmentId, TraceId};
use model::time::Timestamp;
use model::trace_header::{Sampled, TraceHeader};
use uuid::Uuid;

/// How the platform shows ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdStyle {
    /// Active tracing today: every carrier inside the sandbox names the function segment.
    CurrentActive,
    /// Active tracing before: the runtime's header names an Invocation subsegment that nobody announces.
    ClassicActive,
    /// Active tracing on managed instances: the value is the upstream header, `spanId` the function segment.
    Managed,
    /// The upstream header passes through; the platform has no segment.
    PassThrough,
}

/// What decides an identity besides the incoming header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) style: IdStyle,
    /// What active tracing decides where the request leaves it open.
    pub(crate) sampling_decision: bool,
    pub(crate) invocation_id_in_runtime_done: bool,
    pub(crate) tracing_in_pass_through: bool,
}

/// New ids for one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FreshIds {
    pub(crate) root: TraceId,
    pub(crate) function: SegmentId,
    pub(crate) front_end: SegmentId,
    pub(crate) invocation: SegmentId,
}

impl FreshIds {
    /// Random ids, the trace's time being `now`.
    pub(crate) fn random(now: Timestamp) -> Self {
        let seconds = u32::try_from(now.as_millis() / 1_000)
            .unwrap_or_default()
            .to_be_bytes();
        let mut root = *Uuid::new_v4().as_bytes();
        for (to, from) in root.iter_mut().zip(seconds) {
            *to = from;
        }
        Self {
            root: TraceId::from_bytes(root),
            function: random_segment_id(),
            front_end: random_segment_id(),
            invocation: random_segment_id(),
        }
    }
}

fn random_segment_id() -> SegmentId {
    let [a, b, c, d, e, f, .., g, h] = *Uuid::new_v4().as_bytes();
    SegmentId::from_bytes([a, b, c, d, e, f, g, h])
}

/// `tracing` of a telemetry record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tracing {
    /// `spanId`.
    pub(crate) span_id: Option<String>,
    /// `value`.
    pub(crate) value: String,
}

/// Every id and header of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// `tracing.value` of the INVOKE event; its Parent is P.
    pub(crate) invoke_header: Option<String>,
    /// `Lambda-Runtime-Trace-Id`; its Parent is D.
    pub(crate) runtime_header: Option<String>,
    /// `tracing` of `platform.start` and `platform.report`: `spanId` is S, the value's Parent is W.
    pub(crate) start: Option<Tracing>,
    /// `tracing` of `platform.runtimeDone`.
    pub(crate) runtime_done: Option<Tracing>,
    /// What the caller gets as `X-Amzn-Trace-Id`.
    pub(crate) answer_header: Option<String>,
}

/// Decides every id and header of one request.
pub(crate) fn identify(rules: Rules, incoming: Option<&str>, fresh: FreshIds) -> Identity {
    let header = incoming.map(TraceHeader::parse).unwrap_or_default();
    match rules.style {
        IdStyle::CurrentActive => active(rules, header, fresh, fresh.function),
        IdStyle::ClassicActive => active(rules, header, fresh, fresh.invocation),
        IdStyle::Managed => managed(rules, header, fresh),
        IdStyle::PassThrough => pass_through(rules, incoming, header, fresh),
    }
}

fn active(rules: Rules, header: TraceHeader, fresh: FreshIds, runtime_parent: SegmentId) -> Identity {
    let decided = decide(rules, header, fresh);
    let invoke_header = decided.clone().with_parent(fresh.function);
    let front_end = TraceHeader {
        extra: Vec::new(),
        ..decided.clone()
    }
    .with_parent(fresh.front_end);
    let span = |span_id: SegmentId, value: &TraceHeader| {
        decided.is_sampled().then(|| Tracing {
            span_id: Some(span_id.to_string()),
            value: value.to_string(),
        })
    };
    let start = span(fresh.function, &front_end);
    let runtime_done = if rules.invocation_id_in_runtime_done && runtime_parent == fresh.invocation {
        span(
            fresh.invocation,
            &TraceHeader {
                extra: Vec::new(),
                ..invoke_header.clone()
            },
        )
    } else {
        start.clone()
    };
    Identity {
        answer_header: Some(invoke_header.to_string()),
        invoke_header: Some(invoke_header.to_string()),
        runtime_header: Some(decided.clone().with_parent(runtime_parent).to_string()),
        start,
        runtime_done,
    }
}

fn managed(rules: Rules, header: TraceHeader, fresh: FreshIds) -> Identity {
    let upstream = decide(rules, header, fresh);
    let runtime_header = upstream.clone().with_parent(fresh.function).to_string();
    let start = upstream.is_sampled().then(|| Tracing {
        span_id: Some(fresh.function.to_string()),
        value: upstream.to_string(),
    });
    Identity {
        invoke_header: None,
        answer_header: Some(runtime_header.clone()),
        runtime_header: Some(runtime_header),
        runtime_done: start.clone(),
        start,
    }
}

fn pass_through(rules: Rules, incoming: Option<&str>, header: TraceHeader, fresh: FreshIds) -> Identity {
    let text = match incoming {
        Some(text) => text.to_owned(),
        None => {
            let root = Some(fresh.root.to_string());
            TraceHeader {
                root,
                sampled: Some(Sampled::No),
                ..TraceHeader::default()
            }
            .to_string()
        }
    };
    let has_tracing = rules.tracing_in_pass_through && header.is_sampled() && header.root.is_some();
    let tracing = has_tracing.then(|| Tracing {
        span_id: None,
        value: text.clone(),
    });
    Identity {
        invoke_header: Some(text.clone()),
        runtime_header: Some(text.clone()),
        start: tracing.clone(),
        runtime_done: tracing,
        answer_header: Some(text),
    }
}

/// The upstream header with a valid root and a decision.
fn decide(rules: Rules, header: TraceHeader, fresh: FreshIds) -> TraceHeader {
    let mut decided = header;
    if decided.trace_id().is_none() {
        decided = TraceHeader {
            root: Some(fresh.root.to_string()),
            extra: decided.extra,
            ..TraceHeader::default()
        };
    }
    if !matches!(decided.sampled, Some(Sampled::Yes | Sampled::No)) {
        decided.sampled = Some(if rules.sampling_decision {
            Sampled::Yes
        } else {
            Sampled::No
        });
    }
    decided
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "1-6a0edb41-00112233445566778899aabb";
    const NEW: &str = "1-00000001-020202020202020202020202";

    fn fresh() -> FreshIds {
        FreshIds {
            root: NEW.parse().unwrap(),
            function: "ffffffffffffffff".parse().unwrap(),
            front_end: "eeeeeeeeeeeeeeee".parse().unwrap(),
            invocation: "dddddddddddddddd".parse().unwrap(),
        }
    }

    fn rules(style: IdStyle) -> Rules {
        Rules {
            style,
            sampling_decision: true,
            invocation_id_in_runtime_done: false,
            tracing_in_pass_through: true,
        }
    }

    /// Parents as `P D S W`, `-` for none; the upstream's is `u`, new ones `f` (function), `e` (front end), `d`.
    fn parents(identity: &Identity) -> String {
        let parent = |text: Option<&str>| {
            let parent = TraceHeader::parse(text.unwrap_or_default()).parent;
            parent.and_then(|id| id.chars().next()).unwrap_or('-')
        };
        let start = identity.start.as_ref();
        let span = start
            .and_then(|tracing| tracing.span_id.as_deref())
            .and_then(|id| id.chars().next());
        format!(
            "{} {} {} {}",
            parent(identity.invoke_header.as_deref()),
            parent(identity.runtime_header.as_deref()),
            span.unwrap_or('-'),
            parent(start.map(|tracing| tracing.value.as_str())),
        )
    }

    #[track_caller]
    fn check(style: IdStyle, incoming: Option<&str>, expected: &str) {
        let incoming = incoming.map(|text| text.replace("ROOT", ROOT).replace("UP", "1111111111111111"));
        let identity = identify(rules(style), incoming.as_deref(), fresh());
        assert_eq!(parents(&identity), expected, "{style:?} {incoming:?}");
    }

    #[test]
    fn every_style_shows_the_ids_of_its_row() {
        let sampled = Some("Root=ROOT;Parent=UP;Sampled=1");
        check(IdStyle::CurrentActive, sampled, "f f f e");
        check(IdStyle::ClassicActive, sampled, "f d f e");
        check(IdStyle::Managed, sampled, "- f f 1");
        check(IdStyle::PassThrough, sampled, "1 1 - 1");
    }

    #[test]
    fn a_request_without_a_header_starts_a_trace_only_under_active_tracing() {
        check(IdStyle::CurrentActive, None, "f f f e");
        check(IdStyle::ClassicActive, None, "f d f e");
        check(IdStyle::Managed, None, "- f f -");
        check(IdStyle::PassThrough, None, "- - - -");
        let identity = identify(rules(IdStyle::PassThrough), None, fresh());
        assert_eq!(
            identity.runtime_header.as_deref(),
            Some(format!("Root={NEW};Sampled=0").as_str())
        );
        let identity = identify(rules(IdStyle::CurrentActive), None, fresh());
        assert_eq!(
            identity.invoke_header.as_deref(),
            Some(format!("Root={NEW};Parent=ffffffffffffffff;Sampled=1").as_str())
        );
    }

    #[test]
    fn a_request_that_is_not_sampled_has_no_tracing_in_its_records() {
        for style in [
            IdStyle::CurrentActive,
            IdStyle::ClassicActive,
            IdStyle::Managed,
            IdStyle::PassThrough,
        ] {
            let incoming = format!("Root={ROOT};Parent=1111111111111111;Sampled=0");
            let identity = identify(rules(style), Some(&incoming), fresh());
            assert_eq!(
                (&identity.start, &identity.runtime_done),
                (&None, &None),
                "{style:?}"
            );
            assert!(
                identity.runtime_header.unwrap().contains("Sampled=0"),
                "{style:?}"
            );
        }
    }

    #[test]
    fn an_open_decision_is_made_by_active_tracing_and_left_open_by_pass_through() {
        for incoming in [format!("Root={ROOT}"), format!("Root={ROOT};Sampled=?")] {
            let mut rules = rules(IdStyle::CurrentActive);
            assert!(identify(rules, Some(&incoming), fresh()).start.is_some());
            rules.sampling_decision = false;
            assert!(identify(rules, Some(&incoming), fresh()).start.is_none());
            rules.style = IdStyle::PassThrough;
            assert_eq!(
                identify(rules, Some(&incoming), fresh()).invoke_header,
                Some(incoming)
            );
        }
    }

    #[test]
    fn lineage_reaches_the_sandbox_but_not_the_record() {
        let incoming = format!("Root={ROOT};Parent=1111111111111111;Sampled=1;Lineage=a87bd80c:1|68fd508a:5");
        let identity = identify(rules(IdStyle::ClassicActive), Some(&incoming), fresh());
        assert!(
            identity
                .invoke_header
                .unwrap()
                .ends_with(";Lineage=a87bd80c:1|68fd508a:5")
        );
        assert!(
            identity
                .runtime_header
                .unwrap()
                .ends_with(";Lineage=a87bd80c:1|68fd508a:5")
        );
        assert!(!identity.start.unwrap().value.contains("Lineage"));
    }

    #[test]
    fn classic_runtime_done_names_the_invocation_if_asked_to() {
        let incoming = format!("Root={ROOT};Parent=1111111111111111;Sampled=1");
        let mut rules = rules(IdStyle::ClassicActive);
        let identity = identify(rules, Some(&incoming), fresh());
        assert_eq!(identity.runtime_done, identity.start);
        rules.invocation_id_in_runtime_done = true;
        let done = identify(rules, Some(&incoming), fresh()).runtime_done.unwrap();
        assert_eq!(done.span_id.as_deref(), Some("dddddddddddddddd"));
        assert_eq!(
            TraceHeader::parse(&done.value).parent.as_deref(),
            Some("ffffffffffffffff")
        );
    }
}
