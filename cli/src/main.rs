//! `fluoroscope`: the command for a developer's machine. Each subcommand has a file of its own.

mod doctor;
mod local;
mod trace;
mod tree;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  fluoroscope local --name selfies -- python3 -m awslambdaric app.handler
  fluoroscope trace --endpoint http://127.0.0.1:9000
  fluoroscope doctor template.yaml
  fluoroscope local --help";

/// Tracing for AWS Lambda functions, on a laptop.
#[derive(Debug, Parser)]
#[command(name = "fluoroscope", version, after_help = EXAMPLES)]
struct Fluoroscope {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Doctor(Box<doctor::Arguments>),
    Local(local::Arguments),
    Trace(trace::Arguments),
}

fn main() -> ExitCode {
    match Fluoroscope::parse().command {
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Local(arguments) => local::run(&arguments),
        Command::Trace(arguments) => trace::run(&arguments),
    }
}
