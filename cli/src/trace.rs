//! `fluoroscope trace`: reads traces from an X-Ray-compatible endpoint and draws them as trees.
//!
//! Requests are not signed: it is for local endpoints.

mod client;

use std::env;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use self::client::{Client, ReadError, Trace};
use crate::tree::{self, Options, WIDTH_DEFAULT};

const EXAMPLES: &str = "\
Examples:
  fluoroscope trace --endpoint http://127.0.0.1:9000
  fluoroscope trace 1-67881233-abcdef012345678812345678 --annotations
  fluoroscope trace --last 5 --json";

/// Names the endpoint unless `--endpoint` does, as for the AWS SDKs.
const ENDPOINT_VARIABLE: &str = "AWS_ENDPOINT_URL_XRAY";
/// More traces than anybody reads at once.
const LAST_MAX: u16 = 100;

/// Draws traces of a local X-Ray endpoint as trees: offsets, bars, durations, and what went wrong.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The endpoint; without it the variable AWS_ENDPOINT_URL_XRAY names it.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Traces to draw; without any, the last of the past hours.
    #[arg(value_name = "TRACE_ID")]
    ids: Vec<String>,
    /// How many of the last traces to draw.
    #[arg(long, value_name = "N", conflicts_with = "ids", value_parser = clap::value_parser!(u16).range(1..=i64::from(LAST_MAX)))]
    last: Option<u16>,
    /// Shows annotations under their node.
    #[arg(long)]
    annotations: bool,
    /// Prints the documents as JSON instead of drawing them.
    #[arg(long)]
    json: bool,
}

/// Draws what was asked for. Fails if a trace is not there.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match read(arguments) {
        Ok((traces, missing)) => {
            let printed = print(arguments, &traces);
            for id in &missing {
                eprintln!("fluoroscope: the endpoint has no trace {id}");
            }
            match printed {
                Ok(()) if missing.is_empty() => ExitCode::SUCCESS,
                _ => ExitCode::FAILURE,
            }
        }
        Err(error) => {
            eprintln!("fluoroscope: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The traces, oldest first where none was named, and the ids that the endpoint does not know.
fn read(arguments: &Arguments) -> Result<(Vec<Trace>, Vec<String>), ReadError> {
    let named = arguments.endpoint.clone().or_else(|| set(ENDPOINT_VARIABLE));
    let client = Client::new(&named.ok_or(ReadError::NoEndpoint)?);
    if !arguments.ids.is_empty() {
        return client.traces(&arguments.ids);
    }
    let mut last = client.last(usize::from(arguments.last.unwrap_or(1)))?;
    if last.is_empty() {
        return Err(ReadError::NoTraces);
    }
    last.reverse();
    client.traces(&last)
}

/// A reader that stops listening (`head`) is a failure without a message.
fn print(arguments: &Arguments, traces: &[Trace]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if arguments.json {
        let to_json = |trace: &Trace| json!({"Id": trace.id, "Segments": trace.documents});
        let traces: Vec<Value> = traces.iter().map(to_json).collect();
        return writeln!(out, "{:#}", Value::from(traces));
    }
    let options = Options {
        width: set("COLUMNS")
            .and_then(|columns| columns.parse().ok())
            .unwrap_or(WIDTH_DEFAULT),
        colour: out.is_terminal() && set("NO_COLOR").is_none(),
        annotations: arguments.annotations,
    };
    for (index, trace) in traces.iter().enumerate() {
        let gap = if index > 0 { "\n" } else { "" };
        write!(out, "{gap}{}", tree::render(&trace.documents, options))?;
    }
    out.flush()
}

/// A variable that is there and not empty.
fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
