//! The task against real sockets.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::limits::THAW_SLACK;
use crate::outbound::credentials::Secret;
use crate::outbound::limits::ANSWER_MAX_BYTES;
use crate::outbound::stage::{Act, Stage, answer, answer_with};

const RULES: &str = r#"{"NextToken":null,"SamplingRuleRecords":[{"SamplingRule":{"RuleName":"Default"}}]}"#;
const TARGETS: &str = r#"{"SamplingTargetDocuments":[],"LastRuleModification":0,"UnprocessedStatistics":[]}"#;
const REPORT: &str = r#"{"SamplingStatisticsDocuments":[{"RuleName":"Default","RequestCount":7}]}"#;

/// Room for questions, which the desk bounds.
const PLACES: usize = 8;

struct Bench {
    stage: Stage,
    questions: mpsc::Sender<Box<Ask<oneshot::Sender<Reply>>>>,
    restored: Arc<Notify>,
    notes: mpsc::Receiver<Posted>,
}

fn way(url: &str) -> Way {
    Way {
        endpoint: EndpointSettings {
            xray_url: Some(url.to_owned()),
            region: Some("eu-west-1".to_owned()),
            ..EndpointSettings::default()
        },
        credentials: CredentialSettings {
            access_key_id: Some("AKIDEXAMPLE".into()),
            secret_access_key: Some(Secret::new("example-secret")),
            ..CredentialSettings::default()
        },
        authorities: None,
    }
}

type Ends = (
    Queues,
    mpsc::Sender<Box<Ask<oneshot::Sender<Reply>>>>,
    Arc<Notify>,
    mpsc::Receiver<Posted>,
);

fn queues() -> Ends {
    let (asker, questions) = mpsc::channel(PLACES);
    let (noter, notes) = mpsc::channel(PLACES);
    let restored = Arc::<Notify>::default();
    let queues = Queues {
        questions,
        restored: Arc::clone(&restored),
        notes: noter,
    };
    (queues, asker, restored, notes)
}

impl Bench {
    async fn open(script: impl IntoIterator<Item = Act>) -> Self {
        let stage = Stage::open(script).await;
        let way = way(&format!("http://{}", stage.address));
        let (queues, questions, restored, notes) = queues();
        tokio::spawn(work(way, queues));
        Self {
            stage,
            questions,
            restored,
            notes,
        }
    }

    /// The reply, without what is told of it.
    async fn put(&self, question: Question, body: &str) -> Reply {
        let (waiting, reply) = oneshot::channel();
        let body = Bytes::copy_from_slice(body.as_bytes());
        let ask = Box::new(Ask {
            question,
            body,
            waiting,
        });
        self.questions.send(ask).await.unwrap();
        reply.await.unwrap()
    }

    async fn ask(&mut self, question: Question, body: &str) -> (Reply, Asked) {
        let reply = self.put(question, body).await;
        (reply, self.note().await)
    }

    async fn rules(&mut self) -> (Reply, Asked) {
        self.ask(Question::Rules, "{}").await
    }

    async fn targets(&mut self) -> (Reply, Asked) {
        self.ask(Question::Targets, REPORT).await
    }

    async fn note(&mut self) -> Asked {
        match self.notes.recv().await {
            Some(Posted::Asked(asked)) => asked,
            other => panic!("{other:?}"),
        }
    }

    fn requests(&self) -> usize {
        self.stage.seen().len()
    }
}

fn rules() -> Act {
    answer(200, RULES)
}

fn targets() -> Act {
    answer(200, TARGETS)
}

fn given(body: &str) -> Reply {
    Reply::success(body.to_owned().into())
}

#[track_caller]
fn cause((reply, asked): (Reply, Asked)) -> (u16, String, String) {
    let Asked::Failed(Some(cause)) = asked else {
        panic!("{asked:?}");
    };
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["__type"], json!(reply.code));
    assert_ne!(body["Message"], json!(""));
    (reply.status, reply.code, cause)
}

