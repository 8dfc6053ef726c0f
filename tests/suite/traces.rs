//! One complete trace in every style of sandbox and for every kind of trace header.

use emulator::{IdStyle, InitAt, InitType};
use serde_json::json;
use tests::lab::{Finished, Lab, trace_of};
use tests::script::Script;

const CHILD: &str = "00000000000000c1";
const PARENT: &str = "00000000000000a1";
const ROOT: &str = "1-67881233-abcdef012345678812345678";
const UPSTREAM: &str = "53995c3f42cd8ad8";

/// A nested call, then the one around it: children come first on the wire.
fn two_calls() -> Script {
    Script::new()
        .document(json!({ "id": CHILD, "name": "inner", "parent_id": PARENT }))
        .subsegment(PARENT, "outer")
}

#[tokio::test]
async fn a_cold_start_yields_one_trace_with_initialization_under_the_function() {
    let lab = Lab::start().await;
    let trace = trace_of(&lab.succeed(&two_calls()).await);
    let finished = lab.finish().await;
    assert_eq!(
        finished.tree.paths(),
        [
            "AWS::Lambda",
            "AWS::Lambda > AWS::Lambda::Function",
            "AWS::Lambda > AWS::Lambda::Function > ExtensionOverhead",
            "AWS::Lambda > AWS::Lambda::Function > Initialization",
            "AWS::Lambda > AWS::Lambda::Function > Invocation",
            "AWS::Lambda > AWS::Lambda::Function > Overhead",
            "AWS::Lambda > AWS::Lambda::Function > outer",
            "AWS::Lambda > AWS::Lambda::Function > outer > inner",
        ]
    );
    let function = finished.tree.named("AWS::Lambda::Function");
    assert_eq!(function["trace_id"], trace.to_string());
    assert_eq!(function["annotations"]["cold_start"], true);
    assert_eq!(
        function["aws"]["function_arn"],
        "arn:aws:lambda:eu-west-1:111122223333:function:orders"
    );
    assert_eq!(function["metadata"]["lambda"]["memory_size_mb"], 256);
    finished.assert_all_sent();
    assert_eq!(finished.told, 1, "X-Ray is told the tally");
}

#[tokio::test]
async fn a_warm_invocation_has_no_initialization() {
    let lab = Lab::start().await;
    lab.succeed(&Script::new()).await;
    let warm = trace_of(&lab.succeed(&two_calls()).await);
    lab.documents(6).await;
    let trace = lab.xray.store().trace(warm).expect("the warm trace");
    let paths = tests::tree::Tree::of(trace.segments.iter().map(|segment| &segment.document)).paths();
    assert!(
        !paths.iter().any(|path| path.contains("Initialization")),
        "{paths:?}"
    );
    assert!(
        paths.contains(&"AWS::Lambda > AWS::Lambda::Function > outer > inner".to_owned()),
        "{paths:?}"
    );
    lab.finish().await.assert_all_sent();
}

/// Plays one invocation in a style, with a caller's sampled header.
async fn styled(style: IdStyle, init: InitType) -> Finished {
    let lab = Lab::with(|config| {
        config.id_style = style;
        config.init_type = init;
    })
    .await;
    let header = format!("Root={ROOT};Parent={UPSTREAM};Sampled=1;Lineage=1:a87bd80c:0");
    let invoked = lab.invoke_with(&two_calls(), &header).await;
    assert_eq!(
        (invoked.status, invoked.function_error),
        (200, None),
        "{}",
        lab.log()
    );
    lab.documents(4).await;
    lab.finish().await
}

#[track_caller]
fn assert_calls_under_function(finished: &Finished) {
    let paths = finished.tree.paths();
    for call in ["outer", "outer > inner"] {
        let path = format!("AWS::Lambda > AWS::Lambda::Function > {call}");
        assert!(paths.contains(&path), "{path} in {paths:?}");
    }
    finished.assert_all_sent();
}

#[tokio::test]
async fn the_current_style_hangs_calls_under_the_announced_function() {
    let finished = styled(IdStyle::CurrentActive, InitType::OnDemand).await;
    assert_calls_under_function(&finished);
}

#[tokio::test]
async fn the_classic_style_hangs_calls_under_an_adopted_invocation() {
    let finished = styled(IdStyle::ClassicActive, InitType::OnDemand).await;
    let paths = finished.tree.paths();
    let path = "AWS::Lambda > AWS::Lambda::Function > Invocation > outer > inner";
    assert!(paths.contains(&path.to_owned()), "{paths:?}");
    finished.assert_all_sent();
}

