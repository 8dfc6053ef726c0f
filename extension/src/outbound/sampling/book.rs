//! What is known from before: X-Ray's rules, page by page, and how X-Ray fared when it was asked last.
//!
//! Invariants
//! - Pages are [`SAMPLING_PAGES`] at most, of [`SAMPLING_PAGES_MAX_BYTES`] in all.
//! - A trouble of X-Ray's answers (no permission, too many calls) is one question's; silence is the other's too.
//!
//! Pure: the time comes from outside.

use std::time::Duration;

use bytes::Bytes;
use model::time::Timestamp;

use super::super::limits::{
    SAMPLING_PAGES, SAMPLING_PAGES_MAX_BYTES, SAMPLING_RULES_FRESH, SAMPLING_RULES_KEPT,
};
use super::is_passing;
use crate::limits::{MENDED_PROBE, PROBE_FIRST, PROBE_MAX};
use crate::pipeline::backoff::Backoff;
use crate::pipeline::outcome::{Failure, FailureKind, Retry};
use crate::pipeline::sampler::{Question, Reply};

/// See the module.
#[derive(Debug)]
pub(super) struct Book {
    /// The oldest first.
    pages: Vec<Page>,
    rules: Option<Trouble>,
    targets: Option<Trouble>,
    backoff: Backoff,
}

#[derive(Debug)]
struct Page {
    token: String,
    content: Bytes,
    at: Timestamp,
    /// Rules were modified since.
    is_outdated: bool,
}

/// X-Ray could not answer, and is not asked again for a while.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    until: Timestamp,
    failures: u32,
    /// Nobody answered: that holds for every question.
    is_silence: bool,
    is_passing: bool,
    reply: Reply,
}

impl Trouble {
    /// What X-Ray, or the silence, amounts to.
    pub(super) fn reply(&self) -> Reply {
        self.reply.clone()
    }

    /// Whether it ends without anybody mending something.
    pub(super) fn is_passing(&self) -> bool {
        self.is_passing
    }
}

impl Book {
    /// Nothing is known. Sandboxes that began at other moments ask anew at other moments.
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            pages: Vec::new(),
            rules: None,
            targets: None,
            backoff: Backoff::new(now.as_micros().unsigned_abs()),
        }
    }

    /// A page of rules that is as good as a new one.
    pub(super) fn fresh(&self, question: Question, token: &str, now: Timestamp) -> Option<Bytes> {
        let page = self.page(question, token)?;
        let is_fresh = !page.is_outdated && now.since(page.at) < SAMPLING_RULES_FRESH;
        is_fresh.then(|| page.content.clone())
    }

    /// A page of rules that is better than none.
    pub(super) fn kept(&self, question: Question, token: &str, now: Timestamp) -> Option<Bytes> {
        let page = self.page(question, token)?;
        (now.since(page.at) < SAMPLING_RULES_KEPT).then(|| page.content.clone())
    }

    fn page(&self, question: Question, token: &str) -> Option<&Page> {
        let mut pages = self.pages.iter().filter(|_| question == Question::Rules);
        pages.find(|page| page.token == token)
    }

    /// Keeps a page in the place of what was known of it, and of the oldest ones if there is no room.
    pub(super) fn keep(&mut self, token: String, content: Bytes, at: Timestamp) {
        self.pages.retain(|page| page.token != token);
        self.pages.push(Page {
            token,
            content,
            at,
            is_outdated: false,
        });
        let bytes = |pages: &[Page]| -> usize {
            pages
                .iter()
                .map(|page| page.token.len() + page.content.len())
                .sum()
        };
        while self.pages.len() > SAMPLING_PAGES || bytes(&self.pages) > SAMPLING_PAGES_MAX_BYTES {
            self.pages.remove(0);
        }
    }

    /// Rules were last modified then, or within the second that followed.
    pub(super) fn note_modification(&mut self, at: Option<Timestamp>) {
        let Some(at) = at else { return };
        for page in &mut self.pages {
            page.is_outdated |= page.at < at.after(Duration::from_secs(1));
        }
    }

    /// Why X-Ray is not to be asked now, if it is not.
    pub(super) fn trouble(&self, question: Question, now: Timestamp) -> Option<Trouble> {
        let trouble = match question {
            Question::Rules => &self.rules,
            Question::Targets => &self.targets,
        };
        trouble.clone().filter(|trouble| now < trouble.until)
    }

    /// X-Ray answered a question as it should.
    pub(super) fn answered(&mut self, question: Question) {
        let (own, other) = self.troubles(question);
        *own = None;
        other.take_if(|trouble| trouble.is_silence);
    }

    /// X-Ray did not answer a question, or not as it should: a failure, and what was said of it.
    pub(super) fn failed(
        &mut self,
        question: Question,
        (failure, reply): (&Failure, &Reply),
        now: Timestamp,
    ) {
        let before = self.troubles(question).0.as_ref();
        let failures = before.map_or(0, |trouble| trouble.failures).saturating_add(1);
        let grown = PROBE_FIRST.saturating_mul(2_u32.saturating_pow(failures - 1));
        let grown = self.backoff.spread(grown.min(PROBE_MAX));
        let pause = match failure.retry() {
            Retry::Later { at_least } => at_least.map_or(grown, |asked| asked.max(grown)),
            Retry::WhenMended => MENDED_PROBE,
            // The question itself is wrong: another one may be right.
            Retry::Smaller | Retry::Never => return,
        };
        let is_silence = matches!(failure.kind, FailureKind::Unreachable(_) | FailureKind::Silent);
        let trouble = Trouble {
            until: now.after(pause),
            failures,
            is_silence,
            is_passing: is_passing(failure),
            reply: reply.clone(),
        };
        let (own, other) = self.troubles(question);
        if is_silence {
            *other = Some(trouble.clone());
        }
        *own = Some(trouble);
    }

    fn troubles(&mut self, question: Question) -> (&mut Option<Trouble>, &mut Option<Trouble>) {
        match question {
            Question::Rules => (&mut self.rules, &mut self.targets),
            Question::Targets => (&mut self.targets, &mut self.rules),
        }
    }
}

#[cfg(test)]
mod tests;
