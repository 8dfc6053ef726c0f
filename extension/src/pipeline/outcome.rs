//! What became of a batch that was given to an outbound: the closed list the engine decides on.
//!
//! Invariants
//! - Every document of a batch is covered: by [`Answered::taken`], by an [`Unprocessed`] item, or, all of
//!   them at once, by a [`Failure`].
//! - Texts from outside are bounded before they get here, and none holds a secret.
//!
//! Pure: no socket, no clock.

use std::time::Duration;

use model::time::Timestamp;
use model::wire::xray_api::BackendConnectionErrors;

/// The end of one attempt to deliver a batch.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "every document is settled"]
pub enum Outcome {
    /// X-Ray read the batch and judged it document by document.
    Answered(Answered),
    /// The batch as a whole was not taken, as far as anybody knows.
    Failed(Failure),
}

/// X-Ray's judgement of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answered {
    /// Documents in the batch.
    pub documents: usize,
    /// What X-Ray did not take. No document is named twice.
    pub unprocessed: Vec<Unprocessed>,
    /// What else is to be said, and costs no document.
    pub remark: Option<String>,
}

impl Answered {
    /// Documents X-Ray took.
    pub fn taken(&self) -> usize {
        self.documents.saturating_sub(self.unprocessed.len())
    }
}

/// One document X-Ray did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unprocessed {
    /// Place of the document in the batch. `None` if X-Ray's item fits no document or several.
    pub document: Option<usize>,
    /// X-Ray's error code, such as `InvalidTraceId`; empty if it gave none.
    pub code: String,
    /// X-Ray's own words.
    pub message: String,
    /// Whether the same document may be taken later.
    pub retriable: bool,
}

/// Why a batch was not taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// What code decides on.
    pub kind: FailureKind,
    /// One line for the operator: what was tried, on what, the causes, and the mend where there is one.
    pub message: String,
}

/// The kinds of failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureKind {
    /// X-Ray asks for fewer calls.
    Throttled {
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// X-Ray is in trouble itself (408 or 5xx).
    Unavailable {
        /// Status of the answer.
        status: u16,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// No connection came about.
    Unreachable(Unreached),
    /// The connection broke with the request under way.
    Disconnected,
    /// No answer in time.
    Silent,
    /// Status 200 with an answer nobody can read: something between us and X-Ray answered.
    Garbled,
    /// The batch is too large for X-Ray or for something on the way (413).
    TooLarge {
        /// Documents in the batch.
        documents: usize,
    },
    /// X-Ray found the batch itself wrong.
    Refused {
        /// Status of the answer.
        status: u16,
        /// X-Ray's error code; empty if it gave none.
        code: String,
        /// Documents in the batch.
        documents: usize,
    },
    /// What answers at the endpoint is not X-Ray (redirects, 404, 405 and the like).
    Misdirected {
        /// Status of the answer.
        status: u16,
    },
    /// The credentials are valid but may not send segments.
    Forbidden {
        /// X-Ray's error code; empty if it gave none.
        code: String,
    },
    /// The credentials have expired or are unknown.
    Expired {
        /// X-Ray's error code.
        code: String,
    },
    /// The signature was not accepted because the clocks differ.
    ClockSkew {
        /// X-Ray's own time, from its answer.
        server: Option<Timestamp>,
    },
    /// There are no credentials in the environment.
    NoCredentials,
    /// The credentials endpoint gave none this time.
    CredentialsUnavailable,
    /// There is no endpoint to send to: no region, or an address that cannot be read.
    NoEndpoint,
    /// The request could not be made at all.
    Unsendable,
}

/// Why no connection came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreached {
    /// The name of the endpoint has no address.
    UnknownHost,
    /// Nobody listens there.
    ConnectionRefused,
    /// Nothing came back while connecting.
    TimedOut,
    /// The endpoint's certificate was not accepted.
    Untrusted,
    /// Anything else.
    Other,
}

/// What may be done with a batch that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same batch, after a pause.
    Later {
        /// The least pause the other side asked for.
        at_least: Option<Duration>,
    },
    /// The same documents in smaller batches; no pause needed.
    Smaller,
    /// The same batch, but somebody has to mend something first: probe rarely.
    WhenMended,
    /// The documents cannot be delivered.
    Never,
}

impl Failure {
    /// Documents in the batch, where the failure is about its size or content.
    pub fn documents(&self) -> Option<usize> {
        match &self.kind {
            FailureKind::TooLarge { documents } | FailureKind::Refused { documents, .. } => Some(*documents),
            _ => None,
        }
    }

    /// What may be done with the batch.
    pub fn retry(&self) -> Retry {
        match &self.kind {
            FailureKind::Throttled { retry_after } | FailureKind::Unavailable { retry_after, .. } => {
                Retry::Later {
                    at_least: *retry_after,
                }
            }
            FailureKind::Unreachable(Unreached::Untrusted)
            | FailureKind::Misdirected { .. }
            | FailureKind::Forbidden { .. }
            | FailureKind::Expired { .. }
            | FailureKind::ClockSkew { .. }
            | FailureKind::NoCredentials
            | FailureKind::NoEndpoint
            | FailureKind::Unsendable => Retry::WhenMended,
            FailureKind::Unreachable(_)
            | FailureKind::Disconnected
            | FailureKind::Silent
            | FailureKind::Garbled
            | FailureKind::CredentialsUnavailable => Retry::Later { at_least: None },
            FailureKind::TooLarge { documents } | FailureKind::Refused { documents, .. } => {
                if *documents > 1 {
                    Retry::Smaller
                } else {
                    Retry::Never
                }
            }
        }
    }
}

