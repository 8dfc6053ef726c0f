//! Where `cargo xtask test` put what the clients need. What is missing is named with the mend.

use std::path::{Path, PathBuf};

/// The sources of the test functions.
pub(crate) fn functions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("functions")
}

/// A program of the Python environment, such as `python` or `aws`.
#[track_caller]
pub(crate) fn python_environment(program: &str) -> PathBuf {
    installed(&format!("venv/bin/{program}"))
}

/// Rotel's program, which its package has beside its modules.
#[track_caller]
pub(crate) fn rotel() -> PathBuf {
    let lib = installed("venv/lib");
    let versions = std::fs::read_dir(&lib).expect("the Python environment has modules");
    let agents = versions
        .flatten()
        .map(|version| version.path().join("site-packages/rotel/rotel-agent"));
    let found = agents.into_iter().find(|agent| agent.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "{} has no rotel-agent: run `cargo xtask test`, which installs it",
            lib.display()
        )
    })
}

/// The modules of the Node.js function.
#[track_caller]
pub(crate) fn node_modules() -> PathBuf {
    installed("node/node_modules")
}

/// A file of the CDK or the Serverless Framework, or of what they bring.
#[track_caller]
pub(crate) fn frameworks(path: &str) -> PathBuf {
    installed(&format!("frameworks/node_modules/{path}"))
}

/// A program of the environment with the SAM CLI.
#[track_caller]
pub(crate) fn sam_environment(program: &str) -> PathBuf {
    installed(&format!("sam-cli/bin/{program}"))
}

/// AWS's Runtime Interface Emulator.
#[track_caller]
pub(crate) fn rie() -> PathBuf {
    let architecture = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "x86_64"
    };
    installed(&format!("sam-cli/rapid/aws-lambda-rie-{architecture}"))
}

/// The libraries of the Java function, itself among them.
#[cfg(feature = "java")]
#[track_caller]
pub(crate) fn java_libraries() -> PathBuf {
    installed("java/lib")
}

/// The Go function.
#[cfg(feature = "go")]
#[track_caller]
pub(crate) fn go_function() -> PathBuf {
    installed("go/bootstrap")
}

#[track_caller]
fn installed(path: &str) -> PathBuf {
    built(&format!("tools/{path}"))
}

/// What was built or installed below the target folder before the tests began.
#[track_caller]
pub(crate) fn built(path: &str) -> PathBuf {
    let path = target().join(path);
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask test`, which sees to it",
        path.display()
    );
    path
}

/// Cargo's target folder: the tests' own temporary folder lies in it.
pub(crate) fn target() -> &'static Path {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().unwrap_or(temporary)
}
