//! SnapStart: the first request finds a snapshot and restores it.

use std::time::{Duration, Instant};

use super::core::{Driver, Interrupt};
use crate::event::RuntimeTurn;
use crate::limits::RESTORE_LIMIT;
use crate::records::{self, Outcome};

impl Driver {
    /// Thaws the snapshot and lets the runtime run its hooks.
    pub(super) async fn restore(&mut self) -> Result<(), Interrupt> {
        let began = Instant::now();
        self.clock_offset = Duration::ZERO;
        self.emit(
            "platform.restoreStart",
            records::function_facts(&self.config, &self.sandbox.log_stream),
        );
        self.thaw();
        self.resume_telemetry();
        self.answer_restore();
        let outcome = self.wait_for(began + RESTORE_LIMIT, Self::has_poll).await;
        let took = began.elapsed();
        let told = match &outcome {
            Ok(()) => Outcome::SUCCESS,
            Err(Interrupt::Deadline) => Outcome {
                status: "timeout",
                error_type: Some("Runtime.Unknown"),
            },
            Err(Interrupt::Fault(fault)) => Outcome {
                status: "failure",
                error_type: Some(&fault.error_type),
            },
            Err(Interrupt::Stop) => return outcome,
        };
        self.emit("platform.restoreRuntimeDone", records::restore_end(told, None));
        self.emit("platform.restoreReport", records::restore_end(told, Some(took)));
        outcome
    }
    /// Lets a runtime that waits for its restore go on.
    pub(super) fn answer_restore(&mut self) {
        if let Some(poll) = self.restore_poll.take() {
            // Fails only if the runtime went away, which its exit tells.
            let _ = poll.send(RuntimeTurn::Restored);
        }
    }
}
