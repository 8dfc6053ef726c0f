//! Nothing that a destination does delays a response, or makes an invocation run out of its time.

use std::time::{Duration, Instant};

use emulator::{Entry, What};
use tests::destination::{Act, Destination};
use tests::lab::{Lab, emitted};
use tests::script::Script;
use tokio::task::JoinSet;

const MS: Duration = Duration::from_millis(1);
/// What the extension leaves of an invocation's time.
const MARGIN: Duration = Duration::from_millis(100);
/// What a handler leaves: less than the wait for a call, and the margin.
const LEFT: Duration = Duration::from_millis(300);
/// Longest wait for one call.
const WAIT: Duration = Duration::from_millis(300);
/// The delivery of the records of an invocation's end takes 25 ms of this, the rest is a busy machine.
const SLACK: Duration = Duration::from_millis(200);
/// Pairs of which the median is compared, and by how much more a response with the extension may take.
const PAIRS: usize = 15;
const DELAY_MAX: Duration = Duration::from_millis(10);

/// What an invocation looked like from outside.
#[derive(Debug)]
struct Seen {
    started: Instant,
    responded: Instant,
    done: Instant,
    /// When the extension was through with it.
    next: Instant,
}

impl Seen {
    /// How long the function's end was held.
    fn held(&self) -> Duration {
        self.next.saturating_duration_since(self.done)
    }

    fn response_time(&self) -> Duration {
        self.responded.duration_since(self.started)
    }
}

/// A destination that answers after this time; never, if there is none.
async fn destination_with(answers_after: Option<Duration>) -> Destination {
    let destination = Destination::start().await;
    destination.otherwise(match answers_after {
        Some(Duration::ZERO) => Act::Take,
        Some(late) => Act::TakeLate(late),
        None => Act::Stall,
    });
    destination
}

async fn lab_before(destination: &Destination, mode: &str, timeout: Duration) -> Lab {
    Lab::with(|config| {
        config
            .variables
            .insert("AWS_ENDPOINT_URL_XRAY".into(), destination.url());
        config.variables.insert("FLUOROSCOPE_FLUSH".into(), mode.into());
        config.timeout = timeout;
    })
    .await
}

/// Invokes the function once; it has to succeed. What the journal has of it.
async fn invoke_bare(lab: &Lab, number: usize, work: Duration) -> Vec<Entry> {
    let id = format!("{:016x}", number + 1);
    let work_ms = u64::try_from(work.as_millis()).expect("handlers are short");
    lab.succeed(&Script::new().subsegment(&id, "call").work_ms(work_ms))
        .await;
    lab.idle().await;
    let mut journal = lab.environment.journal();
    let begins = |entry: &Entry| matches!(entry.what, What::InvocationStarted { .. });
    let begin = journal.iter().rposition(begins).expect("it has begun");
    journal.split_off(begin)
}

/// When this first happened.
#[track_caller]
fn first(journal: &[Entry], is_it: impl Fn(&Entry) -> bool) -> Instant {
    let entry = journal.iter().find(|entry| is_it(entry));
    entry.unwrap_or_else(|| panic!("{journal:#?}")).at
}

fn response_of(journal: &[Entry]) -> Instant {
    first(journal, |entry| {
        matches!(entry.what, What::Responded { is_error: false, .. })
    })
}

async fn invoke(lab: &Lab, number: usize, work: Duration) -> Seen {
    let journal = invoke_bare(lab, number, work).await;
    Seen {
        started: journal[0].at,
        responded: response_of(&journal),
        done: first(&journal, |entry| emitted(entry, "platform.runtimeDone")),
        next: first(&journal, |entry| matches!(entry.what, What::ExtensionNext { .. })),
    }
}

/// A sandbox whose handlers leave hardly any time, or much. How late the extension was with its next.
async fn near_the_deadline(
    answers_after: Option<Duration>,
    mode: &'static str,
    timeout: Duration,
) -> Duration {
    let destination = destination_with(answers_after).await;
    let lab = lab_before(&destination, mode, timeout).await;
    let mut late = Duration::ZERO;
    for (number, work) in [timeout - LEFT, Duration::ZERO, timeout - LEFT]
        .into_iter()
        .enumerate()
    {
        let seen = invoke(&lab, number, work).await;
        // `success`: Lambda did not stop it at its deadline.
        late = late.max(
            seen.next
                .saturating_duration_since(seen.started + timeout - MARGIN),
        );
        assert!(
            seen.held() <= WAIT + SLACK,
            "{mode}, {answers_after:?}: {seen:?}\n{}",
            lab.log()
        );
    }
    lab.finish().await;
    late
}

/// Every kind of destination in both modes, all at once.
async fn keeps_to_deadlines(timeout: Duration) {
    let mut sandboxes = JoinSet::new();
    let answers_ms = [Some(0), Some(50), Some(500), Some(5000), None];
    for answers_after in answers_ms.map(|ms| ms.map(Duration::from_millis)) {
        for mode in ["end", "adaptive"] {
            sandboxes.spawn(near_the_deadline(answers_after, mode, timeout));
        }
    }
    let mut late = sandboxes.join_all().await;
    late.sort();
    // The rest is the way of the word, on a busy machine.
    assert!(late[late.len() / 2] <= MARGIN / 4, "{late:?}");
    assert!(late[late.len() - 1] < MARGIN, "{late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_destination_does_an_invocation_of_a_second_keeps_to_its_time() {
    keeps_to_deadlines(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_destination_does_an_invocation_of_three_seconds_keeps_to_its_time() {
    keeps_to_deadlines(Duration::from_secs(3)).await;
}

/// By how much a response with the extension comes later than one without: the median of pairs.
async fn delay_of_responses(answers_after: Option<Duration>, mode: &'static str) -> Duration {
    let destination = destination_with(answers_after).await;
    let lab = lab_before(&destination, mode, Duration::from_secs(3)).await;
    let bare = Lab::with(|config| config.extensions.clear()).await;
    let mut delays = Vec::new();
    for number in 0..PAIRS {
        let with = invoke(&lab, number, Duration::ZERO).await;
        let without = invoke_bare(&bare, number, Duration::ZERO).await;
        let without = response_of(&without).duration_since(without[0].at);
        delays.push(with.response_time().saturating_sub(without));
    }
    delays.sort();
    delays[PAIRS / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_destination_does_responses_come_as_soon_as_without_the_extension() {
    let mut sandboxes = JoinSet::new();
    for answers_after in [Some(Duration::from_millis(50)), None] {
        for mode in ["end", "adaptive"] {
            sandboxes.spawn(delay_of_responses(answers_after, mode));
        }
    }
    let delays = sandboxes.join_all().await;
    assert!(delays.iter().all(|delay| *delay <= DELAY_MAX), "{delays:?}");
}

#[tokio::test]
async fn a_black_hole_is_waited_for_once_in_the_life_of_a_sandbox() {
    let destination = destination_with(None).await;
    let lab = lab_before(&destination, "end", Duration::from_secs(3)).await;
    let mut held = Vec::new();
    for number in 0..20 {
        held.push(invoke(&lab, number, 20 * MS).await.held());
    }
    // One wait, and what a busy machine adds to twenty invocations.
    assert!(held.iter().sum::<Duration>() <= WAIT + SLACK, "{held:?}");
    held.sort();
    assert_eq!(held[held.len() / 2], Duration::ZERO, "{held:?}");
}
