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
    /// What watches the proxy's connections panics, each time.
    PanicInProxy,
    /// The proxy's accept loop panics, twice.
    PanicInAccept,
}

impl Defect {
    /// Reads a defect's name. None in release builds.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            _ if !cfg!(debug_assertions) => None,
            "panic_at_start" => Some(Self::PanicAtStart),
            "panic_on_invoke" => Some(Self::PanicOnInvoke),
            "panic_on_document" => Some(Self::PanicOnDocument),
            "panic_in_proxy" => Some(Self::PanicInProxy),
            "panic_in_accept" => Some(Self::PanicInAccept),
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

    /// Plays the defect if it is one of what watches the proxy's connections.
    ///
    /// # Panics
    /// That is the defect.
    pub fn play_in_proxy(self) {
        assert!(self != Self::PanicInProxy, "injected defect");
    }

    /// Plays the defect if it is one of the proxy's accept loop, which has been begun so often.
    ///
    /// # Panics
    /// That is the defect.
    pub fn play_in_accept(self, attempt: u32) {
        assert!(self != Self::PanicInAccept || attempt > 2, "injected defect");
    }

    /// Plays the defect if the event is the one it waits for.
    ///
    /// # Panics
    /// That is the defect.
    pub fn play(self, event: &Event) {
        let is_due = match self {
            Self::PanicAtStart | Self::PanicInProxy | Self::PanicInAccept => false,
            Self::PanicOnInvoke => matches!(event, Event::Invoked(_)),
            Self::PanicOnDocument => matches!(event, Event::Arrived(_)),
        };
        assert!(!is_due, "injected defect");
    }
}
