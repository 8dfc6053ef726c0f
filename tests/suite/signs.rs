//! What the extension shows of its own accord: invocations that sampling left out, and its account of itself.

use std::time::Duration;

use tests::lab::Lab;
use tests::script::Script;

const UNSAMPLED: &str = "Root=1-6a0edb41-00112233445566778899aabb;Parent=0123456789abcdef;Sampled=0";

#[tokio::test]
async fn an_invocation_that_sampling_left_out_is_told_if_it_failed() {
    let lab = Lab::with(|config| config.timeout = Duration::from_secs(1)).await;
    lab.invoke_with(&Script::new(), UNSAMPLED).await;
    lab.invoke_with(&Script::new().work_ms(60_000), UNSAMPLED).await;
    let finished = lab.finish_after_reset().await;
    let lambda = finished.tree.named("AWS::Lambda");
    assert!(
        lambda["parent_id"].is_null(),
        "nobody above recorded anything: {lambda}"
    );
    assert_eq!(lambda["fault"], true);
    let function = finished.tree.named("AWS::Lambda::Function");
    assert_eq!(function["parent_id"], lambda["id"]);
    assert_eq!(function["annotations"]["rescued"], true);
    assert_eq!(function["cause"]["exceptions"][0]["type"], "Sandbox.Timeout");
    assert_eq!(finished.count("/rescued"), 1, "{}", finished.tally);
    finished.assert_all_sent();
}

#[tokio::test]
async fn nothing_is_rescued_where_the_setting_says_none() {
    let lab = Lab::with(|config| {
        config.timeout = Duration::from_secs(1);
        config
            .variables
            .insert("FLUOROSCOPE_RESCUE".into(), "none".into());
    })
    .await;
    lab.invoke_with(&Script::new().work_ms(60_000), UNSAMPLED).await;
    let finished = lab.finish_after_reset().await;
    assert_eq!(
        (finished.count("/received/total"), finished.count("/rescued")),
        (0, 0)
    );
}
