//! The TCP side of the X-Ray daemon's port: `POST /TraceSegments` as the X-Ray API takes it.
//!
//! For documents that no datagram carries, and for samplers' questions. Signatures are not looked at: only this sandbox
//! reaches the port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use model::wire::document_scan;
use model::wire::oversize;
use model::wire::sampling::{GET_SAMPLING_RULES_PATH, GET_SAMPLING_TARGETS_PATH};
use model::wire::xray_api::{
    PUT_TRACE_SEGMENTS_PATH, PutTraceSegments, PutTraceSegmentsAnswer, UnprocessedTraceSegment,
};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::http::{self, NoBody};
use crate::limits::{DOCUMENT_BODIES, DOCUMENT_BODY_MAX, SAMPLING_ASKS, SAMPLING_BODY_MAX};
use crate::pipeline::event::Posted;
use crate::pipeline::sampler::{Ask, Question, Reply};

const ERROR_TYPE: &str = "x-amzn-errortype";

/// A bound listener.
pub struct DocumentListener {
    listener: TcpListener,
}

impl DocumentListener {
    /// Binds the port of this address, on the loopback interface whatever interface it names.
    ///
    /// # Errors
    /// The address is taken. Not fatal: documents can still come as datagrams.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let host = Some(address.ip()).filter(IpAddr::is_loopback);
        let host = host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let listener = TcpListener::bind((host, address.port())).await?;
        Ok(Self { listener })
    }

    /// The address, with the port the system chose.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until nobody takes documents any more. Samplers' `questions` are answered by whoever takes them.
    pub async fn serve(self, posted: mpsc::Sender<Posted>, questions: Questions) {
        let desk = Desk {
            posted,
            questions,
            asking: Arc::new(Semaphore::new(SAMPLING_ASKS)),
            bodies: Arc::new(Semaphore::new(DOCUMENT_BODIES)),
        };
        http::serve(self.listener, http::Desk::Documents(desk)).await;
    }
}

/// Samplers' questions, with room for [`SAMPLING_ASKS`].
pub type Questions = mpsc::Sender<Box<Ask<oneshot::Sender<Reply>>>>;

/// Takes documents in.
#[derive(Clone)]
pub(super) struct Desk {
    posted: mpsc::Sender<Posted>,
    questions: Questions,
    /// Each question that is not answered yet has a permit.
    asking: Arc<Semaphore>,
    /// Each body in memory has a permit.
    bodies: Arc<Semaphore>,
}

