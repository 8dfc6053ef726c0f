//! What a sampler in the function asks for, and what it hears.
//!
//! Pure.

use bytes::Bytes;
use serde_json::json;

/// What a sampler asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// The rules.
    Rules,
    /// Quotas, for a report of what was sampled.
    Targets,
}

/// A question on its way to X-Ray.
#[derive(Debug)]
pub struct Ask<W> {
    /// What it is.
    pub question: Question,
    /// Its content as it came.
    pub body: Bytes,
    /// Who waits for the reply.
    pub waiting: W,
}

/// An answer as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// AWS's error code; empty if it is no error.
    pub code: String,
    /// JSON.
    pub body: Bytes,
}

impl Reply {
    /// X-Ray's answer as it came.
    pub fn success(body: Bytes) -> Self {
        Self {
            status: 200,
            code: String::new(),
            body,
        }
    }

    /// An error in AWS's form.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({ "__type": code, "Message": message }).to_string();
        Self {
            status,
            code: code.to_owned(),
            body: body.into(),
        }
    }

    /// X-Ray has no answer.
    pub fn silence(message: &str) -> Self {
        Self::error(503, "ServiceUnavailableException", message)
    }
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// X-Ray answered it.
    Forwarded,
    /// An earlier answer was given again.
    Cached,
    /// X-Ray did not answer it as it should. If it was asked, and not left alone after an earlier failure: why.
    Failed(Option<String>),
}
