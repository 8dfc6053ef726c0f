//! The layer of the other architecture, run by QEMU's emulator of it.

use super::contents::check_foreign;
use super::files::{FOREIGN, target, zip};
use super::local::check_layer;

#[test]
fn its_zip_holds_the_same_files_and_a_portable_program() {
    check_foreign();
}

#[tokio::test]
async fn a_function_runs_with_exactly_the_tree_of_its_zip() {
    let qemu = target().join("tools/qemu/usr");
    let machine = if FOREIGN == "arm64" { "aarch64" } else { "x86_64" };
    check_layer(&zip(FOREIGN), |command| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(qemu.join("bin")).chain(std::env::split_paths(&path));
        command.env(
            "PATH",
            std::env::join_paths(folders).expect("no colon in a path of cargo's"),
        );
        command.env("QEMU_LD_PREFIX", qemu.join(format!("{machine}-linux-gnu")));
    })
    .await;
}
