//! What is wrong with a setting, as the operator reads it.

use std::fmt;

/// A setting that was not used as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The value cannot be read; the default is used.
    Unreadable {
        /// The variable.
        name: &'static str,
        /// Its value.
        found: String,
        /// What it should look like.
        expected: &'static str,
    },
    /// The value is fine, but does nothing.
    Idle {
        /// The variable.
        name: &'static str,
        /// What it would need.
        without: &'static str,
    },
    /// One of several values cannot be used; the others are.
    LeftOut {
        /// The variable.
        name: &'static str,
        /// The value.
        found: String,
        /// Why, and what would be right.
        why: String,
    },
    /// No setting has this name.
    UnknownName {
        /// The variable.
        name: String,
        /// The setting with the nearest name, if one is near.
        nearest: Option<&'static str>,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable {
                name,
                found,
                expected,
            } => {
                write!(
                    f,
                    "{name}: found {found:?}, expected {expected}; the default is used"
                )
            }
            Self::LeftOut { name, found, why } => write!(f, "{name}: {found:?} is left out: {why}"),
            Self::Idle { name, without } => write!(f, "{name}: has no effect without {without}"),
            Self::UnknownName {
                name,
                nearest: Some(nearest),
            } => {
                write!(f, "{name}: no such setting; did you mean {nearest}?")
            }
            Self::UnknownName { name, nearest: None } => {
                write!(f, "{name}: no such setting; see the README's table")
            }
        }
    }
}
