//! A function that does what its event says (see `tests/harness/script.rs`): a real runtime client that speaks
//! the X-Ray daemon's protocol by hand, so that it can also speak it badly.

#[path = "otlp.rs"]
mod otlp;

use std::net::UdpSocket;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lambda_runtime::{Error, LambdaEvent, service_fn};
use model::trace_header::TraceHeader;
use serde_json::{Value, json};

const FRAME: &str = "{\"format\":\"json\",\"version\":1}\n";
/// The same as another SDK writes it.
const OTHER_FRAME: &str = "{\"format\": \"json\", \"version\": 1}\n";
const KILOBYTE: usize = 1024;
/// Longest wait for an answer from the daemon's port.
const POST_MAX: Duration = Duration::from_millis(1000);
/// The same of a sampler, as AWS's have it.
const ASK_MAX: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if std::env::var_os("AWS_LAMBDA_MAX_CONCURRENCY").is_some() {
        return lambda_runtime::run_concurrent(service_fn(handle)).await;
    }
    lambda_runtime::run(service_fn(handle)).await
}

#[expect(clippy::disallowed_methods, reason = "a crash is what the step asks for")]
fn exit(code: i32) -> ! {
    std::process::exit(code)
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let header = TraceHeader::parse(event.context.xray_trace_id.as_deref().unwrap_or_default());
    let recorder = Recorder::new(header, event.context.request_id)?;
    let mut answer = json!("done");
    for step in event.payload.as_array().into_iter().flatten() {
        if let Some(told) = recorder.play(step).await? {
            answer = told;
        }
    }
    Ok(answer)
}

/// JSON with spaces, as Python spells it.
fn spaced(text: &str) -> String {
    text.replace("\":", "\": ").replace(",\"", ", \"")
}

struct Recorder {
    socket: UdpSocket,
    header: TraceHeader,
    request_id: String,
}

