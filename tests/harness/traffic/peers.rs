//! The flush policies of other extensions, as their documentation and behaviour describe them, without their code.
//!
//! Each gets the same surroundings as ours: a call takes a round trip, one call carries everything held, and
//! `platform.runtimeDone` is how the end of an invocation is known. Where a description leaves something open, the
//! reading that costs the peer less is taken.

use std::collections::VecDeque;
use std::time::Duration;

use model::time::Timestamp;

use super::world::{DocumentId, Extension, Input, Output, Record};

/// What a policy decides at INVOKE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Hold next until the runtime is done and everything is sent.
    End,
    /// Send everything now, and hold next until it is sent.
    Before,
    /// Send everything now, and ask for next at once.
    Alongside,
    /// Ask for next at once; nothing is due.
    Nothing,
}

/// When a peer flushes.
pub trait Rule {
    /// An invocation begins.
    fn choose(&mut self, now: Timestamp) -> Choice;
    /// Everything was sent.
    fn flushed(&mut self, now: Timestamp);
    /// How long it waits for stragglers once the runtime is done.
    fn settles(&self) -> Duration {
        Duration::ZERO
    }
}

/// An extension around such a rule.
pub struct Peer<R> {
    rule: R,
    held: Vec<DocumentId>,
    is_sending: bool,
    /// The invocation whose end next is held for.
    awaited: Option<u32>,
    settled_at: Option<Timestamp>,
    asks_when_sent: bool,
    is_over: bool,
}

impl<R: Rule> Peer<R> {
    /// A fresh sandbox.
    pub fn new(rule: R) -> Self {
        Self {
            rule,
            held: Vec::new(),
            is_sending: false,
            awaited: None,
            settled_at: None,
            asks_when_sent: false,
            is_over: false,
        }
    }

    fn send(&mut self, now: Timestamp) -> Vec<Output> {
        self.rule.flushed(now);
        if self.held.is_empty() || self.is_sending {
            return Vec::new();
        }
        self.is_sending = true;
        vec![Output::Send(std::mem::take(&mut self.held))]
    }

    fn send_then_next(&mut self, now: Timestamp) -> Vec<Output> {
        let mut outputs = self.send(now);
        self.asks_when_sent = self.is_sending;
        if !self.asks_when_sent {
            outputs.push(Output::Next);
        }
        outputs
    }

    fn invoked(&mut self, now: Timestamp, number: u32) -> Vec<Output> {
        match self.rule.choose(now) {
            Choice::End => {
                self.awaited = Some(number);
                Vec::new()
            }
            Choice::Before => self.send_then_next(now),
            Choice::Alongside => {
                let mut outputs = vec![Output::Next];
                outputs.extend(self.send(now));
                outputs
            }
            Choice::Nothing => vec![Output::Next],
        }
    }

    fn ended(&mut self, now: Timestamp) -> Vec<Output> {
        self.awaited = None;
        if self.rule.settles().is_zero() {
            return self.send_then_next(now);
        }
        self.settled_at = Some(now.after(self.rule.settles()));
        Vec::new()
    }
}

