//! Rotel, somebody else's OpenTelemetry agent: takes what the outbound `otlp` sends, and passes it on.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use backend::Running;
use model::ids::TraceId;
use serde_json::json;
use tests::lab::{Lab, free_tcp_addresses};
use tests::tree::Tree;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::opentelemetry::point_at_us;
use super::orders::{COLD, assert_paths, assert_taken};
use super::stage::{Function, end, succeed, trace, xray};
use super::{node, python, tools};

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// A running agent.
struct Rotel {
    /// Ended when this is dropped.
    _process: Child,
    address: SocketAddr,
}

impl Rotel {
    /// One that passes on to `endpoint` what it takes.
    async fn start(endpoint: &str) -> Self {
        // It takes no port 0 that it would tell.
        let [address, grpc] = free_tcp_addresses();
        let mut command = Command::new(tools::rotel());
        command
            .args(["start", "--exporter", "otlp", "--otlp-exporter-protocol", "http"])
            .args(["--otlp-exporter-endpoint", endpoint])
            .args(["--otlp-http-endpoint", &address.to_string()])
            .args(["--otlp-grpc-endpoint", &grpc.to_string()]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let process = command.spawn().expect("the Python environment has the agent");
        let asked = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            assert!(
                asked.elapsed() < PATIENCE,
                "the agent does not listen at {address}"
            );
            tokio::time::sleep(PAUSE).await;
        }
        Self {
            _process: process,
            address,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// The trace once the backend has so many elements of it.
async fn arrived(xray: &Running, id: TraceId, elements: usize) -> Tree {
    let asked = Instant::now();
    while asked.elapsed() < PATIENCE {
        if xray.store().trace(id).is_some() {
            let tree = trace(xray.store(), id);
            if tree.paths().len() >= elements {
                return tree;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    trace(xray.store(), id)
}

/// The same tree arrives through the agent as at X-Ray, whatever the function is instrumented with.
async fn assert_same_tree(function: Function) {
    let beyond = xray().await;
    let rotel = Rotel::start(&beyond.url()).await;
    let lab = Lab::with(|config| {
        point_at_us(config);
        for (name, value) in [
            ("FLUOROSCOPE_OUTBOUND", "xray,otlp".to_owned()),
            ("FLUOROSCOPE_OTLP_ENDPOINT", rotel.url()),
        ] {
            config.variables.insert(name.into(), value);
        }
        function.play(config);
    })
    .await;
    let id = succeed(&lab, &json!({})).await;
    let ended = end(lab).await;
    for outbound in ["xray", "otlp"] {
        let account = &ended.finished.tally["outbounds"][outbound];
        assert_eq!(
            account["received"]["total"], account["sent"],
            "{outbound}: {account}"
        );
    }

    let at_xray = ended.trace(id);
    assert_paths(&at_xray, COLD, &["take order", "take order > price"]);
    let passed_on = arrived(&beyond, id, at_xray.paths().len()).await;
    assert_eq!(passed_on.paths(), at_xray.paths(), "{passed_on}");
    assert_taken(&passed_on);
}

#[tokio::test]
async fn an_agent_of_others_takes_the_spans_of_opentelemetrys_sdk_and_the_platforms() {
    assert_same_tree(python::runtime_client("spanned.plain")).await;
}

#[tokio::test]
async fn an_agent_of_others_takes_the_segments_of_xrays_sdk_as_spans() {
    assert_same_tree(node::runtime_client("orders.handler")).await;
}
