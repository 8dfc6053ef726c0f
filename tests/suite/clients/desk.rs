//! A desk: a folder of its own, `aws` on the search path, and nobody's profile, from where programs are run.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::program::ANY_KEYS;
use super::tools;

/// A program that takes longer is stuck; type checkers and packagers start slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// What stands behind the words of a call.
const END: &str = "end of the call";

/// The folder, removed when this is dropped.
pub(crate) struct Desk {
    folder: PathBuf,
    endpoint: String,
}

/// What a program left.
pub(crate) struct Said {
    /// Its name and words.
    line: String,
    /// Its exit code.
    pub(crate) code: Option<i32>,
    /// Its standard output.
    pub(crate) output: String,
    /// Its standard error.
    pub(crate) errors: String,
}

impl Said {
    /// The same, if it ended with `code`; else fails with all that it said.
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        let Self {
            line, output, errors, ..
        } = &self;
        assert_eq!(self.code, Some(code), "{line}\n{output}\n{errors}");
        self
    }
}

impl Desk {
    /// A desk whose AWS is at `endpoint`.
    pub(crate) fn new(name: &str, endpoint: &str) -> Self {
        let unique = format!("desk-{name}-{}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
        let desk = Self {
            folder,
            endpoint: endpoint.to_owned(),
        };
        desk.folder("bin");
        // Its own first line may name an interpreter whose path is too long for the kernel.
        let python = tools::python_environment("python");
        let aws = tools::python_environment("aws");
        desk.write(
            "bin/aws",
            format!(
                "#!/bin/sh\nprintf '%s\\0' \"$@\" '{END}' >>\"$HOME/calls\"\nexec '{}' '{}' \"$@\"\n",
                python.display(),
                aws.display()
            ),
        );
        fs::set_permissions(desk.path("bin/aws"), Permissions::from_mode(0o755))
            .expect("a file that was just written");
        desk
    }

    /// A place on it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes a folder on it.
    pub(crate) fn folder(&self, name: &str) {
        fs::create_dir_all(self.path(name)).expect("the target folder can be written to");
    }

    /// Puts a file on it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("the target folder can be written to");
    }

    /// Puts a link to something elsewhere on it.
    pub(crate) fn link(&self, name: &str, target: &Path) {
        symlink(target, self.path(name)).expect("the target folder can be written to");
    }

    /// Puts a zip on it, with one file that says `content`.
    pub(crate) async fn zip(&self, name: &str, content: &str) {
        let program = "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w').writestr('it', sys.argv[2])";
        self.python(program, &[name, content]).await;
    }

    /// What a file on it says.
    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A program with the desk's folder and variables, not started yet.
    pub(crate) fn program(&self, name: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(name);
        let searched = std::env::var_os("PATH").unwrap_or_default();
        let own = self.path("bin");
        let paths = [own].into_iter().chain(std::env::split_paths(&searched));
        command.current_dir(&self.folder).env_clear();
        command.env(
            "PATH",
            std::env::join_paths(paths).expect("paths that were split"),
        );
        // No profile, no instance metadata: nothing from the machine the test happens to run on.
        command.env("HOME", &self.folder);
        command.envs([
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", ANY_KEYS.0),
            ("AWS_SECRET_ACCESS_KEY", ANY_KEYS.1),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_MAX_ATTEMPTS", "1"),
            ("AWS_PAGER", ""),
        ]);
        command
    }

    /// What a Python program prints.
    pub(crate) async fn python(&self, program: &str, words: &[&str]) -> String {
        let mut command = self.program(tools::python_environment("python"));
        let said = finish(command.args(["-c", program]).args(words)).await;
        assert_eq!(said.code, Some(0), "{}", said.errors);
        said.output
    }

    /// The words of every call of `aws` so far.
    pub(crate) fn calls(&self) -> Vec<Vec<String>> {
        let calls = self.read("calls");
        let words: Vec<&str> = calls.split('\0').collect();
        let calls = words.split(|word| *word == END);
        calls
            .map(|call| call.iter().map(|word| (*word).to_owned()).collect())
            .collect()
    }

    /// What the AWS CLI answers.
    pub(crate) async fn aws(&self, words: &[&str]) -> Value {
        let mut command = self.program(self.path("bin/aws"));
        let said = finish(command.args(words).args(["--output", "json"])).await;
        assert_eq!(said.code, Some(0), "{words:?}: {}", said.errors);
        serde_json::from_str(&said.output).unwrap_or(Value::Null)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // A desk that stays costs a folder below target/.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Runs a program to its end.
pub(crate) async fn finish(command: &mut Command) -> Said {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{command:?} does not end"));
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Said {
        line: format!("{:?}", command.as_std()),
        code: output.status.code(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
