//! From exec to the first calls, and what is resident then.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::Outcome;
use crate::api::{Api, Call};
use crate::plan::Plan;
use crate::process::Memory;
use crate::samples::Samples;
use crate::stage;
use crate::table::{Row, Table};

/// What was seen of one program's starts.
#[derive(Default)]
pub(crate) struct Starts {
    pub(crate) registered_ms: Samples,
    pub(crate) next_ms: Samples,
    resident_mb: Samples,
    anonymous_mb: Samples,
}

/// Ended and waited for when dropped.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // A process that ended by itself cannot be ended again.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Starts {
    /// One start more. `spawn` starts the program, which then runs until it was looked at.
    pub(crate) fn observe(
        &mut self,
        api: &Api,
        program: &Path,
        spawn: impl FnOnce(&mut Command) -> Outcome<(Instant, Child)>,
    ) -> Outcome {
        api.forget();
        let (began, child) = spawn(&mut command(api, program))?;
        let started = Started(child);
        let registered = api.wait_for(Call::Register)?;
        let next = api.wait_for(Call::Next)?;
        let memory = Memory::at_rest(started.0.id())?;
        let millis = |at: Instant| (at - began).as_secs_f64() * 1e3;
        self.registered_ms.push(millis(registered));
        self.next_ms.push(millis(next));
        self.resident_mb.push(memory.resident_kb / 1e3);
        self.anonymous_mb.push(memory.anonymous_kb / 1e3);
        Ok(())
    }
}

/// The variables that Lambda sets for an extension, and none of ours but the address: no port is taken twice.
fn command(api: &Api, program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", api.address().to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "orders")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env(
            "AWS_SECRET_ACCESS_KEY",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        )
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin")
        .env("TZ", ":UTC")
        .env("FLUOROSCOPE_UDP_ADDRESS", stage::udp_address().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .process_group(0);
    command
}

/// Starts a program; the clock runs from before the exec.
pub(crate) fn spawn(command: &mut Command) -> Outcome<(Instant, Child)> {
    let began = Instant::now();
    Ok((began, command.spawn()?))
}

/// Exec to registered and to the first next, and resident memory at that point.
pub(crate) fn measure(plan: &Plan, table: &mut Table) -> Outcome {
    let (extension, floor) = interleave(plan)?;
    let registered = extension.registered_ms.median() / floor.registered_ms.median();
    table.push(Row {
        figure: "exec → registered".to_owned(),
        extension: extension.registered_ms.spread(2, "ms"),
        floor: floor.registered_ms.spread(2, "ms"),
        ratio: Some(registered),
        target: "≤ 1.5 × the floor".to_owned(),
        is_met: Some(registered <= 1.5),
    });
    table.push(Row {
        figure: "exec → first next".to_owned(),
        extension: extension.next_ms.spread(2, "ms"),
        floor: floor.next_ms.spread(2, "ms"),
        ratio: Some(extension.next_ms.median() / floor.next_ms.median()),
        target: "≤ 2.5 ms".to_owned(),
        is_met: Some(extension.next_ms.median() <= 2.5),
    });
    let rows = [
        (
            "resident memory, idle",
            extension.resident_mb,
            floor.resident_mb,
            4.5,
        ),
        (
            "of which anonymous",
            extension.anonymous_mb,
            floor.anonymous_mb,
            0.45,
        ),
    ];
    for (figure, extension, floor, target_mb) in rows {
        table.push(Row {
            figure: figure.to_owned(),
            extension: extension.spread(2, "MB"),
            floor: floor.spread(2, "MB"),
            ratio: Some(extension.median() / floor.median()),
            target: format!("≤ {target_mb} MB"),
            is_met: Some(extension.median() <= target_mb),
        });
    }
    Ok(())
}

fn interleave(plan: &Plan) -> Outcome<(Starts, Starts)> {
    let (api, floor_program) = (Api::start()?, plan.floor()?);
    let (mut extension, mut floor) = (Starts::default(), Starts::default());
    // The first start of each fills the page cache.
    Starts::default().observe(&api, &plan.extension, spawn)?;
    Starts::default().observe(&api, &floor_program, spawn)?;
    for _ in 0..plan.runs {
        extension.observe(&api, &plan.extension, spawn)?;
        floor.observe(&api, &floor_program, spawn)?;
    }
    Ok((extension, floor))
}
