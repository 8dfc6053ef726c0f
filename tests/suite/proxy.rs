//! The exec wrapper and the Runtime API proxy: what they show, and that the function works whatever happens to them.

use std::net::{SocketAddr, TcpListener};

use emulator::{Config, FunctionCommand, IdStyle, InitType, Request, What};
use serde_json::{Value, json};
use tests::lab::{Finished, Lab, binary};
use tests::script::Script;
use tests::wrapped::{proxied, wrap};

use crate::clients::{node, python, stage};

const FUNCTION: &str = "AWS::Lambda::Function";
const UNDECIDED: &str = "Root=1-6a0edb41-00112233445566778899aabb;Lineage=a87bd80c:1|68fd508a:5";

fn call() -> Script {
    Script::new().subsegment("00000000000000a1", "call")
}

/// What the function's process was given.
async fn variable(lab: &Lab, name: &str) -> Option<String> {
    let told = lab.succeed(&Script::new().read("/proc/self/environ")).await;
    let told: String = serde_json::from_str(&told.text()).expect("the function answers with a text");
    let value = told
        .split('\0')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value.map(str::to_owned)
}

/// A lab whose function really talks through the proxy.
async fn through_the_proxy(change: impl FnOnce(&mut Config)) -> (Lab, SocketAddr) {
    let mut address = None;
    let lab = Lab::with(|config| {
        address = Some(proxied(config));
        change(config);
    })
    .await;
    let address = address.expect("the change was made");
    let used = variable(&lab, "AWS_LAMBDA_RUNTIME_API").await;
    assert_eq!(used, Some(address.to_string()), "{}", lab.log());
    (lab, address)
}

/// Why the one function's segment failed that did.
fn cause(finished: &Finished) -> &Value {
    let functions = finished.tree.all(FUNCTION);
    let faulty: Vec<&&Value> = functions.iter().filter(|one| one["fault"] == true).collect();
    assert_eq!(faulty.len(), 1, "{functions:?}");
    &faulty[0]["cause"]
}

fn exception(finished: &Finished) -> &Value {
    &cause(finished)["exceptions"][0]
}

#[tokio::test]
async fn a_handlers_error_is_told_on_the_functions_segment() {
    let (lab, _) = through_the_proxy(|_| ()).await;
    lab.succeed(&call()).await;
    let failed = lab.invoke(&call().raise()).await;
    assert_eq!(failed.function_error, Some("Unhandled"), "{}", lab.log());
    lab.succeed(&call()).await;
    let finished = lab.finish().await;
    assert_eq!(exception(&finished)["message"], "it went wrong");
    assert_eq!(finished.tree.all(FUNCTION).len(), 4);
    assert_eq!(finished.messages(), [""; 0]);
    finished.assert_all_sent();
}

#[tokio::test]
async fn an_error_of_the_handler_rescues_an_invocation_that_was_not_sampled() {
    let (lab, _) = through_the_proxy(|_| ()).await;
    let left_out = "Root=1-6a0edb42-00112233445566778899aabb;Sampled=0";
    lab.invoke_with(&Script::new().raise(), left_out).await;
    let xray = lab.xray.store().clone();
    let finished = lab.finish().await;
    let trace = xray.trace("1-6a0edb42-00112233445566778899aabb".parse().expect("a trace id"));
    assert_eq!(trace.map(|trace| trace.segments.len()), Some(2));
    assert_eq!(exception(&finished)["message"], "it went wrong");
    finished.assert_all_sent();
}

#[tokio::test]
async fn without_the_proxy_the_wrapper_names_us_as_the_daemon_and_leaves_the_runtime_api_alone() {
    let lab = Lab::with(|config| {
        wrap(config);
        // As Lambda presets it.
        config.xray_daemon_address = Some("169.254.79.129:2000".into());
    })
    .await;
    lab.succeed(&call()).await;
    let ours = variable(&lab, "FLUOROSCOPE_UDP_ADDRESS").await;
    assert_eq!(variable(&lab, "AWS_XRAY_DAEMON_ADDRESS").await, ours);
    let otlp = variable(&lab, "FLUOROSCOPE_OTLP_ADDRESS").await;
    assert_eq!(
        variable(&lab, "OTEL_EXPORTER_OTLP_ENDPOINT").await,
        otlp.map(|address| format!("http://{address}"))
    );
    let finished = lab.finish().await;
    assert!(finished.tree.has("call"));
    finished.assert_all_sent();
}

