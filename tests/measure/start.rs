//! From exec to the first calls, and what is resident then.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tests::lab;

use crate::Outcome;
use crate::api::{Api, Call};
use crate::plan::Plan;
use crate::process::{self, Memory};
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
    /// Pages the process touched for the first time before its first next.
    pub(crate) faults: Samples,
}

/// One figure of a program's starts.
pub(crate) type Of = fn(&Starts) -> &Samples;

/// What was seen of the programs that are compared.
pub(crate) struct Compared {
    pub(crate) extension: Starts,
    pub(crate) floor: Starts,
    pub(crate) peer: Option<Starts>,
}

/// Ended and waited for when dropped, and only then what it runs in is given up.
pub(crate) struct Started<K>(pub(crate) Child, pub(crate) K);

impl<K> Drop for Started<K> {
    fn drop(&mut self) {
        // A process that ended by itself cannot be ended again.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Starts {
    /// One start more. `spawn` starts the program, which then runs until it was looked at.
    fn observe<K>(
        &mut self,
        api: &Api,
        program: &Path,
        spawn: impl FnOnce(&mut Command) -> Outcome<(Instant, Child, K)>,
    ) -> Outcome {
        api.forget();
        let (began, child, kept) = spawn(&mut command(api, program))?;
        let started = Started(child, kept);
        let registered = api.wait_for(Call::Register)?;
        let next = api.wait_for(Call::Next)?;
        let faults = process::minor_faults(started.0.id())?;
        let memory = Memory::at_rest(started.0.id())?;
        let millis = |at: Instant| (at - began).as_secs_f64() * 1e3;
        self.registered_ms.push(millis(registered));
        self.next_ms.push(millis(next));
        self.resident_mb.push(memory.resident_kb / 1e3);
        self.anonymous_mb.push(memory.anonymous_kb / 1e3);
        self.faults.push(faults);
        Ok(())
    }
}

/// The variables that Lambda sets for an extension, and none of ours but the addresses: no port is taken twice.
pub(crate) fn command(api: &Api, program: &Path) -> Command {
    let udp = stage::udp_address();
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
        .env("FLUOROSCOPE_UDP_ADDRESS", udp.to_string())
        .env("FLUOROSCOPE_OTLP_ADDRESS", lab::otlp_address(udp).to_string())
        .env("LAMBDA_OTEL_EXPORTER_ENDPOINT", "http://127.0.0.1:9")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .process_group(0);
    command
}

/// With an earlier build beside it: that may not know a setting which is newer, and would say so at length.
pub(crate) fn as_understood<'a>(plan: &Plan, command: &'a mut Command) -> &'a mut Command {
    match plan.before {
        Some(_) => command.env_remove("FLUOROSCOPE_OTLP_ADDRESS"),
        None => command,
    }
}

/// Starts a program; the clock runs from before the exec.
pub(crate) fn spawn(command: &mut Command) -> Outcome<(Instant, Child)> {
    let began = Instant::now();
    Ok((began, command.spawn()?))
}

/// Exec to registered and to the first next, and resident memory at that point.
pub(crate) fn measure(plan: &Plan, table: &mut Table) -> Outcome {
    let Compared {
        extension,
        floor,
        peer,
    } = interleave(plan, |_, command| {
        let (began, child) = spawn(command)?;
        Ok((began, child, ()))
    })?;
    let of_peer = |of: Of, unit| {
        peer.as_ref()
            .map(|peer| of(peer).spread(2, unit))
            .unwrap_or_default()
    };
    let registered = extension.registered_ms.median() / floor.registered_ms.median();
    table.push(Row {
        figure: "exec → registered".to_owned(),
        extension: extension.registered_ms.spread(2, "ms"),
        floor: floor.registered_ms.spread(2, "ms"),
        ratio: Some(registered),
        peer: of_peer(|peer| &peer.registered_ms, "ms"),
        target: "≤ 1.5 × the floor".to_owned(),
        is_met: Some(registered <= 1.5),
    });
    let rows: [(_, Of, _, _); 3] = [
        ("exec → first next", |starts| &starts.next_ms, "ms", 2.5),
        ("resident memory, idle", |starts| &starts.resident_mb, "MB", 4.5),
        ("of which anonymous", |starts| &starts.anonymous_mb, "MB", 0.45),
    ];
    for (figure, of, unit, target) in rows {
        table.push(Row {
            figure: figure.to_owned(),
            extension: of(&extension).spread(2, unit),
            floor: of(&floor).spread(2, unit),
            ratio: Some(of(&extension).median() / of(&floor).median()),
            peer: of_peer(of, unit),
            target: format!("≤ {target} {unit}"),
            is_met: Some(of(&extension).median() <= target),
        });
    }
    if let (Some(_), Some(before)) = (&plan.before, &peer) {
        growth(&extension, before, table);
    }
    Ok(())
}

/// What starts take longer than those of an earlier build, run by run.
fn growth(now: &Starts, before: &Starts, table: &mut Table) {
    let more = now.next_ms.less(&before.next_ms);
    table.push(Row {
        figure: "– more than the earlier build".to_owned(),
        extension: more.spread(3, "ms"),
        ratio: Some(now.next_ms.median() / before.next_ms.median()),
        target: "≤ 0.2 ms".to_owned(),
        is_met: Some(more.median() <= 0.2),
        ..Row::default()
    });
}

/// Starts the programs in turn. `spawn` is told how many starts came before, and says what the process runs in.
pub(crate) fn interleave<K>(
    plan: &Plan,
    spawn: impl Fn(usize, &mut Command) -> Outcome<(Instant, Child, K)>,
) -> Outcome<Compared> {
    let (api, floor_program) = (Api::start()?, plan.floor()?);
    let mut programs = vec![plan.extension.as_path(), &floor_program];
    programs.extend(plan.rival());
    let mut seen: Vec<Starts> = programs.iter().map(|_| Starts::default()).collect();
    let mut number = 0;
    // The first start of each fills the page cache.
    for run in 0..=plan.runs {
        for (program, starts) in programs.iter().zip(&mut seen) {
            let mut first = Starts::default();
            let starts = if run == 0 { &mut first } else { starts };
            starts.observe(&api, program, |command| {
                spawn(number, as_understood(plan, command))
            })?;
            number += 1;
        }
    }
    let mut seen = seen.into_iter();
    Ok(Compared {
        extension: seen.next().unwrap_or_default(),
        floor: seen.next().unwrap_or_default(),
        peer: seen.next(),
    })
}
