//! Measures the extension beside a floor: a program that does the least an extension can do, in the same run.
//!
//! `cargo xtask bench` builds what is measured and runs this. A missed target is printed, and makes the program fail
//! only where that was asked for, since figures depend on the machine; a figure that could not be measured always does.

mod after;
mod api;
mod burst;
mod daemon;
mod exporter;
mod instructions;
mod invocations;
mod load;
mod plan;
mod priority;
mod process;
mod proxy;
mod quota;
mod samples;
mod sink;
mod size;
mod spans;
mod stage;
mod start;
mod table;
mod udp;

use std::process::ExitCode;
use std::time::Instant;

use plan::Plan;
use table::Table;

/// A figure could not be measured, and why.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T = ()> = Result<T, Failure>;
/// Measures a group of figures.
type Measure = fn(&Plan, &mut Table) -> Outcome;

fn main() -> ExitCode {
    let plan = match Plan::read(std::env::args().skip(1)) {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("measure: {error}\n{}", plan::USAGE);
            return ExitCode::from(2);
        }
    };
    let began = Instant::now();
    let mut table = Table::default();
    let can_raise = priority::raise();
    if !can_raise {
        table.note("measured at ordinary priority: other programs' work shows in the figures");
    }
    if plan.before.is_some() {
        table
            .note("in the peer's column stands an earlier build of the extension, which ran in turn with it");
    }
    let figures: [(&str, Measure); 10] = [
        ("start", start::measure),
        ("start under a CPU share", quota::measure),
        ("instructions", instructions::measure),
        ("size", size::measure),
        ("invocations", invocations::measure),
        ("after the response", after::measure),
        ("proxy", proxy::measure),
        ("bursts", burst::measure),
        ("spans", spans::measure),
        ("datagrams", udp::measure),
    ];
    let mut failed = false;
    let is_wanted = |name: &str| plan.only.as_deref().is_none_or(|only| only == name);
    for (name, measure) in figures.into_iter().filter(|(name, _)| is_wanted(name)) {
        eprintln!("measuring: {name}");
        if let Err(error) = measure(&plan, &mut table) {
            eprintln!("measure: {name}: {error}");
            failed = true;
        }
    }
    print!("\n{}", table.text());
    println!("took {} s", began.elapsed().as_secs());
    if plan.is_strict {
        for figure in table.missed() {
            eprintln!("measure: target missed: {figure}");
            failed = true;
        }
        failed |= table.left_out() > 0;
    }
    if let Some(document) = &plan.document
        && let Err(error) = table.write(document)
    {
        eprintln!("measure: {}: {error}", document.display());
        failed = true;
    }
    ExitCode::from(u8::from(failed))
}
