//! Puts samplers' questions to X-Ray: the rules, and the quotas for what they report.
//!
//! Inside Lambda a trace's header decides, and X-Ray's SDKs ask for nothing. OpenTelemetry's samplers do, and SDKs that
//! run without Lambda's mode: they ask at the daemon's port, which signs for them.
//!
//! Invariants
//! - Nothing is built, connected or fetched before somebody asks.
//! - Questions are put one after another; none waits for X-Ray longer than [`SAMPLING_WAIT`], or twice that where a
//!   freeze lay in between.
//! - A report is put to X-Ray once at most: it counts requests, and twice would count them twice.
//! - After a failure nobody waits in vain again: until X-Ray is asked anew, at growing distances, the answer is the last
//!   known one, or the same error.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use model::wire::sampling::{last_modification, next_token};
use tokio::sync::{Notify, mpsc, oneshot};

use self::book::Book;
use super::authorities;
use super::credentials::{CredentialSettings, CredentialSource};
use super::deadline::Deadline;
use super::endpoint::{Endpoint, EndpointSettings};
use super::error::{SendError, one_line};
use super::limits::{SAMPLING_WAIT, SECOND_ATTEMPT_MIN};
use super::xray::{GET_SAMPLING_RULES, GET_SAMPLING_TARGETS, XraySender};
use crate::clock::Clock;
use crate::pipeline::event::Posted;
use crate::pipeline::outcome::{Failure, FailureKind, Retry};
use crate::pipeline::sampler::{Ask, Asked, Question, Reply};

mod book;

#[cfg(test)]
mod tests;

/// How X-Ray is reached, as for documents.
#[derive(Debug)]
pub struct Way {
    /// Where.
    pub endpoint: EndpointSettings,
    /// What signs.
    pub credentials: CredentialSettings,
    /// The file of those who are trusted beside the authorities compiled in. What is wrong with it was told at start.
    pub authorities: Option<PathBuf>,
}

type Questions = mpsc::Receiver<Box<Ask<oneshot::Sender<Reply>>>>;

/// The ends of the queues that the task holds.
#[derive(Debug)]
pub struct Queues {
    /// From the daemon's port. A place in the queue is a word: most of the time nobody asks.
    pub questions: Questions,
    /// Tells that what is known is from before a snapshot.
    pub restored: Arc<Notify>,
    /// Hears what became of each question.
    pub notes: mpsc::Sender<Posted>,
}

/// Works until nobody can ask any more.
pub async fn work(way: Way, mut queues: Queues) {
    if let Some(first) = queues.questions.recv().await {
        // Apart, so that what waits for the first question is small.
        Box::pin(Desk::new(way).work(*first, queues)).await;
    }
}

/// The task's own.
struct Desk {
    sender: Result<XraySender, Failure>,
    book: Book,
}

impl Desk {
    fn new(way: Way) -> Self {
        let sender = Endpoint::resolve(&way.endpoint).map(|endpoint| {
            let sender = XraySender::new(endpoint, CredentialSource::new(way.credentials));
            match way.authorities {
                Some(path) => sender.trusting(authorities::read(&path).0),
                None => sender,
            }
        });
        Self {
            sender: sender.map_err(Failure::from),
            book: Book::new(Clock.now()),
        }
    }

    async fn work(mut self, first: Ask<oneshot::Sender<Reply>>, mut queues: Queues) {
        let mut next = Some(first);
        while let Some(ask) = next {
            // Who has left needs no answer, and what was reported will be reported again.
            if !ask.waiting.is_closed() {
                let (reply, asked) = self.answer(ask.question, ask.body).await;
                // Who has left meanwhile misses an answer that nobody else can use.
                let _ = ask.waiting.send(reply);
                if queues.notes.send(Posted::Asked(asked)).await.is_err() {
                    return;
                }
            }
            next = self.next(&mut queues).await;
        }
    }

    async fn next(&mut self, queues: &mut Queues) -> Option<Ask<oneshot::Sender<Reply>>> {
        loop {
            tokio::select! {
                biased; // before anything that was learned is used
                () = queues.restored.notified() => self.forget(),
                ask = queues.questions.recv() => return ask.map(|ask| *ask),
            }
        }
    }

    fn forget(&mut self) {
        if let Ok(sender) = &mut self.sender {
            sender.forget();
        }
        self.book = Book::new(Clock.now());
    }

