//! The end of an environment.

use std::time::Duration;

use emulator::{Exit, Faults, Reason, Request, What};

use crate::support::*;

#[tokio::test]
async fn shutdown_ends_the_runtime_first_and_an_extension_that_obeys_ends_by_itself() {
    let environment = start(function().with_extension(extension(&[]))).await;
    environment.invoke(Request::json("{}")).await;
    let shutdown = environment.shutdown(Reason::Spindown).await;
    let [extension, runtime] = &shutdown.processes[..] else {
        panic!("{:?}", shutdown.processes)
    };
    assert_eq!((&*extension.name, &*runtime.name), ("extension", "runtime"));
    assert_eq!((extension.exit, extension.by_itself), (Exit::Code(0), true));
    assert_eq!(
        (runtime.exit, runtime.by_itself),
        (Exit::Signal(15), true),
        "Python dies of SIGTERM"
    );
    assert!(runtime.within < extension.within);
}

#[tokio::test]
async fn an_extension_that_ignores_shutdown_is_killed_at_the_deadline() {
    let faults = Faults {
        shutdown_budget: Some(Duration::from_millis(600)),
        ..Faults::default()
    };
    let environment = start(
        function()
            .with_extension(extension(&["--ignore-shutdown"]))
            .with_faults(faults),
    )
    .await;
    environment.invoke(Request::json("{}")).await;
    let shutdown = environment.shutdown(Reason::Spindown).await;
    let extension = &shutdown.processes[0];
    assert_eq!((extension.exit, extension.by_itself), (Exit::Signal(9), false));
    assert!(
        extension.within >= Duration::from_millis(600),
        "{:?}",
        extension.within
    );
}

#[tokio::test]
async fn an_extension_that_did_not_ask_for_shutdown_is_killed_at_once() {
    let environment = start(function().with_extension(extension(&["--events", "INVOKE"]))).await;
    environment.invoke(Request::json("{}")).await;
    let shutdown = environment.shutdown(Reason::Spindown).await;
    assert_eq!(
        (shutdown.processes[0].exit, shutdown.processes[0].by_itself),
        (Exit::Signal(9), false)
    );
    assert!(shutdown.took < Duration::from_secs(2), "{:?}", shutdown.took);
}

#[tokio::test]
async fn the_reason_can_be_any_text() {
    let faults = Faults {
        shutdown_reason: Some("SandboxTerminated".to_owned()),
        ..Faults::default()
    };
    let environment = start(function().with_extension(extension(&[])).with_faults(faults)).await;
    environment.invoke(Request::json("{}")).await;
    let shutdown = environment.shutdown(Reason::Spindown).await;
    assert_eq!(
        said_about(&shutdown.logs, "event")[1]["event"]["shutdownReason"],
        "SandboxTerminated"
    );
}

#[tokio::test]
async fn a_shutdown_during_an_invocation_gives_it_up() {
    let environment = std::sync::Arc::new(start(function().with_timeout(Duration::from_secs(60))).await);
    let caller = tokio::spawn({
        let environment = std::sync::Arc::clone(&environment);
        async move { environment.invoke(Request::json(r#"{"do":"hang"}"#)).await.status }
    });
    see(
        &environment,
        |what| matches!(what, What::Released { to, .. } if &**to == "runtime"),
    )
    .await;
    environment.stop(Reason::Spindown).await;
    assert_eq!(caller.await.unwrap(), 503);
}

#[tokio::test]
async fn an_invocation_that_is_answered_ends_before_the_shutdown_begins() {
    let faults = Faults {
        invoke_event_delay: Duration::from_millis(500),
        ..Faults::default()
    };
    let environment = start(function().with_extension(extension(&[])).with_faults(faults)).await;
    environment.invoke(Request::json("{}")).await;
    let entries = environment.journal();
    assert_eq!(
        count(&entries, |what| matches!(what, What::InvocationEnded { .. })),
        0,
        "still with the extension"
    );
    environment.stop(Reason::Spindown).await;
    let entries = environment.journal();
    let position =
        |wanted: &dyn Fn(&What) -> bool| entries.iter().position(|entry| wanted(&entry.what)).unwrap();
    let ended = position(&|what| {
        matches!(
            what,
            What::InvocationEnded {
                status: "success",
                ..
            }
        )
    });
    assert!(ended < position(&|what| matches!(what, What::ShutdownSent { .. })));
}

#[tokio::test]
async fn dropping_an_environment_kills_its_processes() {
    let environment = start(function().with_extension(extension(&[]))).await;
    environment.invoke(Request::json("{}")).await;
    let pids = pids(&environment.journal());
    drop(environment);
    until(|| {
        pids.iter()
            .all(|(_, pid)| matches!(process_state(*pid), None | Some('Z')))
    })
    .await;
}
