//! What takes QEMU: the layer of the other architecture, and processors older than this machine's.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::bill::check_bill;
use super::contents::check_foreign;
use super::files::{FOREIGN, NATIVE, unpacked, zip};
use super::local::check_layer;
use crate::clients::tools::target;

/// The least processors that Lambda runs on, as QEMU names them.
fn least_processor(arch: &str) -> &'static str {
    if arch == "arm64" { "neoverse-n1" } else { "qemu64" }
}

fn machine(arch: &str) -> &str {
    if arch == "arm64" { "aarch64" } else { arch }
}

fn qemu() -> PathBuf {
    target().join("tools/qemu/usr")
}

#[test]
fn its_zip_holds_the_same_files_and_a_portable_program() {
    check_foreign();
}

#[test]
fn its_bill_names_its_zip_and_every_package() {
    check_bill(FOREIGN);
}

#[tokio::test]
async fn a_function_runs_with_exactly_the_tree_of_its_zip() {
    check_layer(&zip(FOREIGN), |command| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(qemu().join("bin")).chain(std::env::split_paths(&path));
        command.env(
            "PATH",
            std::env::join_paths(folders).expect("no colon in a path of cargo's"),
        );
        command.env(
            "QEMU_LD_PREFIX",
            qemu().join(format!("{}-linux-gnu", machine(FOREIGN))),
        );
        command.env("QEMU_CPU", least_processor(FOREIGN));
    })
    .await;
}

#[test]
fn the_program_for_this_machine_runs_on_the_least_processor_of_its_kind() {
    let (mut files, _) = unpacked(&zip(NATIVE));
    let program = target().join(format!("tmp/extension-{}", std::process::id()));
    let extension = files.remove("extensions/fluoroscope").expect("it is in the zip");
    std::fs::write(&program, extension.content).expect("the target folder is ours");
    let mode = Permissions::from_mode(extension.mode);
    std::fs::set_permissions(&program, mode).expect("it is ours");
    let emulator = qemu().join(format!("bin/qemu-{}-static", machine(NATIVE)));
    let output = Command::new(emulator)
        .args(["-cpu", least_processor(NATIVE)])
        .arg(&program)
        .env_clear()
        .output();
    let output = output.expect("it is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    std::fs::remove_file(&program).expect("it is ours");
    assert!(said.contains("AWS_LAMBDA_RUNTIME_API is not set"), "{output:?}");
}
