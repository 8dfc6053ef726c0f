//! Every developer command of the project: `cargo xtask <command>`.
//!
//! One file a command. What they share: where things lie (`project`), how other programs are run
//! (`process`), and what gets installed under `target/tools` (`tools`).

mod bench;
mod check;
mod counts;
mod demo;
mod failure;
mod files;
mod function;
mod fuzz;
mod layer;
mod process;
mod project;
mod release;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer commands. Each prints what it does; `cargo xtask <command> --help` shows examples.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Bench(bench::Arguments),
    Check(check::Arguments),
    Demo(demo::Arguments),
    Function(function::Arguments),
    Fuzz(fuzz::Arguments),
    Layer(layer::Arguments),
    Release(release::Arguments),
    Test(test::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Function(arguments) => function::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Layer(arguments) => layer::run(&arguments),
        Command::Release(arguments) => release::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}
