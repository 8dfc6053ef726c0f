//! Every meaning an answer can have.

use http::header::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

fn noon() -> Timestamp {
    Timestamp::parse_iso8601("2026-05-21T12:00:00Z").unwrap()
}

fn answer(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Answer {
    let headers = headers
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        })
        .collect();
    Answer {
        status,
        headers,
        content: Content {
            bytes: body.to_vec(),
            is_cut: false,
        },
    }
}

fn with_code(status: u16, code: &str) -> Refusal {
    let body = serde_json::json!({ "__type": format!("com.amazonaws.xray#{code}"), "Message": "m" });
    Refusal::read(
        &answer(status, &[], body.to_string().as_bytes()),
        noon(),
        Dialect::Xray,
    )
}

#[track_caller]
fn check(status: u16, code: &str, expected: &FailureKind) {
    assert_eq!(&with_code(status, code).kind(3), expected, "{status} {code}");
}

#[test]
fn codes_that_ask_for_fewer_calls_throttle_at_any_status() {
    let throttled = FailureKind::Throttled { retry_after: None };
    for code in [
        "ThrottledException",
        "ThrottlingException",
        "Throttling",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
    ] {
        for status in [400, 429, 503] {
            check(status, code, &throttled);
        }
    }
    check(429, "Whatever", &throttled);
}

#[test]
fn trouble_of_the_other_side_passes() {
    for (status, code) in [
        (500, "InternalFailure"),
        (502, ""),
        (503, "ServiceUnavailable"),
        (504, ""),
        (408, ""),
        (400, "InternalFailure"),
        (400, "RequestTimeout"),
    ] {
        check(
            status,
            code,
            &FailureKind::Unavailable {
                status,
                retry_after: None,
            },
        );
    }
}

#[test]
fn credentials_that_others_may_replace_are_told_from_those_that_lack_a_permission() {
    for code in [
        "ExpiredTokenException",
        "ExpiredToken",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidTokenException",
    ] {
        check(
            403,
            code,
            &FailureKind::Expired {
                code: code.to_owned(),
            },
        );
        assert!(with_code(403, code).is_expired());
    }
    check(403, "", &FailureKind::Forbidden { code: String::new() });
    let unclear = with_code(403, "").mend("xray:PutTraceSegments");
    assert!(
        unclear.contains("allow xray:PutTraceSegments") && unclear.contains("check the credentials"),
        "{unclear}"
    );
    for code in ["AccessDeniedException", "AccessDenied", "SomethingNew"] {
        check(
            403,
            code,
            &FailureKind::Forbidden {
                code: code.to_owned(),
            },
        );
        assert!(
            with_code(403, code)
                .mend("xray:PutTraceSegments")
                .contains("allow xray:PutTraceSegments")
        );
    }
    for code in [
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "MissingAuthenticationTokenException",
    ] {
        check(
            403,
            code,
            &FailureKind::Forbidden {
                code: code.to_owned(),
            },
        );
        assert!(
            with_code(403, code)
                .mend("xray:PutTraceSegments")
                .contains("check the credentials"),
            "{code}"
        );
    }
}

#[test]
fn clocks_that_differ_are_seen_by_code_or_by_text() {
    for code in ["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"] {
        check(403, code, &FailureKind::ClockSkew { server: None });
    }
    for text in [
        "Signature expired: 20260521T115000Z is now earlier than 20260521T115500Z",
        "Signature not yet current: 1 is still later than 2",
    ] {
        let body = serde_json::json!({ "__type": "InvalidSignatureException", "message": text }).to_string();
        let dated = answer(403, &[("date", "Thu, 21 May 2026 11:59:00 GMT")], body.as_bytes());
        let refusal = Refusal::read(&dated, noon(), Dialect::Xray);
        let server = Some(noon().before(Duration::from_secs(60)));
        assert_eq!(refusal.kind(1), FailureKind::ClockSkew { server });
        assert_eq!(
            refusal.mend("x"),
            "the clock there is -60 s ahead of the one here"
        );
    }
}

