//! `cargo xtask function`: the sample function in Rust, as Lambda wants it.

use std::path::PathBuf;

use crate::failure::Outcome;
use crate::files;
use crate::layer::{Arch, Place, Program, compile};

const EXAMPLES: &str = "\
Examples:
  cargo xtask function --into FOLDER               FOLDER/bootstrap, for this machine's architecture
  cargo xtask function --arch arm64 --into FOLDER  the same for the other one, with what `cargo xtask layer --arch arm64` takes

`sam build` calls this. In a project of your own, `BuildMethod: rust-cargolambda` does the same with cargo-lambda.";

/// What is built, and the name that Lambda wants it to have.
const FUNCTION: Program = Program {
    package: "judge-selfie",
    name: "judge-selfie",
};
const BOOTSTRAP: &str = "bootstrap";

/// Builds examples/selfies/rust with the layer's tool chain: it runs on Amazon Linux 2 and 2023.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// For which architecture; this machine's, unless told.
    #[arg(long, value_enum, value_name = "ARCH")]
    arch: Option<Arch>,
    /// Where to put it.
    #[arg(long, value_name = "FOLDER")]
    into: PathBuf,
}

/// Builds it and puts it there.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let arch = arguments.arch.unwrap_or_else(Arch::of_host);
    let program = compile(arch, &Place::of_project(), FUNCTION)?;
    let to = arguments.into.join(BOOTSTRAP);
    files::copy(&program, &to)?;
    println!("wrote {}", to.display());
    Ok(())
}
