//! What becomes of one call.

use std::time::Duration;

/// X-Ray's codes for single documents that may be taken later.
pub const CODES_FOR_LATER: [&str; 6] = [
    "ThrottledException",
    "ThrottlingException",
    "InternalFailure",
    "InternalServerError",
    "ServiceUnavailableException",
    "RequestTimeout",
];
/// X-Ray's codes for single documents that never will be taken.
pub const CODES_FOR_EVER: [&str; 6] = [
    "InvalidTraceId",
    "MissingId",
    "InvalidName",
    "MissingEndTime",
    "InvalidSegment",
    "JSONFormatError",
];

/// One call's fate. Where documents are taken, clock and credentials are looked at first, as X-Ray does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Every document is taken.
    Take,
    /// Every document is taken, and the connection is closed behind the answer.
    TakeAndClose,
    /// Every document is taken, but the connection is reset instead of the answer.
    TakeAndReset,
    /// Every document is taken; the answer breaks off in the middle by a reset.
    TakeAndResetHalfway,
    /// Every document is taken; the answer breaks off in the middle in good order.
    TakeAndCloseHalfway,
    /// Every document is taken; nothing is ever said of it.
    TakeAndStall,
    /// Every document is taken; the answer comes byte by byte with this pause before each.
    TakeSlowly(Duration),
    /// Every document is taken, the answer comes after this time.
    TakeLate(Duration),
    /// Every document is taken, and the answer is a megabyte of it.
    TakeHugely,
    /// Documents that contain a text are refused with a code; the others are taken.
    Unprocessed {
        /// X-Ray's error code.
        code: String,
        /// What their text contains; every text contains the empty one.
        containing: String,
    },
    /// A status without success; nothing is taken.
    Status {
        /// The status.
        status: u16,
        /// Further header lines.
        headers: Vec<(String, String)>,
        /// The content.
        body: String,
    },
    /// The connection is reset before the call is read.
    ResetUnread,
    /// The connection is reset when the call was read; nothing is taken.
    Reset,
    /// The call is read, then our half of the connection is closed; nothing is taken.
    HalfClose,
    /// The call is read, and nothing comes of it.
    Stall,
    /// The answer is no HTTP; nothing is taken.
    Garbage,
}

impl Act {
    /// A refusal by status alone.
    pub fn status(status: u16) -> Self {
        Self::refusal(status, "{}")
    }

    /// A refusal with content.
    pub fn refusal(status: u16, body: impl Into<String>) -> Self {
        Self::Status {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// Fewer calls, please: with a `Retry-After` or without.
    pub fn throttled(retry_after: Option<&str>) -> Self {
        let headers = retry_after.map(|pause| ("retry-after".to_owned(), pause.to_owned()));
        Self::Status {
            status: 429,
            headers: headers.into_iter().collect(),
            body: r#"{"__type":"ThrottledException","message":"Rate exceeded"}"#.to_owned(),
        }
    }

    /// Every document is refused with this code.
    pub fn unprocessed(code: &str) -> Self {
        Self::unprocessed_containing(code, "")
    }

    /// Documents that contain this text are refused with this code.
    pub fn unprocessed_containing(code: &str, text: &str) -> Self {
        Self::Unprocessed {
            code: code.to_owned(),
            containing: text.to_owned(),
        }
    }

    /// Whether the call's documents are X-Ray's, for those that it can take.
    pub(super) fn takes(&self) -> bool {
        !matches!(
            self,
            Self::Status { .. }
                | Self::ResetUnread
                | Self::Reset
                | Self::HalfClose
                | Self::Stall
                | Self::Garbage
        )
    }
}