#[tokio::test]
async fn a_question_goes_out_signed_and_the_answer_comes_back_as_it_is() {
    let mut bench = Bench::open([rules(), targets()]).await;
    assert_eq!(bench.rules().await, (given(RULES), Asked::Forwarded));
    assert_eq!(bench.targets().await, (given(TARGETS), Asked::Forwarded));
    let seen = bench.stage.seen();
    for (request, path, body) in [
        (&seen[0], "/GetSamplingRules", "{}"),
        (&seen[1], "/SamplingTargets", REPORT),
    ] {
        assert!(request.head.starts_with(&format!("POST {path} HTTP/1.1\r\n")));
        assert_eq!(request.body, body);
        let signature = request.header("authorization");
        assert!(signature.contains("/eu-west-1/xray/aws4_request"), "{signature}");
    }
    assert_eq!(bench.stage.connections(), [0, 1], "none is kept meanwhile");
}

#[tokio::test]
async fn nothing_is_built_before_somebody_asks() {
    let (queues, ..) = queues();
    let waiting = work(way("http://127.0.0.1:9"), queues);
    let built = Desk::new(way("http://127.0.0.1:9"));
    let (waiting, built) = (size_of_val(&waiting), size_of_val(&built));
    assert!(waiting < built, "{waiting} bytes wait for what takes {built}");
}

#[tokio::test]
async fn each_page_of_the_rules_is_asked_for_once() {
    let second = r#"{"SamplingRuleRecords":[]}"#;
    let mut bench = Bench::open([rules(), answer(200, second)]).await;
    let page = r#"{"NextToken":"p2"}"#;
    assert_eq!(bench.rules().await, (given(RULES), Asked::Forwarded));
    assert_eq!(
        bench.ask(Question::Rules, page).await,
        (given(second), Asked::Forwarded)
    );
    for first in ["", "{}", r#"{"NextToken":null}"#] {
        assert_eq!(
            bench.ask(Question::Rules, first).await,
            (given(RULES), Asked::Cached)
        );
    }
    assert_eq!(
        bench.ask(Question::Rules, page).await,
        (given(second), Asked::Cached)
    );
    assert_eq!(bench.stage.seen()[1].body, page);
    assert_eq!(bench.requests(), 2);
}

#[tokio::test]
async fn an_empty_question_goes_out_as_an_empty_object() {
    let mut bench = Bench::open([rules()]).await;
    bench.ask(Question::Rules, "").await;
    assert_eq!(bench.stage.seen()[0].body, "{}");
}

#[tokio::test]
async fn what_is_no_question_is_not_put_to_x_ray() {
    let mut bench = Bench::open([]).await;
    for body in ["[]", "{", r#"{"NextToken":7}"#] {
        let (reply, asked) = bench.ask(Question::Rules, body).await;
        assert_eq!(
            (reply.status, reply.code.as_str()),
            (400, "InvalidRequestException")
        );
        assert_eq!(asked, Asked::Failed(None));
    }
    assert_eq!(bench.requests(), 0);
}

#[tokio::test]
async fn samplers_that_ask_together_are_answered_by_one_call() {
    let mut bench = Bench::open([rules()]).await;
    let ask = || bench.put(Question::Rules, "{}");
    let replies = tokio::join!(ask(), ask(), ask());
    assert_eq!(replies, (given(RULES), given(RULES), given(RULES)));
    let mut asked = Vec::new();
    for _ in 0..3 {
        asked.push(bench.note().await);
    }
    assert_eq!(asked, [Asked::Forwarded, Asked::Cached, Asked::Cached]);
    assert_eq!(bench.requests(), 1);
}

#[tokio::test]
async fn every_report_is_put_to_x_ray_once() {
    let mut bench = Bench::open([targets(), targets(), Act::Reset, targets()]).await;
    for status in [200, 200, 503, 200] {
        assert_eq!(bench.targets().await.0.status, status);
        bench.restored.notify_one(); // else the one after the failure is not put
    }
    assert_eq!(bench.requests(), 4);
}

/// The attempt with the corrected clock goes out on the connection of the one before: no other attempt does.
#[tokio::test]
async fn a_report_that_may_have_arrived_is_not_made_again_whatever_connection_it_went_out_on() {
    let skew = answer_with(
        403,
        "x-amzn-errortype: InvalidSignatureException\r\ndate: Thu, 21 May 2026 12:00:00 GMT",
        r#"{"message":"Signature expired: 20260521T110000Z is now earlier than 20260521T115500Z (20260521T120000Z - 5 min.)"}"#,
    );
    for (question, requests) in [(Question::Rules, 3), (Question::Targets, 2)] {
        let mut bench = Bench::open([skew.clone(), Act::Reset, rules()]).await;
        bench.ask(question, REPORT).await;
        assert_eq!(bench.requests(), requests, "{question:?}");
        assert_eq!(bench.stage.connections()[..2], [0, 0]);
    }
}

