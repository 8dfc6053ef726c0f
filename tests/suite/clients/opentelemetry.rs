//! Functions instrumented by OpenTelemetry: its own SDKs, and AWS's distributions, over HTTP and in datagrams.
//!
//! Whatever the way, the tree is the one that X-Ray's SDKs leave.

use emulator::{Config, FunctionCommand, IdStyle, Request};
use serde_json::json;
use tests::lab::Lab;

use super::dynamodb::{Answer, Dynamodb};
use super::orders::{COLD, WARM, assert_charge_failed, assert_paths, assert_taken};
use super::stage::{Ended, Function, end, fail, succeed, trace, xray};
use super::{node, python, tools};

/// How spans come to the extension, by the tally's name for it.
const HTTP: &str = "otlp";
const DATAGRAMS: &str = "udp";

/// Stands for our endpoint in a value.
const ENDPOINT: &str = "{endpoint}";

/// A function and what is particular about its spans.
struct Spanned {
    function: Function,
    /// For its SDK; [`ENDPOINT`] is filled in.
    variables: Vec<(&'static str, String)>,
    way: &'static str,
    /// The span around the handler, where something makes one.
    handler: Option<&'static str>,
    /// The span of the call of DynamoDB, where something makes one.
    call: Option<&'static str>,
}

impl Spanned {
    /// By OpenTelemetry's own SDK, over HTTP.
    fn plain(function: Function) -> Self {
        Self {
            function,
            variables: Vec::new(),
            way: HTTP,
            handler: None,
            call: None,
        }
    }
}

/// Tells the function where spans are received, as the wrapper does.
pub(crate) fn point_at_us(config: &mut Config) {
    let otlp = config.variables["FLUOROSCOPE_OTLP_ADDRESS"].clone();
    let endpoint = format!("http://{otlp}");
    config
        .variables
        .insert("OTEL_EXPORTER_OTLP_ENDPOINT".into(), endpoint);
}

/// Plays two orders: one is taken, one fails at the charge. Each of the two is one connected trace.
async fn assert_traced(spanned: Spanned) -> Ended {
    let dynamodb = Dynamodb::start(Answer::Tables).await;
    let Spanned {
        function,
        variables,
        way,
        handler,
        call,
    } = spanned;
    let lab = Lab::with(|config| {
        point_at_us(config);
        let endpoint = config.variables["OTEL_EXPORTER_OTLP_ENDPOINT"].clone();
        let filled = |(name, value): (&str, String)| (name.to_owned(), value.replace(ENDPOINT, &endpoint));
        let variables = variables.into_iter().map(filled);
        config.variables.extend(variables);
        function.play(config);
    })
    .await;
    let event = call.map_or(json!({}), |_| json!({ "endpoint": dynamodb.url() }));
    let taken = succeed(&lab, &event).await;
    let failed = fail(&lab, &json!({ "raise": true })).await;
    let ended = end(lab).await;

    let below = |path: &str| match handler {
        Some(handler) => format!("{handler} > {path}"),
        None => path.to_owned(),
    };
    let paths = |calls: &[&str]| -> Vec<String> {
        let order = ["take order".to_owned(), "take order > price".to_owned()];
        let calls = calls.iter().map(|call| format!("take order > {call}"));
        let paths = order.into_iter().chain(calls).map(|path| below(&path));
        handler.map(str::to_owned).into_iter().chain(paths).collect()
    };
    println!("{tally}", tally = ended.finished.tally);
    let taken = ended.trace(taken);
    let expected = paths(call.as_slice());
    assert_paths(
        &taken,
        COLD,
        &expected.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    assert_taken(&taken);
    if let Some(call) = call {
        let call = taken.named(call);
        assert_eq!(call["namespace"], "aws", "{call}");
        assert_eq!(call["aws"]["operation"], "ListTables", "{call}");
    }

    let failed = ended.trace(failed);
    let expected = paths(&["charge"]);
    assert_paths(
        &failed,
        WARM,
        &expected.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    assert_charge_failed(&failed);

    let spans = 5 + u64::from(call.is_some()) + 2 * u64::from(handler.is_some());
    let tally = &ended.finished.tally;
    assert_eq!(tally["received"][way], spans, "{tally}");
    ended.finished.assert_all_sent();
    ended
}

#[tokio::test]
async fn pythons_own_sdk_leaves_one_connected_trace_per_invocation() {
    let ended = assert_traced(Spanned {
        call: Some("DynamoDB"),
        ..Spanned::plain(python::runtime_client("spanned.plain"))
    })
    .await;
    assert_eq!(ended.finished.tally["passed_over"], json!({}));
}

#[tokio::test]
async fn node_js_own_sdk_leaves_one_connected_trace_per_invocation_in_packed_json() {
    assert_traced(Spanned::plain(node::runtime_client("spanned.plain"))).await;
}

#[tokio::test]
async fn rusts_own_sdk_leaves_one_connected_trace_per_invocation() {
    let function = Function {
        command: FunctionCommand::new(env!("CARGO_BIN_EXE_spanned-function")),
        handler: "bootstrap".to_owned(),
        folder: tools::functions().join("rust"),
    };
    assert_traced(Spanned::plain(function)).await;
}

/// AWS's distribution for Python, as its layer starts it.
fn distribution_for_python() -> Spanned {
    let handler = "spanned.handler";
    let Function { folder, .. } = python::runtime_client(handler);
    let start = FunctionCommand::new(tools::python_environment("opentelemetry-instrument"))
        .arg(tools::python_environment("python").display().to_string());
    let variables = [
        ("OTEL_PYTHON_DISTRO", "aws_distro"),
        ("OTEL_PYTHON_CONFIGURATOR", "aws_configurator"),
        ("OTEL_PROPAGATORS", "xray-lambda"),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "none"),
    ];
    Spanned {
        function: Function {
            command: start.arg("-m").arg("awslambdaric").arg(handler),
            handler: handler.to_owned(),
            folder,
        },
        variables: variables.map(|(name, value)| (name, value.to_owned())).to_vec(),
        way: DATAGRAMS,
        // The function's name.
        handler: Some("orders"),
        call: Some("DynamoDB"),
    }
}

#[tokio::test]
async fn awss_distribution_for_python_leaves_one_connected_trace_per_invocation_by_datagrams() {
    assert_traced(distribution_for_python()).await;
}

#[tokio::test]
async fn awss_distribution_for_python_leaves_one_connected_trace_per_invocation_over_http() {
    let mut spanned = distribution_for_python();
    // In Lambda the distribution sends datagrams unless there is an endpoint for traces alone.
    let endpoint = format!("{ENDPOINT}/v1/traces");
    spanned.variables.extend([
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf".to_owned()),
    ]);
    assert_traced(Spanned { way: HTTP, ..spanned }).await;
}

/// AWS's distribution for Node.js, as its layer starts it.
fn distribution_for_node() -> Spanned {
    let handler = "spanned.handler";
    let function = node::runtime_client(handler);
    let register = "@aws/aws-distro-opentelemetry-node-autoinstrumentation/register";
    let variables = [
        ("NODE_OPTIONS", format!("--require {register}")),
        ("OTEL_PROPAGATORS", "xray-lambda".to_owned()),
        ("OTEL_METRICS_EXPORTER", "none".to_owned()),
        ("OTEL_LOGS_EXPORTER", "none".to_owned()),
        (
            "OTEL_NODE_ENABLED_INSTRUMENTATIONS",
            "aws-lambda,aws-sdk".to_owned(),
        ),
    ];
    Spanned {
        function,
        variables: variables.to_vec(),
        way: DATAGRAMS,
        handler: Some("orders"),
        call: Some("DynamoDB"),
    }
}

#[tokio::test]
async fn awss_distribution_for_node_js_leaves_one_connected_trace_per_invocation() {
    assert_traced(distribution_for_node()).await;
}

/// A function on X-Ray's SDK for Node.js calls one on OpenTelemetry for Python, in X-Ray and beyond.
#[tokio::test]
async fn a_trace_stays_whole_across_the_border_in_both_destinations() {
    let (xray, beyond) = (xray().await, xray().await);
    let shared = |config: &mut Config| {
        point_at_us(config);
        for (name, value) in [
            ("AWS_ENDPOINT_URL_XRAY", xray.url()),
            ("FLUOROSCOPE_OUTBOUND", "xray,otlp".to_owned()),
            ("FLUOROSCOPE_OTLP_ENDPOINT", beyond.url()),
        ] {
            config.variables.insert(name.into(), value);
        }
    };
    let caller = Lab::with(|config| {
        shared(config);
        node::runtime_client("orders.handler").play(config);
    })
    .await;
    let id = succeed(&caller, &json!({})).await;
    caller.finish().await;
    let order = trace(xray.store(), id).named("take order")["id"].clone();

    let called = Lab::with(|config| {
        shared(config);
        config.function_name = "prices".to_owned();
        // With active tracing a span of Lambda's own lies between, which Lambda keeps to itself.
        config.id_style = IdStyle::PassThrough;
        python::runtime_client("spanned.plain").play(config);
    })
    .await;
    let header = format!(
        "Root={id};Parent={};Sampled=1",
        order.as_str().unwrap_or_default()
    );
    let request = Request::json("{}").with_trace_header(&header);
    let invoked = called.environment.invoke(request).await;
    assert_eq!(invoked.function_error, None, "{}", called.log());
    called.finish().await;

    let [whole, passed_on] = [&xray, &beyond].map(|destination| trace(destination.store(), id));
    let orders = whole.all("take order");
    let of_opentelemetry = orders
        .iter()
        .filter(|order| order["aws"]["xray"]["sdk"] == "opentelemetry for python");
    assert_eq!((orders.len(), of_opentelemetry.count()), (2, 1), "{whole}");
    let below = "AWS::Lambda > AWS::Lambda::Function > take order";
    let paths = whole.paths();
    assert!(paths.contains(&format!("{below} > {below}")), "{whole}");
    let roots = paths.iter().filter(|path| !path.contains('>'));
    assert_eq!(roots.count(), 1, "{whole}");
    assert_eq!(passed_on.paths(), paths, "{passed_on}");
}
