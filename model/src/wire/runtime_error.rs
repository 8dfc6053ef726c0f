//! What a runtime posts when a handler, or its own start, has failed.
//!
//! Every runtime has a form of its own. What is understood becomes exceptions as X-Ray knows them; what is not
//! stays as text in the message. Never fails: an error that says nothing is still an error.

use serde_json::Value;

use super::segment_document::StackFrame;
use super::stack_frame::{self, cut};

/// Exceptions of one chain that are read.
pub const EXCEPTIONS_MAX: usize = 8;
/// Stack frames of one chain that are kept; further ones are counted as truncated.
pub const FRAMES_MAX: usize = 50;
/// Longest message that is kept, in bytes.
pub const MESSAGE_MAX_BYTES: usize = 2048;
/// Paths that X-Ray's own form may name; further ones are left out.
pub const PATHS_MAX: usize = 32;
/// The kind of an exception that names none.
const UNNAMED: &str = "Error";

/// One exception.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thrown {
    /// Such as `ValueError`.
    pub kind: String,
    /// Its text, and the stack where it could not be read.
    pub message: String,
    /// Innermost or outermost first, as the runtime has it.
    pub stack: Vec<StackFrame>,
    /// Frames left out.
    pub truncated: usize,
}

/// An error: at least one exception, if there was an error at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Raised {
    /// The outermost first, each caused by the one behind it.
    pub exceptions: Vec<Thrown>,
    /// Where the function ran, if X-Ray's own form says so.
    pub working_directory: Option<String>,
    /// Files on its stack, likewise.
    pub paths: Vec<String>,
}

impl Raised {
    /// Whether there was no error.
    pub fn is_empty(&self) -> bool {
        self.exceptions.is_empty()
    }

    fn of(exceptions: Vec<Thrown>) -> Self {
        Self {
            exceptions,
            ..Self::default()
        }
    }
}

/// What a runtime posted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Posted<'a> {
    /// `Lambda-Runtime-Function-Error-Type`
    pub kind: Option<&'a str>,
    /// `Lambda-Runtime-Function-XRay-Error-Cause`
    pub xray_cause: Option<&'a [u8]>,
    /// The body.
    pub body: &'a [u8],
}

/// Reads an error.
pub fn decode(posted: &Posted<'_>) -> Raised {
    let mut reader = Reader { frames: FRAMES_MAX };
    let by_cause = posted.xray_cause.and_then(|cause| reader.cause(cause));
    if let Some(raised) = by_cause {
        return raised;
    }
    if let Ok(Value::Object(body)) = serde_json::from_slice(posted.body) {
        return Raised::of(reader.chain(&Value::Object(body), posted.kind));
    }
    Raised::of(vec![Thrown {
        kind: kind(None, posted.kind),
        message: cut(&String::from_utf8_lossy(posted.body), MESSAGE_MAX_BYTES).to_owned(),
        ..Thrown::default()
    }])
}

struct Reader {
    /// Frames that may still be kept.
    frames: usize,
}

impl Reader {
    /// X-Ray's own form. None if it names no exception.
    fn cause(&mut self, cause: &[u8]) -> Option<Raised> {
        let cause: Value = serde_json::from_slice(cause).ok()?;
        let exceptions = cause.get("exceptions")?.as_array()?;
        let read = exceptions.iter().take(EXCEPTIONS_MAX).map(|exception| {
            let (stack, truncated, _) = self.stack(exception.get("stack"));
            Thrown {
                kind: kind(text(exception, "type"), None),
                message: cut(text(exception, "message").unwrap_or_default(), MESSAGE_MAX_BYTES).to_owned(),
                stack,
                truncated,
            }
        });
        let exceptions: Vec<Thrown> = read.collect();
        let kept = |text: &str| cut(text, stack_frame::TEXT_MAX_BYTES).to_owned();
        let paths = cause.get("paths").and_then(Value::as_array);
        let paths = paths.into_iter().flatten().filter_map(Value::as_str);
        (!exceptions.is_empty()).then(|| Raised {
            exceptions,
            working_directory: text(&cause, "working_directory").map(kept),
            paths: paths.take(PATHS_MAX).map(kept).collect(),
        })
    }