#[tokio::test]
async fn rules_that_were_modified_are_asked_for_anew() {
    let modified = TARGETS.replace(":0", ":4000000000.0");
    let mut bench = Bench::open([rules(), targets(), answer(200, &modified), rules(), rules()]).await;
    bench.rules().await;
    bench.targets().await;
    assert_eq!(bench.rules().await.1, Asked::Cached);
    bench.targets().await;
    assert_eq!(bench.rules().await.1, Asked::Forwarded);
}

#[tokio::test]
async fn a_hiccup_costs_one_more_attempt_for_the_rules_and_none_for_a_report() {
    for hiccup in [answer(503, ""), Act::Reset, Act::CloseHalfway] {
        let mut bench = Bench::open([hiccup.clone(), rules()]).await;
        assert_eq!(
            bench.rules().await,
            (given(RULES), Asked::Forwarded),
            "{hiccup:?}"
        );
        let mut bench = Bench::open([hiccup.clone(), targets()]).await;
        assert_eq!(cause(bench.targets().await).0, 503, "{hiccup:?}");
        assert_eq!(bench.requests(), 1);
    }
    let mut bench = Bench::open([answer(503, ""), answer(503, ""), rules()]).await;
    assert_eq!(cause(bench.rules().await).0, 503);
    assert_eq!(bench.requests(), 2);
}

#[tokio::test]
async fn x_rays_errors_are_handed_on_in_its_words_and_the_log_hears_the_mend() {
    let denied = r#"{"__type":"AccessDeniedException","Message":"User is not authorized"}"#;
    let mend = "allow xray:GetSamplingRules and xray:GetSamplingTargets in the role of the function";
    let throttled = r#"{"__type":"com.amazonaws#ThrottledException","message":"Rate exceeded"}"#;
    let wait = "retry-after: 3";
    for (act, status, code, words) in [
        (answer(403, denied), 403, "AccessDeniedException", mend),
        (answer(403, ""), 403, "AccessDeniedException", mend),
        (answer(429, throttled), 429, "ThrottledException", "Rate exceeded"),
        (answer(429, ""), 429, "ThrottledException", "429"),
        (answer(400, "{}"), 400, "InvalidRequestException", "400"),
        (
            answer_with(503, wait, ""),
            503,
            "ServiceUnavailableException",
            "503",
        ),
        (
            answer_with(500, wait, r#"{"code":"InternalFailure"}"#),
            500,
            "InternalFailure",
            "500",
        ),
        (
            answer(302, ""),
            502,
            "ServiceUnavailableException",
            "what answers there is not X-Ray",
        ),
        (
            answer(200, "<html>"),
            503,
            "ServiceUnavailableException",
            "answer is not what X-Ray answers",
        ),
        (Act::Flood, 503, "ServiceUnavailableException", "answer too long"),
    ] {
        let mut bench = Bench::open([act.clone()]).await;
        let (told, named, cause) = cause(bench.targets().await);
        assert_eq!((told, named.as_str()), (status, code), "{act:?}");
        assert!(cause.contains(words), "{cause}");
        assert!(
            cause.contains("GetSamplingTargets") || !cause.contains("answered"),
            "{cause}"
        );
    }
}

#[tokio::test]
async fn an_answer_is_handed_on_up_to_its_bound() {
    for (bytes, status) in [(ANSWER_MAX_BYTES, 200), (ANSWER_MAX_BYTES + 1, 503)] {
        let content = RULES.to_owned() + &" ".repeat(bytes - RULES.len());
        let mut bench = Bench::open([answer(200, &content)]).await;
        let (reply, _) = bench.rules().await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.body.len() == bytes, status == 200);
    }
}

#[tokio::test]
async fn without_a_region_the_error_names_what_is_missing() {
    let mut way = way("http://127.0.0.1:9");
    way.endpoint.region = None;
    let mut desk = Desk::new(way);
    let (reply, _) = desk.answer(Question::Rules, Bytes::new()).await;
    assert_eq!(reply.status, 503);
    assert!(String::from_utf8_lossy(&reply.body).contains("AWS_REGION"));
}