impl Desk {
    pub(super) fn is_closed(&self) -> bool {
        self.posted.is_closed()
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let question = match request.uri().path() {
            PUT_TRACE_SEGMENTS_PATH => None,
            GET_SAMPLING_RULES_PATH => Some(Question::Rules),
            GET_SAMPLING_TARGETS_PATH => Some(Question::Targets),
            _ => {
                return refusal(
                    StatusCode::NOT_FOUND,
                    "UnknownOperationException",
                    "nothing lies here: this port takes POST /TraceSegments, /GetSamplingRules and /SamplingTargets",
                );
            }
        };
        if request.method() != Method::POST {
            let mut answer = refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "UnknownOperationException",
                "this path takes POST alone",
            );
            answer
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("POST"));
            return answer;
        }
        match question {
            // Apart from the connection, which most of the time has to do without it.
            Some(question) => Box::pin(self.ask(question, request)).await,
            None => self.take(request).await,
        }
    }

    /// Puts a sampler's question to X-Ray.
    async fn ask(&self, question: Question, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Ok(_place) = self.asking.try_acquire() else {
            return refusal(
                StatusCode::TOO_MANY_REQUESTS,
                "ThrottledException",
                "too many samplers ask at once",
            );
        };
        let body = match http::body(request, SAMPLING_BODY_MAX).await {
            Ok(body) => body,
            Err(NoBody::TooLarge) => return too_large("the body is over 64 KiB: report fewer rules at once"),
            Err(NoBody::Broken) => return broken(),
        };
        let (waiting, reply) = oneshot::channel();
        let body = body.into();
        let ask = Box::new(Ask {
            question,
            body,
            waiting,
        });
        if self.questions.send(ask).await.is_err() {
            return ending();
        }
        let Ok(reply) = reply.await else {
            return ending();
        };
        let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut answer = json(status, reply.body);
        if let Some(code) = HeaderValue::from_str(&reply.code)
            .ok()
            .filter(|code| !code.is_empty())
        {
            answer.headers_mut().insert(ERROR_TYPE, code);
        }
        answer
    }

    async fn take(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        // The semaphore is never closed.
        let _permit = self.bodies.acquire().await;
        let body = match http::body(request, DOCUMENT_BODY_MAX).await {
            Ok(body) => body,
            Err(NoBody::TooLarge) => {
                return too_large("the body is over 1 MiB: send fewer documents at once");
            }
            Err(NoBody::Broken) => return broken(),
        };
        let Ok(request) = serde_json::from_slice::<PutTraceSegments>(&body) else {
            return refusal(
                StatusCode::BAD_REQUEST,
                "InvalidRequestException",
                r#"the body is not JSON of the form {"TraceSegmentDocuments":["...",...]}"#,
            );
        };
        drop(body);
        let documents = request.trace_segment_documents;
        let unprocessed = documents.iter().flat_map(|document| judge(document)).collect();
        if self.posted.send(Posted::Documents(documents)).await.is_err() {
            return ending();
        }
        let answer = PutTraceSegmentsAnswer {
            unprocessed_trace_segments: unprocessed,
        };
        json(
            StatusCode::OK,
            serde_json::to_vec(&answer).unwrap_or_default().into(),
        )
    }
}

/// What of one string is not taken, in X-Ray's words. The engine judges anew when it takes the rest: the answer
/// cannot wait for it.
fn judge(document: &str) -> Vec<UnprocessedTraceSegment> {
    let (documents, damage) = document_scan::split(document.as_bytes());
    let judged = documents
        .into_iter()
        .map(|document| (document_scan::id(document), oversize::judge(document).err()));
    let damage = damage.map(|refusal| (None, Some(refusal)));
    let refused = judged.chain(damage).filter_map(|(id, refusal)| {
        let refusal = refusal?;
        let code = refusal.error_code();
        Some(UnprocessedTraceSegment {
            id,
            error_code: Some(code.to_owned()),
            message: Some(format!("Invalid segment. ErrorCode: {code}, Cause: {refusal}")),
        })
    });
    refused.collect()
}

fn json(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

fn too_large(message: &str) -> Response<Full<Bytes>> {
    refusal(StatusCode::PAYLOAD_TOO_LARGE, "InvalidRequestException", message)
}

fn broken() -> Response<Full<Bytes>> {
    refusal(
        StatusCode::REQUEST_TIMEOUT,
        "InvalidRequestException",
        "the body ended early, or did not end in time",
    )
}

fn ending() -> Response<Full<Bytes>> {
    refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "ServiceUnavailableException",
        "the extension is ending",
    )
}