impl FailureKind {
    /// Counts the failure as X-Ray's telemetry counts them.
    pub fn count_in(&self, errors: &mut BackendConnectionErrors) {
        let count = match self {
            Self::Silent | Self::Unreachable(Unreached::TimedOut) => &mut errors.timeout_count,
            Self::Unreachable(Unreached::ConnectionRefused) => &mut errors.connection_refused_count,
            Self::Unreachable(Unreached::UnknownHost) => &mut errors.unknown_host_count,
            Self::Unavailable { status: 500.., .. } | Self::Misdirected { status: 500.. } => {
                &mut errors.http_code_5xx_count
            }
            Self::Throttled { .. }
            | Self::Unavailable { .. }
            | Self::TooLarge { .. }
            | Self::Refused { .. }
            | Self::Misdirected { status: 400.. }
            | Self::Forbidden { .. }
            | Self::Expired { .. }
            | Self::ClockSkew { .. } => &mut errors.http_code_4xx_count,
            Self::Unreachable(Unreached::Untrusted | Unreached::Other)
            | Self::Misdirected { .. }
            | Self::Disconnected
            | Self::Garbled
            | Self::NoCredentials
            | Self::CredentialsUnavailable
            | Self::NoEndpoint
            | Self::Unsendable => &mut errors.other_count,
        };
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_counts_once_where_xrays_telemetry_has_it() {
        let code = String::new;
        let unavailable = |status| FailureKind::Unavailable {
            status,
            retry_after: None,
        };
        let mut errors = BackendConnectionErrors::default();
        for kind in [
            FailureKind::Silent,
            FailureKind::Unreachable(Unreached::TimedOut),
            FailureKind::Unreachable(Unreached::ConnectionRefused),
            FailureKind::Unreachable(Unreached::UnknownHost),
            unavailable(500),
            unavailable(503),
            FailureKind::Misdirected { status: 501 },
            unavailable(408),
            FailureKind::Throttled { retry_after: None },
            FailureKind::TooLarge { documents: 1 },
            FailureKind::Refused {
                status: 400,
                code: code(),
                documents: 1,
            },
            FailureKind::Misdirected { status: 404 },
            FailureKind::Forbidden { code: code() },
            FailureKind::Expired { code: code() },
            FailureKind::ClockSkew { server: None },
            FailureKind::Unreachable(Unreached::Untrusted),
            FailureKind::Unreachable(Unreached::Other),
            FailureKind::Misdirected { status: 302 },
            FailureKind::Disconnected,
            FailureKind::Garbled,
            FailureKind::NoCredentials,
            FailureKind::CredentialsUnavailable,
            FailureKind::NoEndpoint,
            FailureKind::Unsendable,
        ] {
            kind.count_in(&mut errors);
        }
        let expected = BackendConnectionErrors {
            timeout_count: 2,
            connection_refused_count: 1,
            unknown_host_count: 1,
            http_code_5xx_count: 3,
            http_code_4xx_count: 8,
            other_count: 9,
        };
        assert_eq!(errors, expected);
    }

    #[track_caller]
    fn check(kind: FailureKind, expected: Retry) {
        let failure = Failure {
            kind,
            message: String::new(),
        };
        assert_eq!(failure.retry(), expected, "{:?}", failure.kind);
    }

    #[test]
    fn a_pause_that_was_asked_for_is_passed_on() {
        let asked = Some(Duration::from_secs(7));
        check(
            FailureKind::Throttled { retry_after: asked },
            Retry::Later { at_least: asked },
        );
        check(
            FailureKind::Unavailable {
                status: 503,
                retry_after: asked,
            },
            Retry::Later { at_least: asked },
        );
    }

    #[test]
    fn what_passes_by_itself_is_tried_again_later() {
        let later = Retry::Later { at_least: None };
        for kind in [
            FailureKind::Throttled { retry_after: None },
            FailureKind::Unavailable {
                status: 500,
                retry_after: None,
            },
            FailureKind::Unreachable(Unreached::ConnectionRefused),
            FailureKind::Unreachable(Unreached::UnknownHost),
            FailureKind::Unreachable(Unreached::TimedOut),
            FailureKind::Unreachable(Unreached::Other),
            FailureKind::Disconnected,
            FailureKind::Silent,
            FailureKind::Garbled,
            FailureKind::CredentialsUnavailable,
        ] {
            check(kind, later);
        }
    }

    #[test]
    fn what_somebody_has_to_mend_is_held() {
        for kind in [
            FailureKind::Unreachable(Unreached::Untrusted),
            FailureKind::Misdirected { status: 404 },
            FailureKind::Forbidden {
                code: "AccessDeniedException".into(),
            },
            FailureKind::Expired {
                code: "ExpiredTokenException".into(),
            },
            FailureKind::ClockSkew { server: None },
            FailureKind::NoCredentials,
            FailureKind::NoEndpoint,
            FailureKind::Unsendable,
        ] {
            check(kind, Retry::WhenMended);
        }
    }

    #[test]
    fn a_refused_batch_is_taken_apart_until_one_document_is_left() {
        let refused = |documents| FailureKind::Refused {
            status: 400,
            code: String::new(),
            documents,
        };
        check(refused(2), Retry::Smaller);
        check(refused(1), Retry::Never);
        check(FailureKind::TooLarge { documents: 2 }, Retry::Smaller);
        check(FailureKind::TooLarge { documents: 1 }, Retry::Never);
    }

    #[test]
    fn taken_documents_are_those_without_an_item() {
        let item = Unprocessed {
            document: None,
            code: String::new(),
            message: String::new(),
            retriable: false,
        };
        let answered = Answered {
            documents: 3,
            unprocessed: vec![item.clone(), item],
            remark: None,
        };
        assert_eq!(answered.taken(), 1);
    }
}
