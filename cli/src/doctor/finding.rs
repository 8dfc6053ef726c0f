//! What a rule has to say.

use super::node::Place;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum Level {
    /// Something to know.
    Note,
    /// Likely not what was meant.
    Warning,
    /// Traces, or the function itself, will fail.
    Error,
}

impl Level {
    /// Its word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) level: Level,
    pub(super) place: Place,
    /// What was found.
    pub(super) what: String,
    /// What comes of it.
    pub(super) why: String,
    /// What to do.
    pub(super) mend: String,
}

impl Finding {
    /// A finding whose consequence and mend are still to be said.
    pub(super) fn new(level: Level, place: &Place, what: impl Into<String>) -> Self {
        Self {
            level,
            place: place.clone(),
            what: what.into(),
            why: String::new(),
            mend: String::new(),
        }
    }

    /// Traces, or the function itself, will fail.
    pub(super) fn error(place: &Place, what: impl Into<String>) -> Self {
        Self::new(Level::Error, place, what)
    }

    /// Likely not what was meant.
    pub(super) fn warning(place: &Place, what: impl Into<String>) -> Self {
        Self::new(Level::Warning, place, what)
    }

    /// Something to know.
    pub(super) fn note(place: &Place, what: impl Into<String>) -> Self {
        Self::new(Level::Note, place, what)
    }

    /// What comes of it.
    pub(super) fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// What to do.
    pub(super) fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = mend.into();
        self
    }
}
