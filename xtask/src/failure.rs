//! The one error of the developer commands: a line saying what failed and a line saying how to mend it.

use std::fmt;

/// Why a command stopped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    what: String,
    mend: Option<String>,
}

/// What every step returns.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure that explains itself.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            mend: None,
        }
    }

    /// Adds what the reader can do about it.
    pub(crate) fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.what)?;
        match &self.mend {
            Some(mend) => write!(out, "\n  to mend it: {mend}"),
            None => Ok(()),
        }
    }
}