    fn chain(&mut self, body: &Value, kind_of_head: Option<&str>) -> Vec<Thrown> {
        let mut exceptions = vec![self.exception(body, kind_of_head)];
        let mut outer = body;
        while let Some(inner) = outer.get("cause").filter(|inner| inner.is_object())
            && exceptions.len() < EXCEPTIONS_MAX
        {
            exceptions.push(self.exception(inner, None));
            outer = inner;
        }
        exceptions
    }

    fn exception(&mut self, body: &Value, kind_of_head: Option<&str>) -> Thrown {
        let stack = ["stackTrace", "trace", "stack"]
            .into_iter()
            .find_map(|name| body.get(name));
        let (stack, truncated, unread) = self.stack(stack);
        let message = text(body, "errorMessage")
            .or(text(body, "message"))
            .unwrap_or_default();
        let message = if unread.is_empty() {
            cut(message, MESSAGE_MAX_BYTES).to_owned()
        } else {
            cut(&format!("{message}\n{unread}"), MESSAGE_MAX_BYTES).to_owned()
        };
        Thrown {
            kind: kind(text(body, "errorType"), kind_of_head),
            message,
            stack,
            truncated,
        }
    }

    /// The frames, how many were left out, and the lines that are none.
    fn stack(&mut self, stack: Option<&Value>) -> (Vec<StackFrame>, usize, String) {
        let lines: Vec<Value> = match stack {
            Some(Value::Array(lines)) => lines.clone(),
            Some(Value::String(text)) => text.lines().map(Value::from).collect(),
            _ => Vec::new(),
        };
        let mut frames: Vec<StackFrame> = Vec::new();
        let (mut truncated, mut unread) = (0, Vec::new());
        for line in &lines {
            match frame(line) {
                Some(_) if self.frames == 0 => truncated += 1,
                Some(frame) => {
                    self.frames -= 1;
                    frames.push(frame);
                }
                None => unread.extend(line.as_str()),
            }
        }
        // Node.js repeats the message above its frames.
        let unread = if frames.is_empty() {
            unread.join("\n")
        } else {
            String::new()
        };
        (frames, truncated, unread)
    }
}

fn frame(line: &Value) -> Option<StackFrame> {
    let number = |value: &Value| value.as_u64().and_then(|line| u32::try_from(line).ok());
    match line {
        Value::String(text) => stack_frame::parse(text),
        Value::Object(frame) => {
            let label = frame.get("label").and_then(Value::as_str);
            let path = frame.get("path").and_then(Value::as_str);
            (label.is_some() || path.is_some())
                .then(|| StackFrame::new(path, frame.get("line").and_then(number), label))
        }
        // As Python 3.6 posted it.
        Value::Array(frame) => match frame.as_slice() {
            [Value::String(path), line, Value::String(label), ..] => {
                Some(StackFrame::new(Some(path), number(line), Some(label)))
            }
            _ => None,
        },
        _ => None,
    }
}

fn kind(of_body: Option<&str>, of_head: Option<&str>) -> String {
    let is_said = |kind: &&str| !kind.trim().is_empty();
    let kind = of_body
        .filter(is_said)
        .or(of_head.filter(is_said))
        .unwrap_or(UNNAMED);
    cut(kind.trim(), stack_frame::TEXT_MAX_BYTES).to_owned()
}

