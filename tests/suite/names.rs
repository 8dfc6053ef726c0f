//! Names that are not found: by a server that denies them, and by one that says nothing. The extension asks a name
//! server of its own, in a mount namespace. Needs root.

use std::time::{Duration, Instant};

use emulator::{Entry, What};
use tests::destination::Destination;
use tests::lab::{Finished, Lab, binary, emitted, own_udp_address};
use tests::masks::Masks;
use tests::resolver::{Answers, NAME, Resolver};
use tests::script::Script;

const MS: Duration = Duration::from_millis(1);
const TIMEOUT: Duration = Duration::from_secs(1);
/// What a handler leaves of it: less than the wait for a call, and the extension's margin.
const LEFT: Duration = Duration::from_millis(300);
/// Longest wait for one call.
const WAIT: Duration = Duration::from_millis(300);
/// A response is not later than this: the rest is a busy machine.
const RESPONSE_MAX: Duration = Duration::from_millis(500);
/// The deliveries of the records of two invocations' ends take 50 ms of this, the rest is a busy machine.
const SLACK: Duration = Duration::from_millis(200);

/// A sandbox that finds its destination by name.
struct Scene {
    lab: Lab,
    destination: Destination,
    resolver: Resolver,
    _masks: Masks,
}

impl Scene {
    async fn start(answers: Answers, flush: &str) -> Self {
        let destination = Destination::start().await;
        let resolver = Resolver::start(own_udp_address().ip(), answers).await;
        let mut masks = Masks::new();
        masks.put("/etc/resolv.conf", &resolver.configuration());
        let lab = Lab::with(|config| {
            config.extensions = vec![masks.before(&binary("fluoroscope-extension"))];
            let url = destination.url_of(NAME);
            config.variables.insert("AWS_ENDPOINT_URL_XRAY".into(), url);
            config.variables.insert("FLUOROSCOPE_FLUSH".into(), flush.into());
            config.timeout = TIMEOUT;
        })
        .await;
        Self {
            lab,
            destination,
            resolver,
            _masks: masks,
        }
    }

    /// Invokes the function, which has to succeed. How long after its end the extension asked for the next event.
    async fn held(&self, number: usize, work: Duration) -> Duration {
        let id = format!("{:016x}", number + 1);
        let work_ms = u64::try_from(work.as_millis()).expect("handlers are short");
        let script = Script::new().subsegment(&id, "call").work_ms(work_ms);
        self.lab.succeed(&script).await;
        self.lab.idle().await;
        let mut journal = self.lab.environment.journal();
        let begins = |entry: &Entry| matches!(entry.what, What::InvocationStarted { .. });
        let begin = journal.iter().rposition(begins).expect("it has begun");
        let journal = journal.split_off(begin);
        let first = |is_it: &dyn Fn(&Entry) -> bool| -> Instant {
            let entry = journal.iter().find(|entry| is_it(entry));
            entry.unwrap_or_else(|| panic!("{journal:#?}")).at
        };
        let responded = first(&|entry| matches!(entry.what, What::Responded { .. }));
        // The response is there when the work is done, whatever becomes of the name.
        assert!(responded - journal[0].at < work + RESPONSE_MAX, "{journal:#?}");
        let done = first(&|entry| emitted(entry, "platform.runtimeDone"));
        let next = first(&|entry| matches!(entry.what, What::ExtensionNext { .. }));
        next.saturating_duration_since(done)
    }
}

fn assert_all_held(finished: &Finished) {
    assert!(finished.count("/held") > 0, "{}", finished.tally);
    assert_eq!(
        finished.count("/held"),
        finished.count("/received/total"),
        "{}",
        finished.tally
    );
}

#[tokio::test]
async fn a_name_server_that_says_nothing_is_waited_for_once_and_holds_no_invocation_beyond_its_time() {
    for flush in ["end", "adaptive"] {
        let scene = Scene::start(Answers::Silence, flush).await;
        let mut held = Vec::new();
        for number in 0..10 {
            let work = if number % 3 == 0 { TIMEOUT - LEFT } else { 20 * MS };
            held.push(scene.held(number, work).await);
        }
        // One that its deadline cut short leaves the rest of the wait to another.
        let waited: Duration = held.iter().sum();
        assert!(waited <= WAIT + SLACK, "{held:?}");
        held.sort();
        assert_eq!(held[held.len() / 2], Duration::ZERO, "{held:?}");
        assert!(scene.resolver.questions() > 0);
        // The look-up still hangs: it must not hold the end of the process either, which `finish` looks at.
        let finished = scene.lab.finish().await;
        assert_all_held(&finished);
        assert!(scene.destination.received().calls.is_empty());
    }
}

#[tokio::test]
async fn when_the_name_server_speaks_again_everything_arrives_once() {
    let scene = Scene::start(Answers::Silence, "end").await;
    scene.held(0, 20 * MS).await;
    scene.resolver.answer(Answers::Address);
    scene.held(1, 20 * MS).await;
    let finished = scene.lab.finish().await;
    finished.assert_all_sent();
    let received = scene.destination.received();
    received.assert_no_needless_repeat();
    assert_eq!(received.taken().len() as u64, finished.count("/sent"));
}

#[tokio::test]
async fn a_name_that_is_denied_for_a_while_delays_documents_and_says_so_once() {
    for answers in [Answers::Unknown, Answers::Failure] {
        let scene = Scene::start(answers, "end").await;
        for number in 0..3 {
            scene.held(number, 20 * MS).await;
        }
        scene.resolver.answer(Answers::Address);
        scene.held(3, 20 * MS).await;
        let finished = scene.lab.finish().await;
        finished.assert_all_sent();
        scene.destination.received().assert_no_needless_repeat();
        let [message] = finished.messages().try_into().expect("one line");
        let expected = format!("could not find the address of X-Ray at http://{NAME}:");
        assert!(message.starts_with(&expected), "{message}");
    }
}
