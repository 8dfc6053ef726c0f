//! What is known, and for how long.

use super::*;
use crate::limits::RETRY_AFTER_MAX;
use crate::outbound::limits::ANSWER_MAX_BYTES;
use crate::pipeline::outcome::Unreached;

const TICK: Duration = Duration::from_micros(1);
const BOTH: [Question; 2] = [Question::Rules, Question::Targets];

fn start() -> Timestamp {
    Timestamp::from_millis(1_779_358_529_000)
}

fn book() -> Book {
    Book::new(start())
}

fn content(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn failure(kind: FailureKind) -> Failure {
    Failure {
        kind,
        message: String::new(),
    }
}

fn silence() -> Failure {
    failure(FailureKind::Silent)
}

fn throttled(retry_after: Option<Duration>) -> Failure {
    failure(FailureKind::Throttled { retry_after })
}

fn forbidden() -> Failure {
    failure(FailureKind::Forbidden { code: String::new() })
}

fn fail(book: &mut Book, question: Question, failure: &Failure, now: Timestamp) {
    book.failed(question, (failure, &Reply::silence("why")), now);
}

/// How long a question is not put after `now`, which is when it failed.
fn pause(book: &Book, question: Question, now: Timestamp) -> Duration {
    let until = book.trouble(question, now).map_or(now, |trouble| trouble.until);
    assert!(book.trouble(question, until).is_none());
    until.since(now)
}

#[test]
fn a_page_is_as_good_as_new_for_less_than_the_interval_of_samplers_and_better_than_none_for_an_hour() {
    let mut book = book();
    book.keep("a".into(), content("rules"), start());
    for (age, is_fresh, is_kept) in [
        (Duration::ZERO, true, true),
        (SAMPLING_RULES_FRESH - TICK, true, true),
        (SAMPLING_RULES_FRESH, false, true),
        (SAMPLING_RULES_KEPT - TICK, false, true),
        (SAMPLING_RULES_KEPT, false, false),
    ] {
        let now = start().after(age);
        let known = |page: Option<Bytes>| page.is_some_and(|page| page == "rules");
        assert_eq!(known(book.fresh(Question::Rules, "a", now)), is_fresh, "{age:?}");
        assert_eq!(known(book.kept(Question::Rules, "a", now)), is_kept, "{age:?}");
        assert_eq!(book.fresh(Question::Rules, "b", now), None, "another page");
        assert_eq!(book.kept(Question::Targets, "a", now), None, "no page of rules");
    }
}

#[test]
fn a_modification_makes_the_pages_before_it_old_and_no_others() {
    for (modified_at, is_fresh) in [
        // Times are told to the second: the next 999 ms may be meant too.
        (start().before(Duration::from_secs(1)), true),
        (start().before(Duration::from_secs(1)).after(TICK), false),
        (start().after(Duration::from_secs(7)), false),
    ] {
        let mut book = book();
        book.keep(String::new(), content("rules"), start());
        book.note_modification(None);
        book.note_modification(Some(modified_at));
        let now = start().after(Duration::from_secs(8));
        assert_eq!(
            book.fresh(Question::Rules, "", now).is_some(),
            is_fresh,
            "{modified_at:?}"
        );
        assert!(book.kept(Question::Rules, "", now).is_some());
        book.keep(String::new(), content("newer"), now);
        assert_eq!(
            book.fresh(Question::Rules, "", now).as_deref(),
            Some(&b"newer"[..])
        );
    }
}

#[test]
fn the_oldest_page_goes_when_there_are_too_many() {
    let mut book = book();
    for page in 0..=SAMPLING_PAGES {
        book.keep(page.to_string(), content("x"), start());
    }
    assert_eq!(book.pages.len(), SAMPLING_PAGES);
    assert_eq!(book.fresh(Question::Rules, "0", start()), None);
    // One that is asked for anew takes no other's place.
    book.keep("2".into(), content("y"), start());
    assert_eq!(book.pages.len(), SAMPLING_PAGES);
    assert!(book.fresh(Question::Rules, "1", start()).is_some());
}

#[test]
fn the_oldest_page_goes_when_they_are_too_large() {
    let half = "x".repeat(ANSWER_MAX_BYTES - 1);
    for (second, first_stays) in [(half.clone(), true), (format!("{half}x"), false)] {
        let mut book = book();
        // A page costs its token too.
        book.keep("1".into(), content(&half), start());
        book.keep("2".into(), content(&second), start());
        assert_eq!(book.fresh(Question::Rules, "1", start()).is_some(), first_stays);
        assert!(book.fresh(Question::Rules, "2", start()).is_some());
    }
}

#[test]
fn silence_is_waited_for_ever_more_rarely_until_an_answer_comes() {
    let mut book = book();
    let mut now = start();
    let mut bound = PROBE_FIRST;
    for round in 0..40 {
        fail(&mut book, BOTH[round % 2], &silence(), now);
        for question in BOTH {
            let pause = pause(&book, question, now);
            assert!(bound / 2 <= pause && pause <= bound, "{pause:?} of {bound:?}");
        }
        now = now.after(bound);
        bound = (bound * 2).min(PROBE_MAX);
    }
    book.answered(Question::Targets);
    for question in BOTH {
        assert_eq!(pause(&book, question, now), Duration::ZERO);
    }
    fail(&mut book, Question::Rules, &silence(), now);
    assert!(pause(&book, Question::Rules, now) <= PROBE_FIRST);
}

#[test]
fn what_x_ray_says_to_one_question_is_not_held_against_the_other() {
    for failure in [
        forbidden(),
        throttled(None),
        failure(FailureKind::Unavailable {
            status: 500,
            retry_after: None,
        }),
    ] {
        let mut book = book();
        fail(&mut book, Question::Rules, &failure, start());
        assert!(pause(&book, Question::Rules, start()) > Duration::ZERO);
        assert_eq!(pause(&book, Question::Targets, start()), Duration::ZERO);
        book.answered(Question::Targets);
        assert!(pause(&book, Question::Rules, start()) > Duration::ZERO);
        book.answered(Question::Rules);
        assert_eq!(pause(&book, Question::Rules, start()), Duration::ZERO);
    }
}

#[test]
fn the_pause_is_as_long_as_the_kind_of_failure_asks_for() {
    let paused = |failure: &Failure| {
        let mut book = book();
        fail(&mut book, Question::Rules, failure, start());
        pause(&book, Question::Rules, start())
    };
    for asked in [Duration::from_secs(7), RETRY_AFTER_MAX] {
        assert_eq!(paused(&throttled(Some(asked))), asked);
    }
    assert!(paused(&throttled(Some(Duration::ZERO))) >= PROBE_FIRST / 2);
    assert_eq!(paused(&forbidden()), MENDED_PROBE);
    let refused = failure(FailureKind::Refused {
        status: 400,
        code: String::new(),
        documents: 1,
    });
    assert_eq!(paused(&refused), Duration::ZERO);
}

#[test]
fn only_what_passes_by_itself_leaves_room_for_an_earlier_answer() {
    for (failure, is_passing) in [
        (silence(), true),
        (throttled(None), true),
        (failure(FailureKind::Unreachable(Unreached::TimedOut)), true),
        (failure(FailureKind::Unreachable(Unreached::Untrusted)), false),
        (forbidden(), false),
    ] {
        let mut book = book();
        fail(&mut book, Question::Rules, &failure, start());
        let trouble = book.trouble(Question::Rules, start()).unwrap();
        assert_eq!(trouble.is_passing(), is_passing, "{failure:?}");
        assert_eq!(trouble.reply(), Reply::silence("why"));
    }
}

#[test]
fn sandboxes_that_began_at_other_moments_ask_anew_at_other_moments() {
    let pauses = [0, 1, 2].map(|micros| {
        let mut book = Book::new(Timestamp::from_micros(micros));
        fail(&mut book, Question::Rules, &silence(), start());
        pause(&book, Question::Rules, start())
    });
    assert!(pauses[0] != pauses[1] && pauses[1] != pauses[2], "{pauses:?}");
}
