//! What the Runtime API proxy adds to an invocation: the same two calls, through it and past it in turn.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use crate::Outcome;
use crate::api::{Api, Call};
use crate::plan::Plan;
use crate::samples::Samples;
use crate::stage;
use crate::start::{self, Started};
use crate::table::{Row, Table};

/// Invocations each way behind one value.
const PER_RUN: usize = 100;
const PORT: u16 = 9009;
const TARGET_MS: f64 = 0.3;
const NEXT: &[u8] = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";
const RESPONSE: &[u8] =
    b"POST /2018-06-01/runtime/invocation/r-1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n\"done\"";

/// Time added to one invocation: asking for it and answering it, on connections that are there already.
pub(crate) fn measure(plan: &Plan, table: &mut Table) -> Outcome {
    let api = Api::start()?;
    let proxy = SocketAddr::new(stage::udp_address().ip(), PORT);
    let mut command = start::command(&api, &plan.extension);
    command
        .env("FLUOROSCOPE_PROXY", "1")
        .env("FLUOROSCOPE_PROXY_ADDRESS", proxy.to_string());
    let (_, child) = start::spawn(&mut command)?;
    let _extension = Started(child, ());
    api.wait_for(Call::Next)?;
    let (mut past, mut through) = (Runtime::connect(api.address())?, Runtime::connect(proxy)?);
    let (mut past_ms, mut through_ms, mut added_ms) = <(Samples, Samples, Samples)>::default();
    for _ in 0..plan.runs {
        let (mut one_past, mut one_through) = <(Samples, Samples)>::default();
        for _ in 0..PER_RUN {
            one_past.push(past.invocation()?);
            one_through.push(through.invocation()?);
            api.forget();
        }
        past_ms.push(one_past.median());
        through_ms.push(one_through.median());
        added_ms.push(one_through.median() - one_past.median());
    }
    table.push(Row {
        figure: "added to an invocation by the Runtime API proxy".to_owned(),
        extension: added_ms.spread(3, "ms"),
        target: format!("≤ {TARGET_MS} ms"),
        is_met: Some(added_ms.median() <= TARGET_MS),
        ..Row::default()
    });
    table.push(Row {
        figure: "– both calls, through it and past it".to_owned(),
        extension: through_ms.spread(3, "ms"),
        floor: past_ms.spread(3, "ms"),
        ..Row::default()
    });
    Ok(())
}

/// The runtime's connection.
struct Runtime(BufReader<TcpStream>);

impl Runtime {
    fn connect(address: SocketAddr) -> Outcome<Self> {
        let connection = TcpStream::connect(address)?;
        connection.set_nodelay(true)?;
        Ok(Self(BufReader::new(connection)))
    }

    /// How long it takes, in milliseconds, to be given an invocation and to answer it.
    fn invocation(&mut self) -> Outcome<f64> {
        let began = Instant::now();
        self.call(NEXT)?;
        self.call(RESPONSE)?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    }

    fn call(&mut self, request: &[u8]) -> Outcome {
        self.0.get_mut().write_all(request)?;
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err("the Runtime API ended the connection".into());
            }
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        io::copy(&mut self.0.by_ref().take(length), &mut io::sink())?;
        Ok(())
    }
}