#[tokio::test]
async fn an_undecided_trace_is_recorded_at_the_rate_that_was_asked_for() {
    let (lab, _) = through_the_proxy(|config| {
        config.id_style = IdStyle::PassThrough;
        config
            .variables
            .insert("FLUOROSCOPE_SAMPLE_RATE".into(), "1".into());
    })
    .await;
    let told = lab.invoke_with(&call().tell_header(), UNDECIDED).await;
    let header: String = serde_json::from_str(&told.text()).expect("the function answers with its header");
    assert!(
        header.starts_with("Root=1-6a0edb41-00112233445566778899aabb;Parent="),
        "{header}"
    );
    assert!(
        header.ends_with(";Sampled=1;Lineage=a87bd80c:1|68fd508a:5"),
        "{header}"
    );
    let decided = "Root=1-6a0edb42-00112233445566778899aabb;Sampled=0";
    let told = lab.invoke_with(&Script::new().tell_header(), decided).await;
    assert_eq!(told.text(), json!(decided).to_string());
    let xray = lab.xray.store().clone();
    let finished = lab.finish().await;
    let of = |id: &str| xray.trace(id.parse().expect("a trace id"));
    let trace = of("1-6a0edb41-00112233445566778899aabb").expect("the trace was recorded");
    let tree = tests::tree::Tree::of(trace.segments.iter().map(|segment| &segment.document));
    assert!(
        tree.paths().contains(&format!("AWS::Lambda > {FUNCTION} > call")),
        "{tree}"
    );
    assert!(of("1-6a0edb42-00112233445566778899aabb").is_none());
    finished.assert_all_sent();
}

#[tokio::test]
async fn a_rate_without_the_proxy_costs_one_line() {
    let lab = Lab::with(|config| {
        config
            .variables
            .insert("FLUOROSCOPE_SAMPLE_RATE".into(), "0.5".into());
    })
    .await;
    lab.succeed(&call()).await;
    let finished = lab.finish().await;
    assert_eq!(
        finished.messages(),
        ["FLUOROSCOPE_SAMPLE_RATE: has no effect without FLUOROSCOPE_PROXY=1"]
    );
}

#[tokio::test]
async fn a_taken_port_leaves_the_runtime_with_lambda_itself() {
    let mut taken = None;
    let lab = Lab::with(|config| taken = TcpListener::bind(proxied(config)).ok()).await;
    assert!(taken.is_some(), "the test could not take the port");
    // Whoever has the port does not answer: the wrapper does not wait for long.
    lab.succeed(&call()).await;
    let used = variable(&lab, "AWS_LAMBDA_RUNTIME_API").await.unwrap_or_default();
    assert!(!used.ends_with(":9009"), "{used}");
    let finished = lab.finish().await;
    let [message] = finished.messages()[..] else {
        panic!("{:?}", finished.lines)
    };
    assert!(message.contains("set FLUOROSCOPE_PROXY_ADDRESS"), "{message}");
    finished.assert_all_sent();
}

/// An environment with this defect in it, in which three invocations have succeeded.
async fn succeed_in_spite_of(defect: &str) -> Lab {
    let (lab, _) = through_the_proxy(|config| {
        config
            .variables
            .insert("FLUOROSCOPE_INJECT_DEFECT".into(), defect.into());
    })
    .await;
    for _ in 0..3 {
        lab.succeed(&call()).await;
    }
    lab
}

#[tokio::test]
async fn a_defect_of_the_proxy_costs_what_it_would_have_shown() {
    for defect in ["panic_in_proxy", "panic_in_accept"] {
        let lab = succeed_in_spite_of(defect).await;
        let failed = lab.invoke(&call().raise()).await;
        assert_eq!(failed.function_error, Some("Unhandled"), "{}", lab.log());
        let finished = lab.finish().await;
        let expected = "a defect in fluoroscope; the function is not affected, traces may be missing";
        assert!(!finished.messages().is_empty(), "{defect} was not played");
        assert!(
            finished.messages().iter().all(|message| *message == expected),
            "{:?}",
            finished.lines
        );
        assert_eq!(finished.tree.all(FUNCTION).len(), 5);
        finished.assert_all_sent();
    }
}

#[tokio::test]
async fn an_inert_extension_still_carries_the_runtime() {
    for defect in ["panic_at_start", "panic_on_invoke"] {
        let lab = succeed_in_spite_of(defect).await;
        lab.finish_inert().await;
    }
}

#[tokio::test]
async fn an_extension_that_is_not_there_leaves_the_runtime_with_lambda_itself() {
    let mut config = Config::new("orders", FunctionCommand::new(binary("scripted-function")));
    proxied(&mut config);
    let environment = emulator::Environment::start(config)
        .await
        .expect("the environment starts");
    let invoked = environment.invoke(Request::json(Script::new().event())).await;
    assert_eq!(
        (invoked.status, invoked.function_error),
        (200, None),
        "{}",
        invoked.text()
    );
    let told = environment
        .logs()
        .iter()
        .any(|line| line.text.contains("does not answer"));
    assert!(told, "nobody was told");
}

