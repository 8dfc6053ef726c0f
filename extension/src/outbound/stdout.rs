//! Writes documents into the log, a line of JSON for each: for log pipelines, and to be delivered later.
//!
//! A line is `{"fluoroscope":"document","document":{…}}`, whose document is one for X-Ray's PutTraceSegments.
//! Lambda cuts lines at 256 KB; no document is over 64 KB.
//!
//! Standard output is a pipe whose reader may stall, and what is written to it must block (others share it), so a
//! thread of the runtime's writes, and a stall costs this outbound alone. A write that the wait is over for is not
//! known to be made: its documents are given back, and may be there twice.

use std::borrow::Borrow;
use std::io::Write;
use std::time::Duration;

use model::otlp::to_segment::Options;
use tokio::task::JoinHandle;

use super::limits::READ_WAIT;
use super::pieces::once_each;
use super::segments;
use crate::pipeline::document::Document;
use crate::pipeline::outcome::{Answered, Failure, FailureKind, Outcome, Unreached};

const BEFORE: &[u8] = br#"{"fluoroscope":"document","document":"#;
const BEHIND: &[u8] = b"}\n";

#[derive(Debug, thiserror::Error)]
#[error("could not write documents to standard output: {why}")]
struct WriteError<'a> {
    why: &'a str,
}

/// See the module.
#[derive(Debug, Default)]
pub struct StdoutSender {
    /// A write that was not finished in its time.
    stalled: Option<JoinHandle<std::io::Result<()>>>,
    /// How spans are said in X-Ray's words.
    options: Options,
}

impl StdoutSender {
    /// Translates spans as the operator wants them.
    #[must_use]
    pub fn translating(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Writes one batch, within the wait.
    pub async fn send(&mut self, batch: &[impl Borrow<Document>], wait: Duration) -> Outcome {
        let texts = segments::texts(batch, &self.options);
        let text = lines(texts.all());
        let untold = once_each(texts.untold, batch.len());
        let writing = async {
            if let Some(stalled) = &mut self.stalled {
                let _ = stalled.await;
                self.stalled = None;
            }
            let write = tokio::task::spawn_blocking(move || {
                let mut out = std::io::stdout().lock();
                out.write_all(&text)?;
                out.flush()
            });
            self.stalled.insert(write).await
        };
        let mut writing = std::pin::pin!(writing);
        let mut written = tokio::time::timeout(wait, writing.as_mut()).await;
        if written.is_err() {
            // After a thaw the time is over, and the write may be: it only has to be heard of.
            written = tokio::time::timeout(READ_WAIT, writing).await;
        }
        match written {
            Ok(written) => {
                self.stalled = None;
                match written {
                    Ok(Ok(())) => Outcome::Answered(Answered {
                        documents: batch.len(),
                        unprocessed: untold,
                        remark: None,
                    }),
                    Ok(Err(error)) => failed(FailureKind::Unreachable(Unreached::Other), &error.to_string()),
                    Err(error) => failed(FailureKind::Unsendable, &error.to_string()),
                }
            }
            Err(_) => failed(FailureKind::Silent, "it takes nothing"),
        }
    }
}

fn failed(kind: FailureKind, why: &str) -> Outcome {
    Outcome::Failed(Failure {
        kind,
        message: WriteError { why }.to_string(),
    })
}

/// A line for each document. A line break in a document is white space between its tokens: within a string JSON
/// allows none.
fn lines(documents: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let length = |document: &_| AsRef::<[u8]>::as_ref(document).len() + BEFORE.len() + BEHIND.len();
    let mut text = Vec::with_capacity(documents.iter().map(length).sum());
    for document in documents {
        text.extend_from_slice(BEFORE);
        let bytes = document.as_ref().iter();
        text.extend(bytes.map(|byte| {
            if matches!(byte, b'\n' | b'\r') {
                b' '
            } else {
                *byte
            }
        }));
        text.extend_from_slice(BEHIND);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_document_is_one_line_however_it_was_written() {
        let text = lines(&["{\n \"a\":\r\n \"b\\n\"\n}", r#"{"id":"1"}"#]);
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let expected = [json!({ "a": "b\n" }), json!({ "id": "1" })];
        assert_eq!(
            lines,
            expected.map(|document| json!({ "fluoroscope": "document", "document": document }))
        );
    }

    #[test]
    fn no_line_is_longer_than_lambda_lets_be() {
        const LAMBDA_CUTS: usize = 256 * 1024;
        let document = "x".repeat(model::limits::SEGMENT_DOCUMENT_MAX_BYTES);
        assert!(lines(&[document]).len() < LAMBDA_CUTS);
    }
}
