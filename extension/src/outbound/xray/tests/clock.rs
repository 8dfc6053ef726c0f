//! Clocks that differ: signatures follow X-Ray's, documents keep their times.

use super::*;

/// X-Ray's words at a time of its own.
fn skewed(code: &str, date: &str) -> Act {
    let body = format!(r#"{{"__type":"{code}","message":"Signature expired: x is now earlier than y"}}"#);
    answer_with(403, &format!("date: {date}"), &body)
}

/// The times that requests were signed for, to the minute.
fn signed_at(stage: &Stage) -> Vec<String> {
    let minute = |seen: &crate::outbound::stage::Seen| seen.header("x-amz-date").get(..13).map(str::to_owned);
    stage.seen().iter().filter_map(minute).collect()
}

const AHEAD: &str = "Thu, 21 May 2026 13:00:30 GMT";
const BEHIND: &str = "Thu, 21 May 2026 11:00:30 GMT";
const SIGNATURE: &str = "InvalidSignatureException";

#[tokio::test]
async fn a_wrong_clock_costs_one_refusal_and_is_corrected_until_the_next_one() {
    for (date, corrected) in [(AHEAD, "20260521T1300"), (BEHIND, "20260521T1100")] {
        let stage = Stage::open([
            skewed(SIGNATURE, date),
            all_taken(),
            all_taken(),
            skewed("RequestTimeTooSkewed", "Thu, 21 May 2026 12:20:30 GMT"),
        ])
        .await;
        let mut sender = sender_to(&stage);
        for _ in 0..3 {
            taken(send(&mut sender, LONG).await);
        }
        assert_eq!(
            signed_at(&stage),
            ["20260521T1200", corrected, corrected, corrected, "20260521T1220"]
        );
        let seen = stage.seen();
        assert!(
            seen.iter().all(|one| one.body == seen[0].body),
            "documents keep their times"
        );
        assert!(stage.connections().iter().all(|connection| *connection == 0));
    }
}

#[tokio::test]
async fn a_second_refusal_for_the_clock_is_the_end_of_the_call() {
    let stage = Stage::open([skewed(SIGNATURE, AHEAD), skewed(SIGNATURE, AHEAD)]).await;
    let mut sender = sender_to(&stage);
    let failure = failed(send(&mut sender, LONG).await);
    let server = Timestamp::parse_iso8601("2026-05-21T13:00:30Z");
    assert_eq!(failure.kind, FailureKind::ClockSkew { server });
    assert!(
        failure.message.contains("s ahead of the one here"),
        "{}",
        failure.message
    );
    assert_eq!(stage.seen().len(), 2);
}

#[tokio::test]
async fn a_refusal_for_the_clock_without_a_time_corrects_nothing() {
    let body = r#"{"__type":"RequestExpired","message":"Request has expired"}"#;
    let stage = Stage::open([answer(403, body)]).await;
    let failure = failed(send(&mut sender_to(&stage), LONG).await);
    assert_eq!(failure.kind, FailureKind::ClockSkew { server: None });
    assert_eq!(stage.seen().len(), 1);
}

#[tokio::test]
async fn a_restore_forgets_how_wrong_the_clock_was() {
    let stage = Stage::open([skewed(SIGNATURE, AHEAD)]).await;
    let mut sender = sender_to(&stage);
    taken(send(&mut sender, LONG).await);
    sender.forget();
    taken(send(&mut sender, LONG).await);
    assert_eq!(
        signed_at(&stage),
        ["20260521T1200", "20260521T1300", "20260521T1200"]
    );
}
