//! Kinds of environment beside the on-demand one: snapshots and managed instances.

use std::time::Duration;

use emulator::{IdStyle, InitAt, InitType, Request};
use tests::lab::{Lab, trace_of};
use tests::script::Script;
use tests::tree::Tree;

#[tokio::test]
async fn a_restored_snapshot_shows_restore_and_not_the_init_of_days_ago() {
    let lab = Lab::with(|config| {
        config.init_type = InitType::SnapStart {
            published: Duration::from_secs(3 * 24 * 3600),
        };
        config.init_at = InitAt::Start;
    })
    .await;
    lab.succeed(&Script::new().subsegment("00000000000000a1", "call"))
        .await;
    let finished = lab.finish().await;
    let paths = finished.tree.paths();
    assert!(
        paths.contains(&"AWS::Lambda > AWS::Lambda::Function > Restore".to_owned()),
        "{paths:?}"
    );
    assert!(
        paths.contains(&"AWS::Lambda > AWS::Lambda::Function > call".to_owned()),
        "{paths:?}"
    );
    assert!(!finished.tree.has("Initialization"), "{paths:?}");
    // The credentials came from the container endpoint: nothing would have been sent without them.
    finished.assert_all_sent();
}

#[tokio::test]
async fn sixty_four_requests_at_once_in_a_managed_instance_each_have_their_whole_trace() {
    const REQUESTS: usize = 64;
    let lab = Lab::with(|config| {
        config.id_style = IdStyle::Managed;
        config.init_type = InitType::ManagedInstances { max_concurrency: 64 };
    })
    .await;
    let scripts = (0..REQUESTS).map(|number| {
        Script::new()
            .subsegment(&format!("{:016x}", number + 1), &format!("call {number}"))
            .work_ms(200)
            .subsegment(
                &format!("{:016x}", number + 0x1001),
                &format!("late call {number}"),
            )
    });
    let scripts: Vec<Script> = scripts.collect();
    let environment = std::sync::Arc::new(&lab.environment);
    let mut traces = Vec::new();
    for (number, invoked) in all(scripts
        .iter()
        .map(|script| environment.invoke(Request::json(script.event()))))
    .await
    .into_iter()
    .enumerate()
    {
        assert_eq!(
            (invoked.status, invoked.function_error),
            (200, None),
            "{}",
            lab.log()
        );
        traces.push((number, trace_of(&invoked)));
    }
    let xray = lab.xray.store().clone();
    let finished = lab.finish().await;
    for (number, id) in traces {
        let trace = xray.trace(id).expect("every request has its trace");
        let paths = Tree::of(trace.segments.iter().map(|segment| &segment.document)).paths();
        for call in ["call", "late call"] {
            let path = format!("AWS::Lambda > AWS::Lambda::Function > {call} {number}");
            assert!(paths.contains(&path), "{paths:?}");
        }
        assert!(
            !paths
                .iter()
                .any(|path| path.contains("call ") && !path.ends_with(&format!("call {number}"))),
            "{paths:?}"
        );
    }
    assert_eq!(xray.counts().repeated, 0);
    finished.assert_all_sent();
}

/// Every future's value, all of them run at once.
async fn all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures
        .into_iter()
        .map(|future| (Box::pin(future), None))
        .collect();
    std::future::poll_fn(|context| {
        for (future, value) in &mut pending {
            if value.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *value = Some(ready);
            }
        }
        if pending.iter().all(|(_, value)| value.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    pending.into_iter().filter_map(|(_, value)| value).collect()
}