#[test]
fn the_other_sides_time_is_its_date_or_else_in_its_words() {
    let words = |code: &str, headers: &[(&'static str, &str)], message: &str| {
        let body = serde_json::json!({ "__type": code, "message": message }).to_string();
        Refusal::read(&answer(403, headers, body.as_bytes()), noon(), Dialect::Xray).other_time()
    };
    let expired = "Signature expired: 20260521T120000Z is now earlier than 20260521T125500Z (20260521T130000Z - 5 min.)";
    let signature = "InvalidSignatureException";
    let an_hour_later = Some(noon().after(Duration::from_secs(3600)));
    let dated = [("date", "Thu, 21 May 2026 11:59:00 GMT")];
    assert_eq!(words(signature, &[], expired), an_hour_later);
    assert_eq!(
        words(signature, &dated, expired),
        Some(noon().before(Duration::from_secs(60)))
    );
    for unclear in [
        "Signature expired",
        "Signature expired (",
        "Signature expired (20261T1 - 5 min.)",
    ] {
        assert_eq!(words(signature, &[], unclear), None, "{unclear}");
    }
    // Other refusals say nothing of clocks, whatever their date.
    assert_eq!(words("AccessDeniedException", &dated, expired), None);
    assert_eq!(words(signature, &dated, "does not match"), None);
}

#[test]
fn what_is_wrong_with_the_batch_is_told_from_what_is_wrong_with_the_address() {
    for (status, code) in [(400, "InvalidRequestException"), (400, ""), (422, "")] {
        check(
            status,
            code,
            &FailureKind::Refused {
                status,
                code: code.to_owned(),
                documents: 3,
            },
        );
    }
    for (status, code) in [(413, ""), (400, "RequestEntityTooLarge")] {
        check(status, code, &FailureKind::TooLarge { documents: 3 });
    }
    for (status, code) in [
        (301, ""),
        (304, ""),
        (404, ""),
        (405, ""),
        (407, ""),
        (501, ""),
        (400, "UnknownOperationException"),
    ] {
        check(status, code, &FailureKind::Misdirected { status });
    }
    for mended in [
        with_code(400, ""),
        with_code(413, ""),
        with_code(503, ""),
        with_code(429, ""),
    ] {
        assert_eq!(mended.mend("x"), "");
    }
}

#[test]
fn the_code_is_read_wherever_aws_puts_it() {
    for (headers, body) in [
        (
            &[(
                "x-amzn-errortype",
                "AccessDeniedException:http://internal.amazon.com/",
            )][..],
            "",
        ),
        (
            &[][..],
            r#"{"__type":"com.amazon.coral.service#AccessDeniedException"}"#,
        ),
        (&[][..], r#"{"code":"AccessDeniedException"}"#),
        (&[][..], r#"{"Code":"AccessDeniedException"}"#),
        (
            &[][..],
            "<Error><Code>AccessDeniedException</Code><Message>m</Message></Error>",
        ),
    ] {
        let refusal = Refusal::read(&answer(403, headers, body.as_bytes()), noon(), Dialect::Xray);
        assert_eq!(refusal.code, "AccessDeniedException");
    }
}

#[test]
fn a_refusal_prints_what_there_is() {
    assert_eq!(with_code(400, "X").to_string(), "400 X (m)");
    assert_eq!(
        Refusal::read(&answer(502, &[], b"<html>"), noon(), Dialect::Xray).to_string(),
        "502"
    );
}

#[test]
fn a_pause_is_read_as_seconds_or_as_a_date_of_the_other_sides_clock() {
    let asked = |headers: &[(&'static str, &str)]| {
        Refusal::read(&answer(503, headers, b""), noon(), Dialect::Xray).retry_after
    };
    for (text, seconds) in [
        ("0", 0.0),
        ("1.5", 1.5),
        (" 12 ", 12.0),
        ("999999", 300.0),
        ("Thu, 21 May 2026 12:00:30 GMT", 30.0),
        ("Thu, 21 May 2026 11:00:00 GMT", 0.0),
    ] {
        assert_eq!(
            asked(&[("retry-after", text)]),
            Some(Duration::from_secs_f64(seconds)),
            "{text}"
        );
    }
    let dated = [
        ("retry-after", "Thu, 21 May 2026 13:00:30 GMT"),
        ("date", "Thu, 21 May 2026 13:00:00 GMT"),
    ];
    assert_eq!(asked(&dated), Some(Duration::from_secs(30)));
    for text in ["-1", "soon", "NaN", "", "inf"] {
        assert_eq!(asked(&[("retry-after", text)]), None, "{text}");
    }
}

#[test]
fn an_answer_cut_off_is_not_read() {
    let mut cut = answer(200, &[], b"{}");
    cut.content.is_cut = true;
    assert_eq!(cut.unprocessed(), Err("answer too long"));
}

proptest! {
    #[test]
    fn no_answer_makes_the_readers_panic(
        status in 0_u16..1000,
        body in proptest::collection::vec(any::<u8>(), 0..300),
        header in "[ -~]{0,60}",
    ) {
        let answer = answer(status, &[("retry-after", &header), ("date", &header), ("x-amzn-errortype", &header)], &body);
        let refusal = Refusal::read(&answer, noon(), Dialect::Xray);
        let _ = (refusal.kind(1), refusal.mend("x"), refusal.to_string(), answer.unprocessed());
    }
}
