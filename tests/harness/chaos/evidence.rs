//! What was seen of a sandbox's life.

use std::time::{Duration, Instant};

use emulator::{Entry, Exited, LogLine, Source, What};
use serde_json::Value;

use super::kernel::Kernel;
use crate::destination::Received;

/// Everything that the judge looks at.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// What callers got, in the order of their answers.
    pub answers: Vec<Answer>,
    /// What happened in the environment.
    pub journal: Vec<Entry>,
    /// What every process wrote.
    pub lines: Vec<LogLine>,
    /// What came to the destination.
    pub received: Received,
    /// How the last processes ended.
    pub exited: Vec<Exited>,
    /// What the kernel says of datagrams that it dropped, and of processes that it let wait.
    pub kernel: Kernel,
    /// Processes that are still there.
    pub left_over: Vec<u32>,
    /// Records of spill files that the test destroyed.
    pub harmed: u64,
    /// Documents that wait in spill files after the end.
    pub left_in_files: u64,
    /// Files where a link leads that was put in the place of the spill files' folder.
    pub strayed: usize,
    /// When the destination's queue of connections was filled up.
    pub filled: Vec<Instant>,
    /// Questions that the extension's name server got.
    pub questions: u64,
}

/// What a caller got.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The plan's number of the call.
    pub call: u64,
    /// Its request.
    pub request_id: String,
    /// HTTP status.
    pub status: u16,
    /// Whether it is an error of the function's.
    pub is_error: bool,
    /// The answer itself.
    pub text: String,
    /// From the call to the answer.
    pub took: Duration,
}

impl Evidence {
    /// The tallies of the extension's processes, in their order, as the destination's outbound has them.
    pub fn tallies(&self) -> Vec<Value> {
        let tallies = self.whole_tallies().into_iter();
        tallies
            .map(|mut tally| {
                let own = tally["outbounds"]["xray"].as_object().cloned();
                if let (Some(tally), Some(own)) = (tally.as_object_mut(), own) {
                    tally.extend(own);
                }
                tally
            })
            .collect()
    }

    /// The same with every outbound, as they were written.
    pub fn whole_tallies(&self) -> Vec<Value> {
        let lines = self.json_lines();
        lines.filter(|line| line["message"] == "tally").collect()
    }

    /// Documents that the extension wrote into its log.
    pub fn written_documents(&self) -> usize {
        let lines = self.json_lines();
        lines.filter(|line| line["fluoroscope"] == "document").count()
    }

    fn json_lines(&self) -> impl Iterator<Item = Value> {
        let lines = self.extension_lines();
        lines.filter_map(|line| serde_json::from_str::<Value>(&line.text).ok())
    }

    /// What the extension wrote.
    pub fn extension_lines(&self) -> impl Iterator<Item = &LogLine> {
        let is_extension = |line: &&LogLine| matches!(line.source, Source::Extension(_));
        self.lines.iter().filter(is_extension)
    }

    /// Whether the function wrote this line.
    pub fn function_said(&self, text: &str) -> bool {
        let mut lines = self.lines.iter();
        lines.any(|line| line.source == Source::Function && line.text == text)
    }

    /// When something of the sandbox stood still: in standstills, and frozen between invocations.
    pub fn standstills(&self) -> Vec<(Instant, Instant)> {
        let mut spans = Vec::new();
        let (mut suspended, mut frozen) = (None, None);
        for entry in &self.journal {
            match entry.what {
                What::Suspended { .. } => suspended = Some(entry.at),
                What::Frozen => frozen = Some(entry.at),
                What::Resumed => spans.extend(suspended.take().map(|from| (from, entry.at))),
                What::Thawed => spans.extend(frozen.take().map(|from| (from, entry.at))),
                _ => {}
            }
        }
        let last = self.journal.last().map(|entry| entry.at);
        let open = [suspended, frozen].into_iter().flatten();
        spans.extend(open.filter_map(|from| Some((from, last?))));
        spans
    }

    /// How long a standstill that a test ordered lasted inside this time.
    pub fn stood_still(&self, from: Instant, until: Instant) -> Duration {
        let mut suspended = None;
        let mut total = Duration::ZERO;
        for entry in &self.journal {
            match entry.what {
                What::Suspended { .. } => suspended = Some(entry.at),
                What::Resumed => {
                    if let Some(since) = suspended.take() {
                        total += entry.at.min(until).saturating_duration_since(since.max(from));
                    }
                }
                _ => {}
            }
        }
        total
    }
}

/// Requests whose records of these types are in a delivery.
pub fn delivered(body: &str, kinds: &[&str]) -> Vec<String> {
    let records: Vec<Value> = serde_json::from_str(body).unwrap_or_default();
    let of_kind = records
        .iter()
        .filter(|record| record["type"].as_str().is_some_and(|kind| kinds.contains(&kind)));
    let requests = of_kind.filter_map(|record| record["record"]["requestId"].as_str());
    requests.map(str::to_owned).collect()
}