#[tokio::test]
async fn pass_through_hangs_calls_under_a_function_segment_of_ours_below_the_caller() {
    let finished = styled(IdStyle::PassThrough, InitType::OnDemand).await;
    assert_calls_under_function(&finished);
    assert_eq!(finished.tree.named("AWS::Lambda")["parent_id"], UPSTREAM);
}

#[tokio::test]
async fn managed_instances_hang_calls_under_the_announced_function_below_the_caller() {
    let finished = styled(
        IdStyle::Managed,
        InitType::ManagedInstances { max_concurrency: 2 },
    )
    .await;
    assert_calls_under_function(&finished);
    assert_eq!(finished.tree.named("AWS::Lambda")["parent_id"], UPSTREAM);
}

#[tokio::test]
async fn what_is_not_sampled_yields_no_platform_segments() {
    for header in [
        format!("Root={ROOT};Parent={UPSTREAM};Sampled=0"),
        format!("Root={ROOT};Sampled=0"),
    ] {
        let lab = Lab::start().await;
        let invoked = lab.invoke_with(&Script::new(), &header).await;
        assert_eq!(invoked.status, 200);
        let finished = lab.finish().await;
        assert_eq!(
            finished.count("/received/total"),
            0,
            "{header}: {}",
            finished.tally
        );
    }
}

#[tokio::test]
async fn in_pass_through_a_root_alone_or_no_header_yields_nothing() {
    for header in ["", &format!("Root={ROOT}")] {
        let lab = Lab::with(|config| config.id_style = IdStyle::PassThrough).await;
        let invoked = if header.is_empty() {
            lab.invoke(&Script::new()).await
        } else {
            lab.invoke_with(&Script::new(), header).await
        };
        assert_eq!(invoked.status, 200);
        assert_eq!(lab.finish().await.count("/received/total"), 0, "{header:?}");
    }
}

#[tokio::test]
async fn lineage_reaches_the_function_untouched() {
    let lab = Lab::start().await;
    let header = format!("Root={ROOT};Parent={UPSTREAM};Sampled=1;Lineage=1:a87bd80c:0");
    let invoked = lab.invoke_with(&Script::new().tell_header(), &header).await;
    assert!(
        invoked.text().contains("Lineage=1:a87bd80c:0"),
        "{}",
        invoked.text()
    );
    lab.finish().await.assert_all_sent();
}

#[tokio::test]
async fn a_handlers_error_is_the_functions_fault_when_its_calls_say_so() {
    let lab = Lab::start().await;
    let script = Script::new()
        .document(json!({ "id": PARENT, "name": "outer", "fault": true }))
        .raise();
    let invoked = lab.invoke(&script).await;
    assert_eq!(invoked.function_error, Some("Unhandled"));
    let finished = lab.finish().await;
    assert_eq!(finished.tree.named("AWS::Lambda::Function")["fault"], true);
    assert_eq!(
        finished.tree.named("AWS::Lambda")["http"]["response"]["status"],
        200
    );
    finished.assert_all_sent();
}

#[tokio::test]
async fn an_environment_that_was_ready_before_shows_initialization_but_no_wait() {
    let lab = Lab::with(|config| {
        config.init_type = InitType::ProvisionedConcurrency;
        config.init_at = InitAt::Start;
    })
    .await;
    lab.succeed(&Script::new()).await;
    let finished = lab.finish().await;
    let (lambda, function) = (
        finished.tree.named("AWS::Lambda"),
        finished.tree.named("AWS::Lambda::Function"),
    );
    assert_eq!(lambda["start_time"], function["start_time"]);
    assert_eq!(
        function["metadata"]["lambda"]["init_type"],
        "provisioned-concurrency"
    );
    assert!(finished.tree.has("Initialization"));
}

#[tokio::test]
async fn the_setting_decides_whether_platform_segments_are_made_here() {
    for (setting, functions) in [("auto", 1), ("always", 1), ("never", 0)] {
        let lab = Lab::with(|config| {
            config
                .variables
                .insert("FLUOROSCOPE_PLATFORM_SEGMENTS".into(), setting.into());
        })
        .await;
        lab.succeed(&two_calls()).await;
        let finished = lab.finish().await;
        assert_eq!(
            finished.tree.all("AWS::Lambda::Function").len(),
            functions,
            "{setting}"
        );
        assert!(
            finished.tree.has("inner") && finished.tree.has("outer"),
            "{setting}"
        );
        finished.assert_all_sent();
    }
}