#[tokio::test]
async fn a_wrapper_whose_program_is_broken_still_starts_the_runtime() {
    for program in [
        None,
        Some("not a program"),
        Some("#!/bin/sh\nexit 3\n"),
        Some("#!/bin/sh\nkill -9 $$\n"),
    ] {
        let folder =
            std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("broken-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("extensions")).expect("the target folder is ours");
        let wrapper = folder.join("fluoroscope");
        std::fs::copy(tests::wrapped::layer().join("fluoroscope"), &wrapper).expect("the wrapper is there");
        if let Some(program) = program {
            use std::os::unix::fs::PermissionsExt;
            let path = folder.join("extensions/fluoroscope");
            std::fs::write(&path, program).expect("the folder is new");
            let executable = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&path, executable).expect("the file is ours");
        }
        let lab = Lab::with(|config| {
            let wrapper = wrapper.to_string_lossy().into_owned();
            config.variables.insert("AWS_LAMBDA_EXEC_WRAPPER".into(), wrapper);
        })
        .await;
        lab.succeed(&call()).await;
        lab.finish().await.assert_all_sent();
        std::fs::remove_dir_all(&folder).expect("the folder is ours");
    }
}

#[tokio::test]
async fn a_streamed_answer_arrives_as_it_was_sent() {
    let event = json!({ "pieces": 200, "bytes": 40_000 }).to_string();
    let mut answers = Vec::new();
    for is_proxied in [false, true] {
        let lab = Lab::with(|config| {
            config.function = FunctionCommand::new(binary("streaming-function"));
            // Debug builds beside others' work take seconds for eight megabytes.
            config.timeout = std::time::Duration::from_secs(60);
            if is_proxied {
                proxied(config);
            }
        })
        .await;
        for _ in 0..2 {
            let invoked = lab.environment.invoke(Request::json(event.clone())).await;
            assert_eq!(
                (invoked.status, invoked.function_error),
                (200, None),
                "{}",
                lab.log()
            );
            answers.push(invoked.payload.clone());
        }
        let finished = lab.finish().await;
        assert_eq!(finished.messages(), [""; 0]);
        finished.assert_all_sent();
    }
    assert!(answers[0].len() > 8_000_000);
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "the answers differ"
    );
}

#[tokio::test]
async fn the_end_of_an_invocation_is_known_without_the_telemetry_api() {
    // The record comes half a second late: it shows who waits for it.
    let (lab, _) = through_the_proxy(|config| {
        config.variables.insert("FLUOROSCOPE_FLUSH".into(), "end".into());
        let late = std::time::Duration::from_millis(500);
        config
            .faults
            .delayed_records
            .insert("platform.runtimeDone".into(), late);
    })
    .await;
    lab.idle().await;
    let entries_before = lab.environment.journal().len();
    lab.succeed(&call()).await;
    lab.documents(1).await;
    lab.idle().await;
    let journal = lab.environment.journal();
    let at = |seen: &dyn Fn(&What) -> bool| {
        journal
            .iter()
            .skip(entries_before)
            .find(|entry| seen(&entry.what))
            .map(|entry| entry.at)
    };
    let done = at(&|what| {
        matches!(
            what,
            What::Emitted {
                kind: "platform.runtimeDone",
                ..
            }
        )
    })
    .expect("the runtime was done");
    let next = at(&|what| matches!(what, What::ExtensionNext { .. })).expect("the extension asked for more");
    let waited = next.saturating_duration_since(done);
    assert!(waited < std::time::Duration::from_millis(400), "{waited:?}");
    lab.finish().await.assert_all_sent();
}

#[tokio::test]
async fn concurrent_requests_of_managed_instances_pass_through_the_proxy() {
    const REQUESTS: u16 = 64;
    let (lab, _) = through_the_proxy(|config| {
        config.id_style = IdStyle::Managed;
        config.init_type = InitType::ManagedInstances {
            max_concurrency: REQUESTS,
        };
    })
    .await;
    let lab = std::sync::Arc::new(lab);
    let requests = (0..REQUESTS).map(|number| {
        let lab = std::sync::Arc::clone(&lab);
        let script = Script::new().subsegment(&format!("{:016x}", number + 1), &format!("call {number}"));
        tokio::spawn(async move { lab.succeed(&script.work_ms(50)).await.trace_header })
    });
    for request in requests.collect::<Vec<_>>() {
        assert!(request.await.expect("the request ends").is_some());
    }
    let lab = std::sync::Arc::into_inner(lab).expect("every request has ended");
    let finished = lab.finish().await;
    for number in 0..REQUESTS {
        let path = format!("AWS::Lambda > {FUNCTION} > call {number}");
        assert!(finished.tree.paths().contains(&path), "{path} is missing");
    }
    finished.assert_all_sent();
}

