//! Starts the tracing extension and keeps the function safe if it cannot start.

use std::process::ExitCode;

use extension::clock::Clock;
use extension::logging::{self, Level, Line, Log};
use extension::settings::{ProcessVars, Settings};
use extension::{start, wrap};

const HELP: &str = "\
fluoroscope-extension: traces AWS Lambda functions; runs as /opt/extensions/fluoroscope.

Lambda starts it, without arguments. On a laptop: fluoroscope local -- <command>
Settings: the FLUOROSCOPE_* variables of the README's table.

  wrap       prints what /opt/fluoroscope (AWS_LAMBDA_EXEC_WRAPPER) sets for the runtime
  --help     this text
  --version  the version
";

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("--help" | "-h") => print!("{HELP}"),
        Some("--version" | "-V") => println!("fluoroscope-extension {}", env!("CARGO_PKG_VERSION")),
        Some("wrap") => wrap(),
        _ => return run(),
    }
    ExitCode::SUCCESS
}

fn wrap() {
    let (lines, said) = wrap::lines(&ProcessVars);
    print!("{lines}");
    if let Some(said) = said {
        // Standard output is the shell's.
        eprintln!("{}", said.text());
    }
}

fn run() -> ExitCode {
    let began = Clock.now();
    let (settings, problems) = Settings::read(&ProcessVars);
    let log = Log {
        level: settings.log_level,
    };
    logging::report_panics(log);
    for problem in problems {
        log.write(Line::new(Level::Warn, problem.to_string()));
    }
    // A local one, so that the scheduler of many threads, which lambda-extension asks tokio for, is left out of the
    // program, and with it the system's libm: 0.3 MB of memory at rest.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build_local(tokio::runtime::LocalOptions::default());
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(start::run(settings, log, began));
            // A name look-up that hangs is a thread nobody can end: leave it behind.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            log.always(Line::new(Level::Error, "could not start").with("cause", error.to_string()));
            ExitCode::FAILURE
        }
    }
}
