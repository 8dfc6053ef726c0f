use model::ids::RequestId;
use proptest::prelude::*;

use super::*;

const NEXT: &[u8] = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";
const EVENT: &[u8] = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r-1\r\nlambda-runtime-trace-id: Root=1-6a0edb41-00112233445566778899aabb\r\nContent-Length: 2\r\n\r\n{}";
const TAKEN: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

fn id() -> RequestId {
    "r-1".parse().unwrap()
}

/// One side's bytes in pieces of this size; what passes.
fn pass(bytes: &[u8], piece: usize, mut look: impl FnMut(&[u8]) -> Forward) -> Vec<u8> {
    let (mut passed, mut held) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        match look(piece) {
            Forward::AsRead => {
                passed.append(&mut held);
                passed.extend_from_slice(piece);
            }
            Forward::Hold => held.extend_from_slice(piece),
            Forward::Instead { head, rest_from } => {
                held.clear();
                passed.extend(head);
                passed.extend_from_slice(&piece[rest_from..]);
            }
        }
    }
    passed.extend(held);
    passed
}

/// Requests and answers in turn, in pieces of this size: what passes to the runtime, and what was seen.
fn talk(exchanges: &[(&[u8], &[u8])], piece: usize, rate: Option<&str>) -> (Vec<u8>, Vec<RuntimeSign>) {
    let mut watch = Watch::new(rate.map(|rate| rate.parse().unwrap()));
    let (mut passed, mut signs) = (Vec::new(), Vec::new());
    for (request, answer) in exchanges {
        request.chunks(piece).for_each(|piece| watch.requests(piece));
        passed.extend(pass(answer, piece, |piece| {
            watch.answers(piece, Timestamp::default())
        }));
        signs.extend(watch.take_signs());
    }
    (passed, signs)
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST /2018-06-01/runtime/{path} HTTP/1.1\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
        .into_bytes()
}