fn text<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    body.get(name)?.as_str()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Vec<Thrown> {
        let body = body.to_string();
        decode(&Posted {
            kind: Some("Unhandled"),
            body: body.as_bytes(),
            xray_cause: None,
        })
        .exceptions
    }

    /// `kind: message`, and each frame as `path:line label`.
    fn outline(exceptions: &[Thrown]) -> Vec<String> {
        let mut lines = Vec::new();
        for thrown in exceptions {
            lines.push(format!("{}: {}", thrown.kind, thrown.message));
            lines.extend(thrown.stack.iter().map(|frame| {
                let line = frame.line.map(|line| format!(":{line}")).unwrap_or_default();
                let (path, label) = (frame.path.as_deref(), frame.label.as_deref());
                format!("  {}{line} {}", path.unwrap_or("-"), label.unwrap_or("-"))
            }));
        }
        lines
    }

    #[test]
    fn the_error_of_every_runtime_is_read() {
        let python = json!({"errorMessage": "card refused", "errorType": "ValueError", "requestId": "r-1", "stackTrace": [
            "  File \"/var/task/app.py\", line 7, in handler\n    charge()\n", "  File \"/var/task/app.py\", line 3, in charge\n    raise ValueError(\"card refused\")\n"]});
        assert_eq!(
            outline(&read(&python)),
            [
                "ValueError: card refused",
                "  /var/task/app.py:7 handler",
                "  /var/task/app.py:3 charge"
            ]
        );
        let node = json!({"errorType": "TypeError", "errorMessage": "no card", "trace": ["TypeError: no card", "    at charge (/var/task/index.js:3:9)",
            "    at async Runtime.handler (file:///var/task/index.mjs:7:5)", "    at node:internal/process/task_queues:95:5"]});
        assert_eq!(
            outline(&read(&node)),
            [
                "TypeError: no card",
                "  /var/task/index.js:3 charge",
                "  file:///var/task/index.mjs:7 async Runtime.handler",
                "  node:internal/process/task_queues:95 -"
            ]
        );
        let java = json!({"errorMessage": "outer", "errorType": "java.lang.RuntimeException", "stackTrace": ["example.Orders.handleRequest(Orders.java:24)"],
            "cause": {"errorMessage": "inner", "errorType": "java.io.IOException", "stackTrace": ["java.base/java.net.Socket.connect(Native Method)"]}});
        assert_eq!(
            outline(&read(&java)),
            [
                "java.lang.RuntimeException: outer",
                "  Orders.java:24 example.Orders.handleRequest",
                "java.io.IOException: inner",
                "  - java.base/java.net.Socket.connect"
            ]
        );
        let ruby = json!({"errorMessage": "no", "errorType": "Function<RuntimeError>", "stackTrace": ["/var/task/app.rb:4:in `charge'", "/var/task/app.rb:9:in 'App.handler'"]});
        assert_eq!(
            outline(&read(&ruby)),
            [
                "Function<RuntimeError>: no",
                "  /var/task/app.rb:4 charge",
                "  /var/task/app.rb:9 App.handler"
            ]
        );
        let dotnet = json!({"errorType": "InvalidOperationException", "errorMessage": "no", "stackTrace": ["at Shop.Orders.Charge(Card card) in /src/Orders.cs:line 12", "at lambda_method1(Closure, Stream)"]});
        assert_eq!(
            outline(&read(&dotnet)),
            [
                "InvalidOperationException: no",
                "  /src/Orders.cs:12 Shop.Orders.Charge(Card card)",
                "  - lambda_method1(Closure, Stream)"
            ]
        );
        let go = json!({"errorMessage": "no", "errorType": "errorString", "stackTrace": [{"path": "task/main.go", "line": 12, "label": "main.charge"}]});
        assert_eq!(
            outline(&read(&go)),
            ["errorString: no", "  task/main.go:12 main.charge"]
        );
        let old_python = json!({"errorMessage": "no", "errorType": "E", "stackTrace": [["/var/task/app.py", 3, "handler", "raise E"]]});
        assert_eq!(
            outline(&read(&old_python)),
            ["E: no", "  /var/task/app.py:3 handler"]
        );
        let rust = json!({"errorType": "alloc::string::String", "errorMessage": "no"});
        assert_eq!(outline(&read(&rust)), ["alloc::string::String: no"]);
    }

    #[test]
    fn xrays_own_form_goes_first() {
        let cause = br#"{"working_directory":"/var/task","exceptions":[{"type":"ValueError","message":"card refused","stack":[{"path":"app.py","line":3,"label":"charge"}]}],"paths":["app.py"]}"#;
        let posted = |cause| Posted {
            kind: Some("Unhandled"),
            xray_cause: Some(cause),
            body: br#"{"errorType":"Other","errorMessage":"other"}"#,
        };
        assert_eq!(
            outline(&decode(&posted(cause)).exceptions),
            ["ValueError: card refused", "  app.py:3 charge"]
        );
        let raised = decode(&posted(cause));
        assert_eq!(raised.working_directory.as_deref(), Some("/var/task"));
        assert_eq!(raised.paths, ["app.py"]);
        for useless in [b"junk".as_slice(), b"{}", br#"{"exceptions":[]}"#] {
            assert_eq!(outline(&decode(&posted(useless)).exceptions), ["Other: other"]);
        }
    }

    #[test]
    fn what_is_not_understood_stays_as_text() {
        let body = json!({"errorMessage": "no", "stackTrace": ["somewhere", "deep"]});
        assert_eq!(outline(&read(&body)), ["Unhandled: no\nsomewhere\ndeep"]);
        let plain = Posted {
            body: b"it broke",
            ..Posted::default()
        };
        assert_eq!(outline(&decode(&plain).exceptions), ["Error: it broke"]);
        assert_eq!(outline(&decode(&Posted::default()).exceptions), ["Error: "]);
    }

    #[test]
    fn what_is_kept_has_a_limit() {
        let frame = json!({"path": "p".repeat(999), "line": 1, "label": "l".repeat(999)});
        let mut body = json!({"errorMessage": "m".repeat(MESSAGE_MAX_BYTES + 1), "errorType": "E", "stackTrace": vec![frame; FRAMES_MAX + 3]});
        for _ in 0..EXCEPTIONS_MAX {
            body = json!({"errorMessage": "", "errorType": "E", "cause": body});
        }
        let chain = read(&body);
        assert_eq!((chain.len(), chain[0].stack.len()), (EXCEPTIONS_MAX, 0));
        let inner = read(&body["cause"]);
        let last = inner.last().unwrap();
        assert_eq!(
            (last.stack.len(), last.truncated, last.message.len()),
            (FRAMES_MAX, 3, MESSAGE_MAX_BYTES)
        );
        assert_eq!(
            last.stack[0].path.as_deref().map(str::len),
            Some(stack_frame::TEXT_MAX_BYTES)
        );
        let long = "p".repeat(stack_frame::TEXT_MAX_BYTES + 1);
        let cause = json!({"exceptions": [{"message": "m"}], "working_directory": long, "paths": vec![long.clone(); PATHS_MAX + 1]});
        let raised = decode(&Posted {
            xray_cause: Some(cause.to_string().as_bytes()),
            ..Posted::default()
        });
        assert_eq!(raised.paths.len(), PATHS_MAX);
        let texts = raised.paths.iter().chain(&raised.working_directory);
        assert!(
            texts
                .map(String::len)
                .all(|bytes| bytes == stack_frame::TEXT_MAX_BYTES)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(
            body in prop_oneof![proptest::collection::vec(any::<u8>(), 0..200), "[\\[\\]{}\":,a-zA-Z0-9 ]{0,200}".prop_map(String::into_bytes)],
            line in ".{0,80}",
        ) {
            let posted = Posted { kind: None, xray_cause: Some(&body), body: &body };
            prop_assert!(!decode(&posted).is_empty());
            let read = read(&json!({"stackTrace": [line.clone()], "trace": line}));
            prop_assert!(!read.is_empty());
        }
    }
}
