use std::time::Duration;

use model::otlp::span::Span;
use proptest::prelude::*;

use super::*;
use crate::samples::{START_UNIX_NANO, bytes, lambda, request, request_of, request_with, span};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// When `span` begins.
const START: Timestamp = Timestamp::from_micros(1_736_970_803_120_000);

fn check(request: &[u8], limits: &Limits, now: Timestamp) -> Result<Vec<&'static str>, Unfit> {
    let told = read(request, limits, now)?;
    Ok(told
        .iter()
        .map(|told| {
            told.as_ref()
                .map_or_else(|refusal| refusal.code.as_str(), |_| "taken")
        })
        .collect())
}

fn at(number: u8, micros: i64) -> Span<'static> {
    let mut span = span(number, "work", None);
    span.start_unix_nano = START_UNIX_NANO.saturating_add_signed(micros * 1000);
    span.end_unix_nano = span.start_unix_nano;
    span
}

#[test]
fn a_request_is_taken_up_to_so_many_spans() {
    let spans: Vec<Vec<u8>> = (1..=3).map(|number| bytes(&span(number, "work", None))).collect();
    let two_and_one = [
        request_of(&[], spans[..2].to_vec()),
        request_of(&[], spans[2..].to_vec()),
    ]
    .concat();
    let limits = |export_spans_max| Limits {
        export_spans_max,
        ..Limits::default()
    };
    assert_eq!(check(&two_and_one, &limits(3), START), Ok(vec!["taken"; 3]));
    let refused = Err(Unfit::TooManySpans { found: 3, max: 2 });
    assert_eq!(check(&two_and_one, &limits(2), START), refused);
}

#[test]
fn the_limits_are_those_that_aws_publishes() {
    let limits = Limits::default();
    assert_eq!(limits.export_max_bytes, 5 << 20);
    assert_eq!(limits.export_spans_max, 10_000);
    assert_eq!(limits.resource_max_bytes, 16 << 10);
    assert_eq!((limits.span_age_max, limits.span_ahead_max), (14 * DAY, 2 * HOUR));
    assert_eq!(limits.export_spread_max, DAY);
}

#[test]
fn a_resource_and_its_scope_are_taken_up_to_their_limit_to_the_byte() {
    let limits = Limits::default();
    let (shared, max) = (limits.resource_max_bytes / 2, limits.resource_max_bytes);
    // A field that nobody knows, of 4 bytes and as many as it takes.
    let filled = |bytes: usize| {
        let length = u16::try_from(bytes - 4).unwrap();
        let [low, high] = [length & 0x7f | 0x80, length >> 7].map(|bits| u8::try_from(bits).unwrap());
        [&[0xfa, 0x01, low, high][..], &vec![0; bytes - 4]].concat()
    };
    let body = |scope: usize| request_with(&filled(shared), &filled(scope), [bytes(&span(1, "work", None))]);
    assert_eq!(check(&body(max - shared), &limits, START), Ok(vec!["taken"]));
    let refused = Err(Unfit::ResourceTooLarge { found: max + 1, max });
    assert_eq!(check(&body(max - shared + 1), &limits, START), refused);
}

#[test]
fn a_span_too_old_or_too_far_ahead_costs_itself() {
    let limits = Limits::default();
    let body = request(&lambda(), &[at(1, 0)]);
    for (now, expected) in [
        (START.after(limits.span_age_max), "taken"),
        (
            START.after(limits.span_age_max + Duration::from_micros(1)),
            "InvalidTime",
        ),
        (START.before(limits.span_ahead_max), "taken"),
        (
            START.before(limits.span_ahead_max + Duration::from_micros(1)),
            "InvalidTime",
        ),
    ] {
        assert_eq!(check(&body, &limits, now), Ok(vec![expected]), "{now:?}");
    }
    let mut ends_late = at(2, 0);
    ends_late.end_unix_nano = u64::MAX;
    let mut open = at(3, 0);
    open.end_unix_nano = 0;
    let mut of_seconds = at(4, 0);
    of_seconds.start_unix_nano = START_UNIX_NANO / 1_000_000_000;
    let body = request(&lambda(), &[ends_late, open, of_seconds]);
    assert_eq!(
        check(&body, &limits, START),
        Ok(vec!["InvalidTime", "taken", "InvalidTime"])
    );
    let told = read(&body, &limits, START).unwrap();
    assert_eq!(
        told[2].as_ref().unwrap_err().message,
        "Invalid span. ErrorCode: InvalidTime, Cause: a time of 1970-01-01T00:00:01.736Z; taken are \
         2025-01-01T19:53:23.120Z to 2025-01-15T21:53:23.120Z, in nanoseconds since 1970"
    );
}

#[test]
fn spans_of_a_day_are_taken_and_those_further_apart_refused_together() {
    let limits = Limits::default();
    let day = i64::try_from(DAY.as_micros()).unwrap();
    let body = |last: i64| request(&lambda(), &[at(1, 0), at(2, last)]);
    let now = START.after(DAY);
    assert_eq!(check(&body(day), &limits, now), Ok(vec!["taken"; 2]));
    let refused = Err(Unfit::TooFarApart {
        found: DAY + Duration::from_micros(1),
        max: DAY,
    });
    assert_eq!(check(&body(day + 1), &limits, now), refused);
    // One that is rejected for its time alone does not count.
    assert_eq!(
        check(&body(20 * day), &limits, START),
        Ok(vec!["taken", "InvalidTime"])
    );
}

#[test]
fn an_id_without_a_time_is_as_good_as_any() {
    let mut random = span(1, "work", None);
    random.trace_id = model::ids::TraceId::from_bytes([0xff; 16]);
    let body = request(&[], &[random]);
    assert_eq!(check(&body, &Limits::default(), START), Ok(vec!["taken"]));
}

#[test]
fn what_is_no_request_is_damaged_and_an_empty_one_brings_nothing() {
    let limits = Limits::default();
    assert_eq!(check(b"\x0a\x05no", &limits, START), Err(Unfit::Damaged));
    assert_eq!(check(b"", &limits, START), Ok(vec![]));
}

#[test]
fn an_answer_counts_by_reason_and_tells_the_first_of_each() {
    let refused = [("B", "second"), ("A", "first"), ("B", "third")];
    let answer = answer(refused.into_iter());
    assert_eq!(
        (answer.rejected, &*answer.message),
        (3, "A (1): first; B (2): second")
    );
    assert_eq!(super::answer([].into_iter()), Answer::default());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = read(&bytes, &Limits::default(), START);
    }

    #[test]
    fn no_damage_makes_it_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = request(&lambda(), &[span(1, "a", None), span(2, "b", Some(1))]);
        let at = at.index(body.len());
        body[at] = byte;
        let _ = read(&body, &Limits::default(), START);
    }
}
