//! What Lambda would start in a function's folder: the runtime clients.

use std::os::unix::fs::symlink;

use emulator::FunctionCommand;

use super::stack::Stack;
use crate::clients::tools;

/// What AWS's runtime client for Python consists of, with the packages that it needs itself.
const PYTHON_CLIENT: [&str; 4] = ["awslambdaric", "runtime_client", "simplejson", "snapshot_restore"];

/// The command for a function, by its language.
pub(super) fn command(stack: &Stack, language: &str) -> FunctionCommand {
    match language {
        "Python" => {
            // Its packages are those it brings: the interpreter has the runtime client, as on Lambda, and nothing else.
            let client = python_client(stack);
            FunctionCommand::new("env")
                .arg(format!("PYTHONPATH={client}"))
                .arg(tools::python_environment("python").to_string_lossy())
                .arg("-S")
                .arg("-m")
                .arg("awslambdaric")
                .arg("app.handler")
        }
        "Node" => FunctionCommand::new("node")
            .arg(tools::functions().join("node/runtime.mjs").to_string_lossy())
            .arg("app.handler"),
        _ => FunctionCommand::new(stack.desk.path("RustFunction/bootstrap")),
    }
}

fn python_client(stack: &Stack) -> String {
    let folder = stack.desk.path("python-client");
    stack.desk.folder("python-client");
    let libraries = tools::python_environment("../lib");
    let mut pythons = std::fs::read_dir(libraries).expect("the environment has libraries");
    let python = pythons
        .find_map(Result::ok)
        .expect("they are those of one Python");
    let packages = python.path().join("site-packages");
    for package in std::fs::read_dir(packages).expect("it has packages").flatten() {
        let name = package.file_name().to_string_lossy().into_owned();
        if PYTHON_CLIENT.iter().any(|start| name.starts_with(start)) {
            symlink(package.path(), folder.join(&name)).expect("the folder is new");
        }
    }
    folder.to_string_lossy().into_owned()
}