/// An error as AWS's services tell one.
fn refusal(status: StatusCode, code: &'static str, message: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "__type": code, "Message": message }).to_string();
    let mut answer = json(status, body.into());
    let code = HeaderValue::from_static(code);
    answer.headers_mut().insert(ERROR_TYPE, code);
    answer
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::http::tests::ask;
    use super::*;

    const DOCUMENT: &str =
        r#"{"name":"x","id":"00f067aa0ba902b7","trace_id":"1-67881233-abcdef012345678812345678"}"#;

    async fn listen() -> (SocketAddr, mpsc::Receiver<Posted>) {
        let (address, posted, mut questions) = listen_to_samplers().await;
        tokio::spawn(async move { while questions.recv().await.is_some() {} });
        (address, posted)
    }

    async fn listen_to_samplers() -> (
        SocketAddr,
        mpsc::Receiver<Posted>,
        mpsc::Receiver<Box<Ask<oneshot::Sender<Reply>>>>,
    ) {
        let any_port = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let listener = DocumentListener::bind(any_port).await.unwrap();
        let address = listener.address().unwrap();
        assert!(address.ip().is_loopback());
        let (sender, posted) = mpsc::channel(8);
        let (asker, questions) = mpsc::channel(SAMPLING_ASKS);
        tokio::spawn(listener.serve(sender, asker));
        (address, posted, questions)
    }

    /// The documents of the next request.
    async fn next(posted: &mut mpsc::Receiver<Posted>) -> Vec<String> {
        match posted.recv().await {
            Some(Posted::Documents(documents)) => documents,
            other => panic!("{other:?}"),
        }
    }

    fn body(documents: &[&str]) -> Vec<u8> {
        json!({ "TraceSegmentDocuments": documents })
            .to_string()
            .into_bytes()
    }

    fn content(answer: &str) -> Value {
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    #[tokio::test]
    async fn documents_are_taken_as_they_came() {
        let (address, mut posted) = listen().await;
        let answer = ask(address, "POST", "/TraceSegments", &body(&[DOCUMENT, "[]"])).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(next(&mut posted).await, [DOCUMENT, "[]"]);
    }

    #[tokio::test]
    async fn what_is_not_taken_is_told_in_xrays_words() {
        let (address, _posted) = listen().await;
        let nameless = DOCUMENT.replace(r#""name":"x","#, "");
        let array = format!("[{DOCUMENT},{nameless}]");
        let documents = [DOCUMENT, &nameless, "{", "[]", r#"{"name":"x"}"#, &array];
        let answer = content(&ask(address, "POST", "/TraceSegments", &body(&documents)).await);
        let unprocessed = answer["UnprocessedTraceSegments"].as_array().unwrap();
        let told: Vec<(&Value, &str)> = unprocessed
            .iter()
            .map(|item| (&item["Id"], item["ErrorCode"].as_str().unwrap()))
            .collect();
        let id = json!("00f067aa0ba902b7");
        let none = Value::Null;
        assert_eq!(
            told,
            [
                (&id, "InvalidName"),
                (&none, "JSONFormatError"),
                (&none, "MissingId"),
                (&none, "InvalidTraceId"),
                (&id, "InvalidName"),
            ]
        );
        assert_eq!(
            unprocessed[0]["Message"],
            "Invalid segment. ErrorCode: InvalidName, Cause: missing or invalid name"
        );
    }

    #[tokio::test]
    async fn a_body_is_taken_up_to_its_bound() {
        let (address, mut posted) = listen().await;
        let frame = body(&[""]).len();
        for (length, status) in [(DOCUMENT_BODY_MAX, 200), (DOCUMENT_BODY_MAX + 1, 413)] {
            let document = "x".repeat(length - frame);
            let answer = ask(address, "POST", "/TraceSegments", &body(&[&document])).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        }
        assert_eq!(next(&mut posted).await.len(), 1);
        assert!(posted.try_recv().is_err());
    }

    #[tokio::test]
    async fn other_requests_hear_what_is_taken() {
        let (address, _posted) = listen().await;
        for (method, path, status, word) in [
            ("GET", "/TraceSegments", 405, "POST"),
            ("GET", "/GetSamplingRules", 405, "POST"),
            ("PUT", "/SamplingTargets", 405, "POST"),
            ("POST", "/", 404, "POST /TraceSegments"),
            ("PUT", "/Traces", 404, "POST /TraceSegments"),
            ("POST", "/SamplingStatisticSummaries", 404, "/SamplingTargets"),
            ("POST", "/GetSamplingRules/", 404, "/GetSamplingRules"),
        ] {
            let answer = ask(address, method, path, b"").await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
            assert!(content(&answer)["Message"].as_str().unwrap().contains(word));
        }
        for bad in [
            b"".as_slice(),
            b"{}",
            b"[1]",
            b"{\"TraceSegmentDocuments\":[7]}",
            b"\xff",
        ] {
            let answer = ask(address, "POST", "/TraceSegments", bad).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
            assert!(
                answer.contains("x-amzn-errortype: InvalidRequestException"),
                "{answer}"
            );
        }
    }

    #[tokio::test]
    async fn a_samplers_question_is_handed_on_and_its_reply_back() {
        let (address, _posted, mut questions) = listen_to_samplers().await;
        for (path, question, reply, head) in [
            (
                "/GetSamplingRules",
                Question::Rules,
                Reply::success("{}".into()),
                "HTTP/1.1 200",
            ),
            (
                "/SamplingTargets",
                Question::Targets,
                Reply::error(403, "AccessDeniedException", "no"),
                "HTTP/1.1 403",
            ),
        ] {
            let answering = async {
                let ask = questions.recv().await.unwrap();
                assert_eq!((ask.question, &ask.body[..]), (question, &b"{\"a\":1}"[..]));
                ask.waiting.send(reply.clone()).unwrap();
            };
            let (answer, ()) = tokio::join!(ask(address, "POST", path, b"{\"a\":1}"), answering);
            assert!(answer.starts_with(head), "{answer}");
            assert!(
                answer.ends_with(std::str::from_utf8(&reply.body).unwrap()),
                "{answer}"
            );
            assert_eq!(
                answer.contains("x-amzn-errortype: AccessDeniedException\r\n"),
                !reply.code.is_empty()
            );
            assert_eq!(answer.contains("x-amzn-errortype"), !reply.code.is_empty());
        }
    }

    #[tokio::test]
    async fn a_sampler_that_nobody_answers_hears_so() {
        // Whoever takes questions drops them, then is gone.
        let (address, _posted) = listen().await;
        let answer = ask(address, "POST", "/GetSamplingRules", b"{}").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        let (address, _posted, questions) = listen_to_samplers().await;
        drop(questions);
        let answer = ask(address, "POST", "/GetSamplingRules", b"{}").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("ServiceUnavailableException"), "{answer}");
    }

    #[tokio::test]
    async fn a_samplers_body_is_taken_up_to_its_bound() {
        let (address, _posted) = listen().await;
        for (length, status) in [(SAMPLING_BODY_MAX, 503), (SAMPLING_BODY_MAX + 1, 413)] {
            let answer = ask(address, "POST", "/GetSamplingRules", &vec![b' '; length]).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        }
    }

    #[tokio::test]
    async fn so_many_samplers_are_heard_at_once_and_a_further_one_is_sent_away() {
        let (address, _posted, mut questions) = listen_to_samplers().await;
        let (mut heard, mut asks) = (Vec::new(), Vec::new());
        for _ in 0..SAMPLING_ASKS {
            heard.push(tokio::spawn(async move {
                ask(address, "POST", "/SamplingTargets", b"{}").await
            }));
            asks.push(questions.recv().await.unwrap());
        }
        let sent_away = ask(address, "POST", "/SamplingTargets", b"{}").await;
        assert!(sent_away.starts_with("HTTP/1.1 429"), "{sent_away}");
        assert!(sent_away.contains("x-amzn-errortype: ThrottledException"));
        // One that is answered leaves its place to the next.
        drop(asks.pop());
        assert!(heard.pop().unwrap().await.unwrap().starts_with("HTTP/1.1 503"));
        let next = tokio::spawn(async move { ask(address, "POST", "/SamplingTargets", b"{}").await });
        drop(questions.recv().await.unwrap());
        assert!(next.await.unwrap().starts_with("HTTP/1.1 503"));
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_not_a_panic() {
        let (address, _posted) = listen().await;
        assert!(DocumentListener::bind(address).await.is_err());
    }
}
