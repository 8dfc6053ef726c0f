//! Defects to play, so that tests can show that the function survives them. Debug builds only.

use crate::pipeline::event::Event;

/// Names the defect to play.
pub const VARIABLE: &str = "FLUOROSCOPE_INJECT_DEFECT";

/// A defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// The set-up panics right after registration.
    PanicAtStart,
    /// The loop panics when an invocation begins.
    PanicOnInvoke,
    /// The loop panics when a document arrives.
    PanicOnDocument,
}

impl Defect {
    /// Reads a defect's name. None in release builds.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            _ if !cfg!(debug_assertions) => None,
            "panic_at_start" => Some(Self::PanicAtStart),
            "panic_on_invoke" => Some(Self::PanicOnInvoke),
            "panic_on_document" => Some(Self::PanicOnDocument),
            _ => None,
        }
    }

    /// Plays the defect if it is one of the set-up.
    ///
    /// # Panics
    /// That is the defect.
    pub fn play_at_start(self) {
        assert!(self != Self::PanicAtStart, "injected defect");
    }

    /// Plays the defect if the event is the one it waits for.
    ///
    /// # Panics
    /// That is the defect.
    pub fn play(self, event: &Event) {
        let is_due = match self {
            Self::PanicAtStart => false,
            Self::PanicOnInvoke => matches!(event, Event::Invoked(_)),
            Self::PanicOnDocument => matches!(event, Event::Arrived(_)),
        };
        assert!(!is_due, "injected defect");
    }
}