impl Recorder {
    fn new(header: TraceHeader, request_id: String) -> Result<Self, Error> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let address = std::env::var("AWS_XRAY_DAEMON_ADDRESS")?;
        socket.connect(address)?;
        Ok(Self {
            socket,
            header,
            request_id,
        })
    }

    /// Does one step; its answer, if it has one.
    async fn play(&self, step: &Value) -> Result<Option<Value>, Error> {
        let text = |name: &str| step[name].as_str();
        if step["document"].is_object() {
            self.send(format!("{FRAME}{}", self.document(&step["document"])).as_bytes());
        } else if let Some(datagram) = text("datagram") {
            self.send(self.filled_in(datagram).as_bytes());
        } else if let Some(bytes) = step["bytes"].as_array() {
            let bytes: Vec<u8> = bytes
                .iter()
                .filter_map(|byte| u8::try_from(byte.as_u64()?).ok())
                .collect();
            self.send(&bytes);
        } else if let Some(documents) = step["burst"].as_u64() {
            let filler = step["filler"].as_u64().map(usize::try_from).transpose()?;
            self.burst(documents, filler.unwrap_or(KILOBYTE));
        } else if let Some(bytes) = step["fill"].as_u64() {
            // For as long as the process lives, and every page of it touched.
            std::mem::forget(vec![1u8; usize::try_from(bytes)?]);
        } else if let Some(spans) = step["otlp"].as_u64() {
            otlp::post(&self.header, spans)?;
        } else if let Some(documents) = step["crowd"].as_u64() {
            self.crowd(documents)?;
        } else if let Some(documents) = step["post"].as_array() {
            return self.post(documents).map(Some);
        } else if let (Some(documents), Some(word)) = (step["put"].as_array(), text("word")) {
            self.put(documents, word);
        } else if let (Some(path), Some(body)) = (text("ask"), text("body")) {
            return ask(path, body).map(Some);
        } else if step["flood"].is_u64() {
            self.flood(step)?;
        } else if let Some(line) = text("say") {
            println!("{line}");
        } else if let Some(answer) = text("answer") {
            return Ok(Some(answer.into()));
        } else if let Some(millis) = step["work_ms"].as_u64() {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        } else if let Some(message) = text("raise") {
            return Err(message.into());
        } else if let Some(code) = step["exit"].as_i64() {
            exit(i32::try_from(code)?);
        } else if step["killed"] == true {
            std::process::Command::new("kill")
                .args(["-9", &std::process::id().to_string()])
                .status()?;
        } else if let (Some(path), Some(content)) = (text("write"), text("text")) {
            std::fs::write(path, content)?;
        } else if let Some(path) = text("read") {
            return Ok(Some(std::fs::read_to_string(path)?.into()));
        } else if step["tell_header"] == true {
            return Ok(Some(self.header.to_string().into()));
        }
        Ok(None)
    }

    fn document(&self, given: &Value) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        let mut document = json!({
            "type": "subsegment", "trace_id": "$ROOT", "parent_id": "$PARENT",
            "start_time": now - 0.001, "end_time": now,
        });
        if let (Some(document), Some(given)) = (document.as_object_mut(), given.as_object()) {
            document.extend(given.clone());
            document.retain(|_, value| !value.is_null());
        }
        self.filled_in(&document.to_string())
    }

    fn filled_in(&self, text: &str) -> String {
        let root = self.header.root.as_deref().unwrap_or_default();
        text.replace("$ROOT", root)
            .replace("$REQUEST", &self.request_id)
            .replace("$PARENT", self.header.parent.as_deref().unwrap_or_default())
    }

    fn burst(&self, documents: u64, filler: usize) {
        let filler = "m".repeat(filler);
        for number in 0..documents {
            let document = json!({
                "id": format!("{:016x}", number + 1), "name": "burst", "metadata": { "default": { "filler": filler } },
            });
            self.send(format!("{FRAME}{}", self.document(&document)).as_bytes());
        }
    }

    /// Two SDKs, each with two sockets, send at once; one of them spells JSON with spaces, as Python does.
    fn crowd(&self, documents: u64) -> Result<(), Error> {
        let address = std::env::var("AWS_XRAY_DAEMON_ADDRESS")?;
        let sender = |number: u64| -> Result<_, Error> {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.connect(&address)?;
            let datagrams: Vec<String> = (1..=documents)
                .map(|document| {
                    let id = format!("{number:08x}{document:08x}");
                    let document = self.document(&json!({ "id": id, "name": format!("crowd {number}") }));
                    let datagram = format!("{FRAME}{document}");
                    if number.is_multiple_of(2) {
                        spaced(&datagram)
                    } else {
                        datagram
                    }
                })
                .collect();
            Ok(std::thread::spawn(move || {
                for datagram in datagrams {
                    let _ = socket.send(datagram.as_bytes());
                    let _ = socket.send(b"");
                }
            }))
        };
        let senders = (1..=4).map(sender).collect::<Result<Vec<_>, _>>()?;
        for sender in senders {
            sender.join().map_err(|_| "a sender panicked")?;
        }
        Ok(())
    }

    /// PutTraceSegments at the daemon's port; the answer's body.
    fn post(&self, documents: &[Value]) -> Result<Value, Error> {
        let documents: Vec<String> = documents.iter().map(|document| self.document(document)).collect();
        let url = format!(
            "http://{}/TraceSegments",
            std::env::var("AWS_XRAY_DAEMON_ADDRESS")?
        );
        let post = ureq::post(url).config().timeout_global(Some(POST_MAX)).build();
        let mut answer = post.send_json(json!({ "TraceSegmentDocuments": documents }))?;
        Ok(answer.body_mut().read_json()?)
    }

    /// As an SDK does: that nobody takes them is no error of the function's. Says so if all were taken.
    fn put(&self, documents: &[Value], word: &str) {
        let answer = self.post(documents).unwrap_or_default();
        if answer["UnprocessedTraceSegments"]
            .as_array()
            .is_some_and(Vec::is_empty)
        {
            println!("{word}");
        }
    }

    /// One thread for each socket: every nth document is its own.
    fn flood(&self, step: &Value) -> Result<(), Error> {
        let number = |name: &str| step[name].as_u64().unwrap_or_default();
        let (documents, sockets) = (number("flood"), number("sockets").max(1));
        let first = u64::from_str_radix(step["first_id"].as_str().unwrap_or_default(), 16)?;
        let filler = "m".repeat(usize::try_from(number("filler_bytes"))?);
        let send_share = |socket: u64| -> Result<(), Error> {
            let recorder = Self::new(self.header.clone(), self.request_id.clone())?;
            for place in (socket..documents).step_by(usize::try_from(sockets).unwrap_or(1)) {
                let document = json!({
                    "id": format!("{:016x}", first + place), "name": "flood",
                    "metadata": { "default": { "filler": filler } },
                });
                let document = recorder.document(&document);
                let datagram = if socket.is_multiple_of(2) {
                    format!("{FRAME}{document}")
                } else {
                    format!("{OTHER_FRAME}{}", spaced(&document))
                };
                recorder.send(datagram.as_bytes());
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..sockets)
                .map(|socket| scope.spawn(move || send_share(socket)))
                .collect();
            threads.into_iter().try_for_each(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err("a socket's thread panicked".into()))
            })
        })?;
        Ok(())
    }

    /// As SDKs do: nobody listening is no error of the function's.
    fn send(&self, datagram: &[u8]) {
        let _ = self.socket.send(datagram);
    }
}

/// Asks as a sampler does, and tells what it was answered and after how long.
fn ask(path: &str, body: &str) -> Result<Value, Error> {
    let url = format!("http://{}{path}", std::env::var("AWS_XRAY_DAEMON_ADDRESS")?);
    let post = ureq::post(url).config();
    let post = post.http_status_as_error(false).timeout_global(Some(ASK_MAX));
    let began = Instant::now();
    let mut answer = post.build().send(body)?;
    let content: Value = answer.body_mut().read_json()?;
    let code = answer.headers().get("x-amzn-errortype");
    Ok(json!({
        "status": answer.status().as_u16(),
        "code": code.and_then(|code| code.to_str().ok()),
        "content": content,
        "waited_ms": u64::try_from(began.elapsed().as_millis())?,
    }))
}
