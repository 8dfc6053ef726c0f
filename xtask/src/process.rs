//! Runs other programs and says so: every command line is printed before it starts.

use std::process::{Command, Stdio};

use crate::failure::{Failure, Outcome};
use crate::project;

/// A program on the search path, in the project's root, with no standard input.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(project::root()).stdin(Stdio::null());
    command
}

/// The cargo that started this command.
pub(crate) fn cargo() -> Command {
    program(option_env!("CARGO").unwrap_or("cargo"))
}

/// Runs `command` with its output shown.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let line = announce(command);
    let status = command.status().map_err(|error| not_started(&line, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("`{line}` ended with {status}")))
    }
}

/// Runs `command` with its output kept, and shown only if it fails.
pub(crate) fn run_quietly(command: &mut Command) -> Outcome {
    let line = announce(command);
    let output = command.output().map_err(|error| not_started(&line, &error))?;
    if output.status.success() {
        return Ok(());
    }
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    Err(Failure::new(format!(
        "`{line}` ended with {}\n{}\n{}",
        output.status,
        stdout.trim(),
        stderr.trim()
    )))
}

/// What `command` prints, without announcing it: for questions, not for work.
pub(crate) fn answer(command: &mut Command) -> Outcome<String> {
    let line = text(command);
    let output = command.output().map_err(|error| not_started(&line, &error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!(
            "`{line}` ended with {}: {}",
            output.status,
            said.trim()
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Fails with how to get it unless `name` can be started.
pub(crate) fn require(name: &str, version_flag: &str, mend: &str) -> Outcome {
    match program(name).arg(version_flag).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            Err(Failure::new(format!("`{name} {version_flag}` ended with {}", output.status)).mend(mend))
        }
        Err(error) => Err(Failure::new(format!("{name} cannot be started: {error}")).mend(mend)),
    }
}

/// Prints the command line and returns it.
pub(crate) fn announce(command: &Command) -> String {
    let line = text(command);
    println!("$ {line}");
    line
}

fn not_started(line: &str, error: &std::io::Error) -> Failure {
    Failure::new(format!("`{line}` could not be started: {error}"))
}

fn text(command: &Command) -> String {
    let root = format!("{}/", project::root().display());
    let mut words = vec![shorten(&command.get_program().to_string_lossy(), &root)];
    words.extend(
        command
            .get_args()
            .map(|argument| shorten(&argument.to_string_lossy(), &root)),
    );
    words.join(" ")
}

/// Paths in the project are shown from its root, and rustup's wrapper paths as the bare name.
fn shorten(word: &str, root: &str) -> String {
    if word.ends_with("/bin/cargo") {
        return "cargo".to_owned();
    }
    word.replace(root, "")
}
