//! A standstill at any moment, in the middle of whatever goes on: beside the freeze between invocations.

use super::core::{Driver, RUNTIME};
use crate::journal::What;

/// What a standstill stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything, the timers of the telemetry buffers too: a sandbox that gets no CPU.
    Everything,
    /// The runtime alone.
    Runtime,
    /// The extensions alone.
    Extensions,
}

impl Part {
    fn holds(self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Runtime => name == RUNTIME,
            Self::Extensions => name != RUNTIME,
        }
    }
}

/// A standstill under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standstill {
    part: Part,
    /// Whether the telemetry's timers stay still when it ends.
    is_paused_otherwise: bool,
}

impl Driver {
    /// Stops processes until [`Driver::resume`]. A standstill before it ends.
    pub(super) fn suspend(&mut self, part: Part) {
        self.resume();
        self.standstill = Some(Standstill {
            part,
            is_paused_otherwise: self.hub.pause.is_paused(),
        });
        if part == Part::Everything {
            self.hub.pause.pause();
        }
        for process in self.processes.iter().filter(|process| part.holds(&process.name)) {
            process.stop();
        }
        self.note(What::Suspended { part });
    }

    /// Ends the standstill. What the environment itself has frozen stays so.
    pub(super) fn resume(&mut self) {
        let Some(standstill) = self.standstill.take() else {
            return;
        };
        if !standstill.is_paused_otherwise {
            self.hub.pause.resume();
        }
        if !self.is_frozen {
            self.continue_processes();
        }
        self.note(What::Resumed);
    }

    /// Whether a standstill keeps this process from running.
    pub(super) fn is_suspended(&self, name: &str) -> bool {
        self.standstill
            .is_some_and(|standstill| standstill.part.holds(name))
    }

    /// Continues every process that no standstill stops.
    pub(super) fn continue_processes(&self) {
        self.processes
            .iter()
            .filter(|process| !self.is_suspended(&process.name))
            .for_each(crate::process::Process::go_on);
    }

    /// The telemetry's timers stand still from now on.
    pub(super) fn pause_telemetry(&mut self) {
        if let Some(standstill) = &mut self.standstill {
            standstill.is_paused_otherwise = true;
        }
        self.hub.pause.pause();
    }

    /// The telemetry's timers run, unless a standstill stops them.
    pub(super) fn resume_telemetry(&mut self) {
        match &mut self.standstill {
            Some(standstill) if standstill.part == Part::Everything => standstill.is_paused_otherwise = false,
            Some(standstill) => {
                standstill.is_paused_otherwise = false;
                self.hub.pause.resume();
            }
            None => self.hub.pause.resume(),
        }
    }
}