impl<R: Rule> Extension for Peer<R> {
    fn handle(&mut self, now: Timestamp, input: Input) -> Vec<Output> {
        match input {
            Input::Invoke(number, _) => self.invoked(now, number),
            Input::Documents(ids) => {
                self.held.extend(ids);
                Vec::new()
            }
            Input::Records(records) => {
                let awaited = self.awaited;
                let is_end =
                    |record: &Record| matches!(record, Record::Done(number, _) if Some(*number) == awaited);
                if records.iter().any(is_end) {
                    self.ended(now)
                } else {
                    Vec::new()
                }
            }
            Input::Answered => {
                self.is_sending = false;
                if self.is_over {
                    return self.send(now);
                }
                if std::mem::take(&mut self.asks_when_sent) {
                    return vec![Output::Next];
                }
                Vec::new()
            }
            Input::Tick if self.settled_at.is_some_and(|when| now >= when) => {
                self.settled_at = None;
                self.send_then_next(now)
            }
            Input::Tick | Input::Signal(_) => Vec::new(),
            Input::Shutdown(_) => {
                self.is_over = true;
                self.send(now)
            }
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.settled_at
    }
}

/// How often the peers flush when they do not flush at the end.
const PERIOD: Duration = Duration::from_secs(20);

/// rotel-lambda-extension: a moving average of the gaps.
#[derive(Debug, Default)]
pub struct Rotel {
    last_start: Option<Timestamp>,
    last_flush: Option<Timestamp>,
    average_s: f64,
    samples: u32,
}

impl Rule for Rotel {
    fn choose(&mut self, now: Timestamp) -> Choice {
        if let Some(last) = self.last_start.replace(now) {
            let gap_s = now.since(last).as_secs_f64();
            if gap_s >= 300.0 {
                (self.average_s, self.samples) = (0.0, 0);
            } else {
                let is_first = self.samples == 0;
                self.average_s = if is_first {
                    gap_s
                } else {
                    0.07 * gap_s + 0.93 * self.average_s
                };
                self.samples += 1;
            }
        }
        if self.samples < 20 || self.average_s >= 60.0 {
            return Choice::End;
        }
        let is_due = self.last_flush.is_none_or(|last| now.since(last) > PERIOD);
        if is_due { Choice::Before } else { Choice::Nothing }
    }

    fn flushed(&mut self, now: Timestamp) {
        self.last_flush = Some(now);
    }
}

/// The last starts, as the other two peers keep them.
#[derive(Debug, Default)]
struct Starts(VecDeque<Timestamp>);

impl Starts {
    const KEPT: usize = 20;

    fn note(&mut self, now: Timestamp) {
        if self.0.len() >= Self::KEPT {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    /// From the first to the last, and on average between two.
    fn span(&self) -> Option<(Duration, Duration)> {
        let span = self.0.back()?.since(*self.0.front()?);
        let gaps = u32::try_from(self.0.len()).ok()?.checked_sub(1)?;
        Some((span, span.checked_div(gaps)?))
    }
}

/// bottlecap: three states by the last twenty starts.
#[derive(Debug, Default)]
pub struct Bottlecap {
    starts: Starts,
    last_flush: Option<Timestamp>,
}

impl Bottlecap {
    /// What its flush may take: below it, twenty invocations count as continuous traffic.
    const FLUSH_TIMEOUT: Duration = Duration::from_secs(30);
}

impl Rule for Bottlecap {
    fn choose(&mut self, now: Timestamp) -> Choice {
        self.starts.note(now);
        let last_flush = *self.last_flush.get_or_insert(now);
        let is_due = now.since(last_flush) > PERIOD;
        match self.starts.span() {
            Some((span, mean)) if self.starts.0.len() >= Starts::KEPT && mean < Duration::from_secs(120) => {
                match (is_due, span < Self::FLUSH_TIMEOUT) {
                    (false, _) => Choice::Nothing,
                    (true, true) => Choice::Alongside,
                    (true, false) => Choice::Before,
                }
            }
            _ => Choice::End,
        }
    }

    fn flushed(&mut self, now: Timestamp) {
        self.last_flush = Some(now);
    }
}

/// opentelemetry-lambda-extension: the mean of up to twenty gaps, and a pause for stragglers.
#[derive(Debug, Default)]
pub struct OpenTelemetry {
    starts: Starts,
    last_flush: Option<Timestamp>,
}

impl Rule for OpenTelemetry {
    fn choose(&mut self, now: Timestamp) -> Choice {
        self.starts.note(now);
        let is_frequent = self
            .starts
            .span()
            .is_some_and(|(_, mean)| mean <= Duration::from_secs(120));
        let is_due = self.last_flush.is_none_or(|last| now.since(last) > PERIOD);
        match (is_frequent, is_due) {
            (false, _) => Choice::End,
            (true, true) => Choice::Alongside,
            (true, false) => Choice::Nothing,
        }
    }

    fn flushed(&mut self, now: Timestamp) {
        self.last_flush = Some(now);
    }

    fn settles(&self) -> Duration {
        Duration::from_millis(20)
    }
}
