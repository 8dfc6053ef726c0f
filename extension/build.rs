//! Links the released program to a fixed address: 4,400 relocations less to load and to carry out at every start
//! (docs/decisions/0010-fixed-address.md).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if told("PROFILE") == "release" && told("CARGO_CFG_TARGET_OS") == "linux" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells build scripts by variables; these are no settings"
)]
fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