#[tokio::test]
async fn a_cause_in_x_rays_own_form_is_told_as_the_runtime_wrote_it() {
    let cause = json!({
        "working_directory": "/var/task",
        "exceptions": [
            { "type": "OrderError", "message": "no order", "stack": [
                { "path": "orders.py", "line": 12, "label": "handler" },
                { "path": "orders.py", "line": 7, "label": "charge" },
            ] },
            { "type": "CardError", "message": "card refused", "stack": [] },
        ],
        "paths": ["orders.py", "cards.py"],
    });
    let error = json!({ "errorType": "Other", "errorMessage": "said otherwise in the body" });
    let lab = Lab::with(|config| {
        config.function = FunctionCommand::new(binary("caused-function"));
        proxied(config);
    })
    .await;
    let invoke = |event: Value| lab.environment.invoke(Request::json(event.to_string()));
    assert_eq!(invoke(json!({})).await.function_error, None, "{}", lab.log());
    let failed = invoke(json!({ "cause": cause, "error": error })).await;
    assert_eq!(
        (failed.function_error, failed.text()),
        (Some("Unhandled"), error.to_string()),
        "{}",
        lab.log()
    );
    let finished = lab.finish().await;
    assert_eq!(finished.tree.all(FUNCTION).len(), 2);
    let mut told = self::cause(&finished).clone();
    let [outer, inner] = &mut told["exceptions"].as_array_mut().expect("exceptions")[..] else {
        panic!("{told}");
    };
    // The ids are ours: X-Ray has each exception name the one that caused it.
    let outer_id = outer["id"].take();
    assert_eq!(
        (outer["cause"].take(), outer_id == inner["id"]),
        (inner["id"].take(), false)
    );
    for exception in [outer, inner] {
        let fields = exception.as_object_mut().expect("an object");
        fields.retain(|_, value| !value.is_null());
        fields.entry("stack").or_insert(json!([]));
    }
    assert_eq!(told, cause);
    finished.assert_all_sent();
}

/// Why a function in another language failed that could not charge a card.
async fn refused_card(function: stage::Function) -> Value {
    let lab = Lab::with(|config| {
        function.play(config);
        proxied(config);
    })
    .await;
    stage::succeed(&lab, &json!({})).await;
    stage::fail(&lab, &json!({ "raise": true })).await;
    let finished = lab.finish().await;
    let cause = cause(&finished).clone();
    assert_eq!(cause["exceptions"][0]["message"], "card refused", "{cause}");
    finished.assert_all_sent();
    cause
}

#[tokio::test]
async fn an_exception_in_python_is_told_with_its_stack() {
    let exception = &refused_card(python::runtime_client("orders.handler")).await["exceptions"][0];
    assert_eq!(exception["type"], "ValueError");
    let frame = &exception["stack"][0];
    assert_eq!(frame["label"], "handler", "{exception}");
    assert!(
        frame["path"]
            .as_str()
            .is_some_and(|path| path.ends_with("orders.py")),
        "{exception}"
    );
    assert!(frame["line"].is_number(), "{exception}");
}

#[tokio::test]
async fn an_exception_in_node_is_told_with_its_stack() {
    let exception = &refused_card(node::runtime_client("orders.handler")).await["exceptions"][0];
    assert_eq!(exception["type"], "Error");
    let stack = exception["stack"].as_array().expect("a stack");
    assert!(
        stack.iter().any(|frame| frame["path"]
            .as_str()
            .is_some_and(|path| path.ends_with("orders.js"))),
        "{exception}"
    );
}

/// Its client posts X-Ray's own form beside the error, which alone has a working directory and paths.
#[cfg(feature = "java")]
#[tokio::test]
async fn an_exception_in_java_is_told_as_its_client_wrote_it_for_x_ray() {
    let cause = refused_card(crate::clients::java::runtime_client()).await;
    let exception = &cause["exceptions"][0];
    assert_eq!(exception["type"], "java.lang.IllegalStateException");
    assert!(cause["working_directory"].is_string(), "{cause}");
    let paths = cause["paths"].as_array().expect("paths");
    assert!(paths.contains(&json!("Orders.java")), "{cause}");
    let frame = &exception["stack"][0];
    assert_eq!(
        (&frame["path"], &frame["label"]),
        (&json!("Orders.java"), &json!("charge")),
        "{cause}"
    );
    assert!(frame["line"].is_number(), "{cause}");
}
