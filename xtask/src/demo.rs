//! `cargo xtask demo`: a real Python function, traced end to end on this machine.
//!
//! Everything runs in processes of its own, as it would elsewhere: the runtime client, the extension, the
//! environment with the X-Ray backend, and a moto server that plays DynamoDB.

mod child;
mod complete;
mod moto;
mod sdk;
mod session;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use self::child::{ASK_AGAIN, SETTLE_WAIT};
use self::complete::Expected;
use self::sdk::Sdk;
use self::session::Session;
use crate::failure::{Failure, Outcome};
use crate::tools::python;
use crate::{process, project};

/// Traces a real Python function in the local environment and draws its traces.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask demo              three traces, then the environment stays up until Ctrl-C
  cargo xtask demo --once       three traces, then ends: status 0 only if each of them is complete
  cargo xtask demo --sdk otel   the same function instrumented with OpenTelemetry")]
pub(crate) struct Arguments {
    /// What the function is instrumented with.
    #[arg(long, value_enum, default_value = "xray")]
    sdk: Sdk,
    /// Ends after the traces were drawn; fails unless each is complete.
    #[arg(long)]
    once: bool,
}

/// The invocations: what is sent, and what its trace must then show.
fn invocations(sdk: Sdk) -> [(Value, Expected); 3] {
    [
        (
            json!({"person": "ada", "smiles": 3}),
            Expected {
                sdk,
                name: "cold",
                is_cold: true,
                raises: false,
            },
        ),
        (
            json!({"person": "grace", "smiles": 2}),
            Expected {
                sdk,
                name: "warm",
                is_cold: false,
                raises: false,
            },
        ),
        (
            json!({"person": "alan", "eyes": "closed"}),
            Expected {
                sdk,
                name: "raising",
                is_cold: false,
                raises: true,
            },
        ),
    ]
}

/// Runs the demo.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let interrupted = watch_for_interrupts()?;
    // Before anything is cleared or built for it.
    python::check()?;
    println!("installing the Python environment, unless it is current");
    python::install()?;
    process::run(process::cargo().args(["build", "--release", "-p", "extension", "-p", "cli"]))?;
    println!("starting moto, which plays DynamoDB");
    let moto = moto::Moto::start(&python::folder(), &interrupted)?;
    println!("starting the function with the extension attached");
    let mut session = Session::start(&moto, arguments.sdk, &interrupted)?;
    let mut unmet = play(&session, arguments.sdk, &interrupted)?;
    if !arguments.once {
        session.announce();
        while !interrupted.load(Ordering::Relaxed) && session.is_up() {
            thread::sleep(ASK_AGAIN);
        }
    }
    unmet.extend(complete::unmet_by_tally(session.stop()?.as_ref()));
    match unmet.as_slice() {
        [] => {
            println!("each trace is complete and every document is accounted for");
            Ok(())
        }
        _ if !arguments.once => Ok(()),
        unmet => Err(Failure::new(format!(
            "the traces are not complete\n  {}",
            unmet.join("\n  ")
        ))),
    }
}

/// Invokes three times, waits for the traces and draws them. Returns what they lack.
fn play(session: &Session, sdk: Sdk, interrupted: &AtomicBool) -> Outcome<Vec<String>> {
    let mut unmet = Vec::new();
    for (payload, expected) in invocations(sdk) {
        println!("\n{} invocation: {payload}", expected.name);
        let invoked = session.invoke(&payload)?;
        println!("answer: {}", invoked.answer);
        unmet.extend(complete::unmet_by_answer(&invoked, &expected));
        unmet.extend(settle(session, &invoked.trace_id, &expected, interrupted)?);
        session.draw(&invoked.trace_id)?;
    }
    Ok(unmet)
}

/// Waits until the trace is complete. Returns what it still lacks when time is up.
fn settle(
    session: &Session,
    trace_id: &str,
    expected: &Expected,
    interrupted: &AtomicBool,
) -> Outcome<Vec<String>> {
    let asked = Instant::now();
    loop {
        let unmet = complete::unmet(&session.documents(trace_id)?, expected);
        if unmet.is_empty() || asked.elapsed() > SETTLE_WAIT {
            return Ok(unmet);
        }
        if interrupted.load(Ordering::Relaxed) {
            return Err(Failure::new("interrupted"));
        }
        thread::sleep(ASK_AGAIN);
    }
}

/// Ctrl-C reaches this command alone, which then ends the others in their order.
fn watch_for_interrupts() -> Outcome<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        // A second one ends this command at once.
        let registered =
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&interrupted))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&interrupted)));
        registered.map_err(|error| Failure::new(format!("could not listen for signals: {error}")))?;
    }
    Ok(interrupted)
}

/// A program of the release build.
fn built(name: &str) -> PathBuf {
    project::target().join("release").join(name)
}