    async fn answer(&mut self, question: Question, body: Bytes) -> (Reply, Asked) {
        let now = Clock.now();
        let token = match question {
            Question::Rules => next_token(&body),
            Question::Targets => Some(String::new()),
        };
        let Some(token) = token else {
            let reply = Reply::error(400, "InvalidRequestException", "the body is no JSON object");
            return (reply, Asked::Failed(None));
        };
        if let Some(page) = self.book.fresh(question, &token, now) {
            return (Reply::success(page), Asked::Cached);
        }
        if let Some(trouble) = self.book.trouble(question, now) {
            let reply = trouble.reply();
            return match self.book.kept(question, &token, now) {
                Some(page) if trouble.is_passing() => (Reply::success(page), Asked::Cached),
                _ => (reply, Asked::Failed(None)),
            };
        }
        let body = match question {
            Question::Rules if token.is_empty() => Bytes::from_static(b"{}"),
            _ => body,
        };
        match self.put(question, body).await {
            Ok(content) => {
                let content = Bytes::from(content);
                self.book.answered(question);
                match question {
                    Question::Rules => self.book.keep(token, content.clone(), Clock.now()),
                    Question::Targets => self.book.note_modification(last_modification(&content)),
                }
                (Reply::success(content), Asked::Forwarded)
            }
            Err((failure, reply)) => {
                let page = self.book.kept(question, &token, now);
                let page = page.filter(|_| is_passing(&failure));
                (
                    page.map_or(reply, Reply::success),
                    Asked::Failed(Some(failure.message)),
                )
            }
        }
    }

    /// Puts the question to X-Ray. One for the rules is put a second time where a freeze came in between, or where X-Ray
    /// could not answer just then: some samplers take an error for the word that there are no rules.
    async fn put(&mut self, question: Question, body: Bytes) -> Result<Vec<u8>, (Failure, Reply)> {
        let sender = match &mut self.sender {
            Ok(sender) => sender,
            Err(failure) => return Err((failure.clone(), Reply::silence(&failure.message))),
        };
        let operation = match question {
            Question::Rules => GET_SAMPLING_RULES,
            Question::Targets => GET_SAMPLING_TARGETS,
        };
        let mut deadline = Deadline::starting(Clock.now(), SAMPLING_WAIT);
        let mut may_repeat = question == Question::Rules;
        loop {
            let error = match sender.ask(operation, body.clone(), deadline).await {
                Ok(content) => return Ok(content),
                Err(error) => error,
            };
            let reply = reply_to(&error);
            let failure = Failure::from(error);
            let saw_freeze = deadline.saw_freeze();
            if may_repeat && (saw_freeze || is_hiccup(&failure, deadline)) {
                may_repeat = false;
                if saw_freeze {
                    deadline = Deadline::starting(Clock.now(), SAMPLING_WAIT);
                }
                continue;
            }
            // What a freeze interrupted says nothing of X-Ray.
            if !saw_freeze {
                self.book.failed(question, (&failure, &reply), Clock.now());
            }
            return Err((failure, reply));
        }
    }
}

/// Whether X-Ray may be able to answer a moment later, within the time.
fn is_hiccup(failure: &Failure, deadline: Deadline) -> bool {
    let passes_at_once = matches!(
        failure.kind,
        FailureKind::Disconnected
            | FailureKind::Unavailable {
                retry_after: None,
                ..
            }
    );
    passes_at_once && deadline.left() >= SECOND_ATTEMPT_MIN
}

/// Whether X-Ray will answer without anybody mending something.
fn is_passing(failure: &Failure) -> bool {
    matches!(failure.retry(), Retry::Later { .. })
}

/// What X-Ray refused, in its words; what it did not answer, in ours.
fn reply_to(error: &SendError) -> Reply {
    let SendError::Refused { refusal, .. } = error else {
        return Reply::silence(&one_line(error));
    };
    // What redirects is not X-Ray, and nobody is to follow.
    let status = if refusal.status < 400 { 502 } else { refusal.status };
    let code = match status {
        _ if !refusal.code.is_empty() => &refusal.code,
        403 => "AccessDeniedException",
        429 => "ThrottledException",
        400..=499 => "InvalidRequestException",
        _ => "ServiceUnavailableException",
    };
    let message = match refusal.message.as_str() {
        "" => one_line(error),
        message => message.to_owned(),
    };
    Reply::error(status, code, &message)
}