#[tokio::test(start_paused = true)]
async fn silence_is_waited_for_once_and_then_answers_every_question() {
    let mut bench = Bench::open([Act::Stall]).await;
    let began = tokio::time::Instant::now();
    let (status, code, cause) = cause(bench.rules().await);
    assert_eq!((status, code.as_str()), (503, "ServiceUnavailableException"));
    assert!(cause.contains("no answer from X-Ray"), "{cause}");
    let waited = began.elapsed();
    assert!(
        SAMPLING_WAIT <= waited && waited <= SAMPLING_WAIT + THAW_SLACK,
        "{waited:?}"
    );
    let began = tokio::time::Instant::now();
    for question in [Question::Rules, Question::Targets, Question::Rules] {
        let (reply, asked) = bench.ask(question, "{}").await;
        assert_eq!((reply.status, asked), (503, Asked::Failed(None)));
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(bench.requests(), 1);
}

#[tokio::test]
async fn while_x_ray_does_not_answer_samplers_keep_the_rules_they_had() {
    let modified = TARGETS.replace(":0", ":4000000000.0");
    let throttled = answer(429, "");
    let denied = answer(403, "");
    let mut bench = Bench::open([rules(), answer(200, &modified), throttled, denied]).await;
    bench.rules().await;
    bench.targets().await;
    let (reply, asked) = bench.rules().await;
    assert_eq!(reply, given(RULES));
    assert!(matches!(asked, Asked::Failed(Some(_))), "{asked:?}");
    assert_eq!(bench.rules().await, (given(RULES), Asked::Cached));
    assert_eq!(bench.requests(), 3);
    assert_eq!(cause(bench.targets().await).0, 403, "the other question was put");
}

#[tokio::test]
async fn who_may_not_ask_hears_so_even_where_rules_are_known() {
    let modified = TARGETS.replace(":0", ":4000000000.0");
    let mut bench = Bench::open([rules(), answer(200, &modified), answer(403, "")]).await;
    bench.rules().await;
    bench.targets().await;
    assert_eq!(cause(bench.rules().await).0, 403);
    assert_eq!(bench.rules().await.0.status, 403);
    assert_eq!(bench.requests(), 3);
}

/// A freeze that comes while a question is under way, after which X-Ray's answer is not there.
async fn freeze(bench: &Bench) {
    while bench.requests() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(SAMPLING_WAIT + THAW_SLACK + Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn a_freeze_has_the_rules_asked_for_again_and_is_not_held_against_x_ray() {
    let bench = Bench::open([Act::Stall, rules()]).await;
    let (reply, ()) = tokio::join!(bench.put(Question::Rules, ""), freeze(&bench));
    assert_eq!(reply, given(RULES));

    let mut bench = Bench::open([Act::Stall, targets()]).await;
    let (reply, ()) = tokio::join!(bench.put(Question::Targets, REPORT), freeze(&bench));
    assert_eq!(reply.status, 503);
    assert_eq!(bench.requests(), 1, "a report is not made twice");
    bench.note().await;
    assert_eq!(bench.targets().await.1, Asked::Forwarded);
}

#[tokio::test]
async fn after_a_restore_nothing_is_known() {
    let mut bench = Bench::open([rules(), answer(403, ""), rules(), targets()]).await;
    bench.rules().await;
    bench.targets().await;
    bench.restored.notify_one();
    assert_eq!(bench.rules().await.1, Asked::Forwarded);
    assert_eq!(bench.targets().await.1, Asked::Forwarded);
}

#[tokio::test(start_paused = true)]
async fn a_sampler_that_has_left_is_not_asked_for() {
    let mut bench = Bench::open([Act::Stall]).await;
    let first = bench.put(Question::Targets, REPORT);
    let second = async {
        let hasty = bench.put(Question::Targets, REPORT);
        assert!(tokio::time::timeout(SAMPLING_WAIT / 2, hasty).await.is_err());
    };
    tokio::join!(first, second);
    assert!(matches!(bench.note().await, Asked::Failed(Some(_))));
    assert_eq!(bench.targets().await.1, Asked::Failed(None));
    assert_eq!(bench.requests(), 1);
    assert!(bench.notes.try_recv().is_err(), "nobody asked a third time");
}