#[test]
fn an_answer_ends_an_invocation_and_an_error_fails_it() {
    let answer = post("invocation/r-1/response", "", "done");
    let error = post(
        "invocation/r-1/error",
        "Lambda-Runtime-Function-Error-Type: Unhandled\r\n",
        r#"{"errorMessage":"card refused"}"#,
    );
    let init = post("init/error", "", r#"{"errorType":"Runtime.ImportModuleError"}"#);
    for piece in [1, 7, 10_000] {
        let exchanges = [
            (NEXT, EVENT),
            (answer.as_slice(), TAKEN),
            (NEXT, EVENT),
            (error.as_slice(), TAKEN),
            (init.as_slice(), TAKEN),
        ];
        let (passed, signs) = talk(&exchanges, piece, None);
        assert_eq!(passed, exchanges.map(|(_, answer)| answer).concat());
        let [
            RuntimeSign::Ended(ended),
            RuntimeSign::Failed(failed, thrown),
            RuntimeSign::NotStarted(start),
        ] = &signs[..]
        else {
            panic!("{signs:?}")
        };
        assert_eq!((ended, failed), (&id(), &id()));
        assert_eq!(
            (
                thrown.exceptions[0].kind.as_str(),
                thrown.exceptions[0].message.as_str()
            ),
            ("Unhandled", "card refused")
        );
        assert_eq!(start.exceptions[0].kind, "Runtime.ImportModuleError");
    }
}

#[test]
fn a_stream_that_breaks_off_fails_its_invocation() {
    let head = "POST /2018-06-01/runtime/invocation/r-1/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n";
    let body = STANDARD.encode(r#"{"errorType":"Broken","errorMessage":"half way"}"#);
    let trailers = format!(
        "Lambda-Runtime-Function-Error-Type: Broken\r\nLambda-Runtime-Function-Error-Body: {body}\r\n\r\n"
    );
    for piece in [1, 10_000] {
        let stream = format!("{head}{trailers}");
        let (_, signs) = talk(&[(stream.as_bytes(), TAKEN)], piece, None);
        let [RuntimeSign::Failed(_, thrown)] = &signs[..] else {
            panic!("{signs:?}")
        };
        assert_eq!(
            (
                thrown.exceptions[0].kind.as_str(),
                thrown.exceptions[0].message.as_str()
            ),
            ("Broken", "half way")
        );
        let whole = format!("{head}\r\n");
        assert_eq!(
            talk(&[(whole.as_bytes(), TAKEN)], piece, None).1,
            [RuntimeSign::Ended(id())]
        );
    }
}

#[test]
fn an_undecided_invocation_is_decided_and_everything_else_passes_as_it_is() {
    for piece in [1, 9, 10_000] {
        let (passed, signs) = talk(&[(NEXT, EVENT), (NEXT, EVENT)], piece, Some("1"));
        let [RuntimeSign::Decided(first), RuntimeSign::Decided(_)] = &signs[..] else {
            panic!("{signs:?}")
        };
        let told = format!(
            "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r-1\r\nLambda-Runtime-Trace-Id: {}\r\nContent-Length: 2\r\n\r\n{{}}",
            first.header
        );
        assert_eq!(String::from_utf8(passed).unwrap(), format!("{told}{told}"));
        let decided = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r-1\r\nLambda-Runtime-Trace-Id: Root=1-6a0edb41-00112233445566778899aabb;Sampled=0\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(
            talk(&[(NEXT, decided)], piece, Some("1")),
            (decided.to_vec(), vec![])
        );
        assert_eq!(
            talk(&[(NEXT, EVENT)], piece, Some("0.0")),
            (EVENT.to_vec(), vec![])
        );
        let refused = b"HTTP/1.1 403 No\r\nLambda-Runtime-Aws-Request-Id: r-1\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(
            talk(&[(NEXT, refused)], piece, Some("1")),
            (refused.to_vec(), vec![])
        );
    }
}

#[test]
fn an_interim_answer_is_not_the_answer() {
    let answer = post("invocation/r-1/response", "Expect: 100-continue\r\n", "done");
    let taken = [b"HTTP/1.1 100 Continue\r\n\r\n".as_slice(), TAKEN].concat();
    let (_, signs) = talk(&[(&answer, &taken), (NEXT, EVENT)], 10_000, Some("1"));
    assert!(
        matches!(&signs[..], [RuntimeSign::Ended(_), RuntimeSign::Decided(_)]),
        "{signs:?}"
    );
}

#[test]
fn what_cannot_be_followed_passes_and_is_not_followed() {
    let answer = post("invocation/r-1/response", "", "done");
    for garbage in [
        b"\x16\x03\x01\r\n\r\n".as_slice(),
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ] {
        let (passed, signs) = talk(
            &[(garbage, b"what?"), (&answer, TAKEN), (NEXT, EVENT)],
            5,
            Some("1"),
        );
        assert_eq!(
            (passed, signs),
            ([b"what?".as_slice(), TAKEN, EVENT].concat(), vec![])
        );
    }
    // An answer that nobody asked for, another protocol, and more calls than are kept.
    let many = NEXT.repeat(PROXY_CALLS_MAX + 1);
    let switch = b"HTTP/1.1 101 Switching Protocols\r\n\r\n".as_slice();
    for (request, reply) in [
        (b"".as_slice(), TAKEN),
        (NEXT, switch),
        (many.as_slice(), b"".as_slice()),
    ] {
        assert_eq!(talk(&[(request, reply), (&answer, TAKEN)], 10_000, None).1, []);
    }
    let within = NEXT.repeat(PROXY_CALLS_MAX - 1);
    assert_eq!(
        talk(&[(&within, b""), (&answer, b"")], 10_000, None).1,
        [RuntimeSign::Ended(id())]
    );
}

#[test]
fn an_error_is_kept_up_to_its_limit() {
    let text = |length: usize| format!(r#"{{"errorType":"E","errorMessage":"{}"}}"#, "m".repeat(length));
    let around = text(0).len();
    let kind = |length: usize| {
        let error = post(
            "invocation/r-1/error",
            "Lambda-Runtime-Function-Error-Type: Cut\r\n",
            &text(length),
        );
        match &talk(&[(&error, TAKEN)], 10_000, None).1[..] {
            [RuntimeSign::Failed(_, thrown)] => thrown.exceptions[0].kind.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(kind(PROXY_ERROR_BODY_MAX - around), "E");
    assert_eq!(kind(PROXY_ERROR_BODY_MAX - around + 1), "Cut");
}

proptest! {
    #[test]
    fn whatever_is_said_passes_unchanged(
        exchanges in proptest::collection::vec((side(), side()), 0..6),
        piece in 1_usize..200,
    ) {
        let exchanges: Vec<(&[u8], &[u8])> = exchanges.iter().map(|(up, down)| (&up[..], &down[..])).collect();
        let answers: Vec<u8> = exchanges.iter().flat_map(|(_, answer)| answer.to_vec()).collect();
        prop_assert_eq!(talk(&exchanges, piece, None).0, answers.clone());
        // With decisions to make, only the one line differs.
        let decided = String::from_utf8_lossy(&talk(&exchanges, piece, Some("1")).0).into_owned();
        let without = |text: &str| -> Vec<String> {
            let is_other = |line: &&str| !line.to_ascii_lowercase().contains("lambda-runtime-trace-id");
            text.split("\r\n").filter(is_other).map(str::to_owned).collect()
        };
        prop_assert_eq!(without(&decided), without(&String::from_utf8_lossy(&answers)));
    }
}

/// Sensible messages and nonsense.
fn side() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(NEXT.to_vec()),
        Just(EVENT.to_vec()),
        Just(TAKEN.to_vec()),
        Just(post("invocation/r-1/response", "", "done")),
        Just(b"POST /2018-06-01/runtime/invocation/r-1/error HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: b\r\n\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..80),
        "[a-zA-Z0-9:;/ \r\n]{0,80}".prop_map(String::into_bytes),
    ]
}
