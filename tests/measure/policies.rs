//! Prints the table of flush policies under simulated traffic; with the path of a document, replaces it there.
//!
//! `cargo xtask bench --policies [--write]` runs this.

use std::process::ExitCode;

use tests::traffic::report::{sections, table};

const BEGIN: &str = "<!-- policies: begin -->";
const END: &str = "<!-- policies: end -->";

fn main() -> ExitCode {
    let table = table(&sections());
    let Some(document) = std::env::args().nth(1) else {
        print!("{table}");
        return ExitCode::SUCCESS;
    };
    match write(&document, &table) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("policies: {document}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(document: &str, table: &str) -> Result<(), Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(document)?;
    let (before, rest) = text.split_once(BEGIN).ok_or("its first marker is missing")?;
    let (_, after) = rest.split_once(END).ok_or("its second marker is missing")?;
    std::fs::write(document, format!("{before}{BEGIN}\n{table}{END}{after}"))?;
    Ok(())
}
