//! Why a span failed: its events of exceptions, else its status.

use std::borrow::Cow;

use super::super::mapping::{
    EXCEPTION_CAUSE, EXCEPTION_EVENT, EXCEPTION_ID, EXCEPTION_REMOTE, EXCEPTION_SKIPPED, EXCEPTION_TRUNCATED,
    HTTP_FAILURE_EVENT, HTTP_FAILURE_TYPE,
};
use super::super::span::{Kind, SpanEvent, StatusCode, Value};
use super::ids::Ids;
use super::json::Json;
use super::known::{Known, find, text, whole};
use super::stack::{self, Frame, Stack, Thrown};
use crate::ids::SegmentId;

/// Writes the cause; stacks that were not wholly understood, by their exception's id.
pub(super) fn write<'a>(known: &mut Known<'a>, json: &mut Json) -> Vec<(SegmentId, &'a str)> {
    let mut causes = Causes {
        ids: Ids::of(known.span.trace_id, known.span.span_id),
        is_remote: matches!(known.span.kind, Kind::Client | Kind::Producer),
        language: known.of_resource("telemetry.sdk.language").unwrap_or_default(),
        count: 0,
        stacks: Vec::new(),
    };
    for event in &known.span.events {
        match event.name.as_ref() {
            EXCEPTION_EVENT => causes.exception(event, json),
            HTTP_FAILURE_EVENT if known.is_aws_call => causes.attempt(event, json),
            _ => {}
        }
    }
    if causes.count == 0 && known.span.status.code == StatusCode::Error {
        causes.status(known, json);
    }
    if causes.count > 0 {
        json.raw("]");
    }
    causes.stacks
}

struct Causes<'a> {
    ids: Ids,
    is_remote: bool,
    language: &'a str,
    count: usize,
    stacks: Vec<(SegmentId, &'a str)>,
}

/// What an event tells of its exception beside type, message and stack.
struct About<'a> {
    id: SegmentId,
    event: Option<&'a SpanEvent<'a>>,
    cause: Option<SegmentId>,
    is_remote: bool,
}

impl<'a> Causes<'a> {
    /// An exception, and those that caused it.
    fn exception(&mut self, event: &'a SpanEvent<'a>, json: &mut Json) {
        let said = |key| text(&event.attributes, key).unwrap_or_default();
        let stacktrace = said("exception.stacktrace");
        let mut stack = match stacktrace {
            "" => Stack {
                chain: vec![Thrown::default()],
                is_partial: false,
            },
            text => stack::read(text, self.language),
        };
        if let Some(first) = stack.chain.first_mut() {
            first.kind = said("exception.type");
            first.message = Cow::Borrowed(said("exception.message"));
        }
        let own = text(&event.attributes, EXCEPTION_ID).and_then(|id| id.parse().ok());
        let id = own.unwrap_or_else(|| self.ids.exception(self.count));
        if stack.is_partial {
            self.stacks.push((id, stacktrace));
        }
        let remote = find(&event.attributes, EXCEPTION_REMOTE);
        let is_remote = remote.map_or(self.is_remote, |remote| *remote == Value::Flag(true));
        let told = text(&event.attributes, EXCEPTION_CAUSE).and_then(|id| id.parse().ok());
        let (start, last) = (self.count, stack.chain.len() - 1);
        for (place, thrown) in stack.chain.iter().enumerate() {
            let about = About {
                id: if place == 0 {
                    id
                } else {
                    self.ids.exception(start + place)
                },
                event: (place == 0).then_some(event),
                cause: if place == last {
                    told
                } else {
                    Some(self.ids.exception(start + place + 1))
                },
                is_remote,
            };
            self.write(thrown, &about, json);
        }
    }

    /// An attempt of an AWS call that failed.
    fn attempt(&mut self, event: &SpanEvent<'_>, json: &mut Json) {
        let code = find(&event.attributes, "http.response.status_code").and_then(whole);
        let message = text(&event.attributes, "aws.http.error_message");
        let (Some(code), Some(message)) = (code, message) else {
            return;
        };
        let (seconds, nanos) = (
            event.time_unix_nano / 1_000_000_000,
            event.time_unix_nano % 1_000_000_000,
        );
        let message = format!("{code}@{seconds}.{:06}@{message}", nanos / 1_000);
        let thrown = Thrown {
            kind: HTTP_FAILURE_TYPE,
            message: Cow::Owned(message),
            ..Thrown::default()
        };
        let about = About {
            id: self.ids.exception(self.count),
            event: None,
            cause: None,
            is_remote: true,
        };
        self.write(&thrown, &about, json);
    }

    /// Without an exception, what the status says.
    fn status(&mut self, known: &mut Known<'_>, json: &mut Json) {
        let status_text = known.find("http.status_text");
        let said = known.span.status.message.as_ref();
        let message = match status_text.and_then(|(_, value)| value.as_text()) {
            Some(text) if said.is_empty() => {
                status_text.into_iter().for_each(|(place, _)| known.take(place));
                text
            }
            _ => said,
        };
        if !message.is_empty() {
            let thrown = Thrown {
                message: Cow::Borrowed(message),
                ..Thrown::default()
            };
            let about = About {
                id: self.ids.exception(0),
                event: None,
                cause: None,
                is_remote: false,
            };
            self.write(&thrown, &about, json);
        }
    }

    fn write(&mut self, thrown: &Thrown<'_>, about: &About<'_>, json: &mut Json) {
        if self.count == 0 {
            json.member("cause.exceptions");
            json.raw("[");
        }
        self.count += 1;
        json.comma();
        json.raw("{");
        json.key("id");
        json.id(about.id);
        for (key, text) in [("type", thrown.kind), ("message", thrown.message.as_ref())] {
            if !text.is_empty() {
                json.key(key);
                json.string(text);
            }
        }
        if about.is_remote {
            json.key("remote");
            json.flag(true);
        }
        let count = |key| {
            about
                .event
                .and_then(|event| find(&event.attributes, key))
                .and_then(whole)
        };
        let truncated = count(EXCEPTION_TRUNCATED).unwrap_or(thrown.truncated.into());
        for (key, count) in [
            ("truncated", truncated),
            ("skipped", count(EXCEPTION_SKIPPED).unwrap_or_default()),
        ] {
            if count != 0 {
                json.key(key);
                json.whole(count);
            }
        }
        if let Some(cause) = about.cause {
            json.key("cause");
            json.id(cause);
        }
        if !thrown.frames.is_empty() {
            json.key("stack");
            frames(&thrown.frames, json);
        }
        json.raw("}");
    }
}

fn frames(frames: &[Frame<'_>], json: &mut Json) {
    json.raw("[");
    for frame in frames {
        json.comma();
        json.raw("{");
        if !frame.path.is_empty() {
            json.key("path");
            json.string(frame.path);
        }
        if frame.line != 0 {
            json.key("line");
            json.whole(frame.line.into());
        }
        if !frame.label.is_empty() {
            json.key("label");
            json.string(frame.label);
        }
        json.raw("}");
    }
    json.raw("]");
}
