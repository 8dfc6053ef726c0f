//! Watches what passes between the runtime and the Runtime API, and says what it means.
//!
//! Invariants
//! - Bytes pass whatever they mean. The one change ever made is the trace header of an undecided invocation.
//! - What cannot be followed is not followed any more, and passes.
//!
//! Pure: no socket, no clock.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::time::Timestamp;
use model::wire::runtime_error::{Posted, Raised, decode};

use super::heads::{self, Asked, Call};
use super::messages::{Framing, Messages, Part};
use crate::limits::{PROXY_CALLS_MAX, PROXY_ERROR_BODY_MAX};
use crate::pipeline::runtime_sign::RuntimeSign;
use crate::pipeline::sampling::{self, SampleRate};

/// What is to be done with bytes that were read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Forward {
    /// They pass, and with them what was held.
    AsRead,
    /// They are held until the head is whole whose first part they are.
    Hold,
    /// This head passes instead of the held bytes and the first ones of these.
    Instead { head: Vec<u8>, rest_from: usize },
}

/// One connection. See the module.
#[derive(Debug)]
pub(super) struct Watch {
    requests: Messages,
    answers: Messages,
    /// Calls whose answer is still to come, and whether that answer has no body.
    asked: VecDeque<(Call, bool)>,
    /// The request whose body passes, with as much of it as is kept.
    posting: Option<(Asked, Vec<u8>)>,
    rate: Option<SampleRate>,
    signs: Vec<RuntimeSign>,
}

impl Watch {
    /// A connection before its first byte.
    pub(super) fn new(rate: Option<SampleRate>) -> Self {
        Self {
            requests: Messages::new(),
            answers: Messages::new(),
            asked: VecDeque::new(),
            posting: None,
            rate,
            signs: Vec::new(),
        }
    }

    /// What was seen since it was asked last.
    pub(super) fn take_signs(&mut self) -> Vec<RuntimeSign> {
        std::mem::take(&mut self.signs)
    }

    /// Bytes from the runtime.
    pub(super) fn requests(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            let (part, taken) = self.requests.step(rest);
            let (taken, left) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
            rest = left;
            match part {
                Part::More if rest.is_empty() => return,
                Part::More => {}
                Part::Head => self.request_begins(),
                Part::Content => self.keep(taken),
                Part::End => self.request_ends(),
            }
        }
    }

    /// Bytes from the Runtime API.
    pub(super) fn answers(&mut self, bytes: &[u8], now: Timestamp) -> Forward {
        let mut rest = bytes;
        let mut forward = Forward::AsRead;
        // Only a head at the front can be told anew: what is in front of it must pass as it is.
        let mut is_at_front = self.answers.is_at_head();
        loop {
            let (part, taken) = self.answers.step(rest);
            rest = rest.get(taken..).unwrap_or_default();
            match part {
                Part::More if rest.is_empty() => break,
                Part::Head => {
                    let changed = self.answer_begins(is_at_front, now);
                    is_at_front = false;
                    if let Some(head) = changed {
                        let rest_from = bytes.len() - rest.len();
                        forward = Forward::Instead { head, rest_from };
                    }
                }
                Part::More | Part::Content | Part::End => {}
            }
        }
        let is_begun = is_at_front && self.answers.is_at_head();
        if is_begun && self.rate.is_some() && matches!(self.asked.front(), Some((Call::Next, _))) {
            return Forward::Hold;
        }
        forward
    }

    fn request_begins(&mut self) {
        let asked = heads::asked(self.requests.text()).filter(|_| self.asked.len() < PROXY_CALLS_MAX);
        let Some(asked) = asked else {
            self.lose();
            return;
        };
        self.requests.body(asked.framing);
        self.asked.push_back((asked.call.clone(), asked.is_head_only));
        let tells = matches!(asked.call, Call::Response(_) | Call::Error(_) | Call::InitError);
        self.posting = tells.then(|| (asked, Vec::new()));
    }

    fn keep(&mut self, content: &[u8]) {
        if let Some((asked, body)) = &mut self.posting
            && !matches!(asked.call, Call::Response(_))
        {
            let room = PROXY_ERROR_BODY_MAX.saturating_sub(body.len());
            body.extend(content.iter().take(room));
        }
    }

    fn request_ends(&mut self) {
        let Some((asked, body)) = self.posting.take() else {
            return;
        };
        let thrown = || thrown(&asked, &body);
        self.signs.extend(match &asked.call {
            Call::Response(id) => Some(match heads::stream_error(self.requests.text()) {
                Some(error) => {
                    let body = STANDARD.decode(&error.body).unwrap_or_default();
                    let posted = Posted {
                        kind: error.error_type.as_deref(),
                        xray_cause: None,
                        body: &body,
                    };
                    RuntimeSign::Failed(id.clone(), decode(&posted))
                }
                None => RuntimeSign::Ended(id.clone()),
            }),
            Call::Error(id) => Some(RuntimeSign::Failed(id.clone(), thrown())),
            Call::InitError => Some(RuntimeSign::NotStarted(thrown())),
            Call::Next | Call::Other => None,
        });
    }

    /// The head to pass instead of the one that was read, if it is to be another.
    fn answer_begins(&mut self, is_at_front: bool, now: Timestamp) -> Option<Vec<u8>> {
        /// The connection speaks another protocol from here on.
        const SWITCHING: u16 = 101;
        let answered = heads::answered(self.answers.text()).filter(|answered| answered.status != SWITCHING);
        let (Some(answered), Some((call, is_bodiless))) = (answered, self.asked.front().cloned()) else {
            self.lose();
            return None;
        };
        let is_interim = answered.status < 200;
        if !is_interim {
            self.asked.pop_front();
        }
        let rate = self
            .rate
            .filter(|_| is_at_front && call == Call::Next && answered.status == 200);
        let decided = rate.and_then(|rate| {
            let request = answered.request_id.as_ref()?;
            sampling::decide(rate, request, &answered.trace_header, now)
        });
        let head = decided.map(|decided| {
            let head = heads::with_trace_header(self.answers.text(), &decided.header.to_string());
            self.signs.push(RuntimeSign::Decided(Box::new(decided)));
            head
        });
        self.answers.body(if is_bodiless {
            Framing::Sized(0)
        } else {
            answered.framing
        });
        head
    }

    fn lose(&mut self) {
        self.requests.lose();
        self.answers.lose();
        self.posting = None;
    }
}

fn thrown(asked: &Asked, body: &[u8]) -> Raised {
    decode(&Posted {
        kind: asked.error_type.as_deref(),
        xray_cause: asked.xray_cause.as_deref(),
        body,
    })
}

#[cfg(test)]
mod tests;
