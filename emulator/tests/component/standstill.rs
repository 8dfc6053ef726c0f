//! A standstill at any moment: of everything or of a part, whatever goes on.

use std::sync::Arc;

use emulator::{Environment, Invoked, Part, Reason, Request, What};
use tokio::task::JoinHandle;

use crate::support::*;

fn call(environment: &Arc<Environment>, event: &'static str) -> JoinHandle<Invoked> {
    let environment = Arc::clone(environment);
    tokio::spawn(async move { environment.invoke(Request::json(event)).await })
}

/// The states of extension and runtime once both are so.
async fn states(environment: &Environment, wanted: [char; 2]) {
    let pids = pids(&environment.journal());
    let state = |name: &str| {
        let process = pids.iter().rev().find(|(known, _)| known == name);
        process.and_then(|(_, pid)| process_state(*pid))
    };
    // A process that runs shows as sleeping most of the time, and never as stopped.
    let is_so = |name, wanted| state(name).is_some_and(|state| (state == 'T') == (wanted == 'T'));
    until(|| is_so("extension", wanted[0]) && is_so("runtime", wanted[1])).await;
}

#[tokio::test]
async fn a_standstill_inside_an_invocation_stops_every_process_and_the_answer_comes_after_it() {
    let environment = Arc::new(start(function().with_extension(extension(&[]))).await);
    environment.invoke(Request::json("{}")).await;
    let caller = call(&environment, r#"{"seconds":0.2}"#);
    see(&environment, |what| *what == What::Thawed).await;
    environment.suspend(Part::Everything).await;
    states(&environment, ['T', 'T']).await;
    environment.resume().await;
    assert_eq!(caller.await.unwrap().status, 200);
    let entries = environment.journal();
    let position = |wanted: &What| entries.iter().rposition(|entry| entry.what == *wanted).unwrap();
    let part = Part::Everything;
    let ended = entries
        .iter()
        .rposition(|entry| matches!(entry.what, What::Responded { .. }));
    let ended = ended.unwrap();
    assert!(position(&What::Suspended { part }) < position(&What::Resumed));
    assert!(position(&What::Resumed) < ended, "nothing ran in between");
}

#[tokio::test]
async fn a_part_stands_still_alone_and_a_second_standstill_ends_the_first() {
    let environment = Arc::new(start(function().with_extension(extension(&[]))).await);
    environment.invoke(Request::json("{}")).await;
    let caller = call(&environment, r#"{"do":"hang"}"#);
    see(&environment, |what| *what == What::Thawed).await;
    environment.suspend(Part::Extensions).await;
    states(&environment, ['T', 'S']).await;
    environment.suspend(Part::Runtime).await;
    states(&environment, ['S', 'T']).await;
    environment.stop(Reason::Spindown).await;
    assert_eq!(caller.await.unwrap().status, 503);
    assert!(
        pids(&environment.journal())
            .iter()
            .all(|(_, pid)| process_state(*pid).is_none())
    );
}

#[tokio::test]
async fn what_the_environment_has_frozen_stays_so_when_a_standstill_ends() {
    let environment = start(function().with_extension(extension(&[]))).await;
    environment.invoke(Request::json("{}")).await;
    see(&environment, |what| *what == What::Frozen).await;
    environment.suspend(Part::Everything).await;
    environment.resume().await;
    states(&environment, ['T', 'T']).await;
    assert_eq!(environment.invoke(Request::json("{}")).await.status, 200);
    environment.shutdown(Reason::Spindown).await;
}

#[tokio::test]
async fn processes_that_start_during_a_standstill_stand_still_too() {
    let environment = Arc::new(start(function().with_extension(extension(&[]))).await);
    environment.suspend(Part::Everything).await;
    let caller = call(&environment, "{}");
    see(&environment, |what| matches!(what, What::ProcessStarted { .. })).await;
    let (_, pid) = pids(&environment.journal())[0].clone();
    until(|| process_state(pid) == Some('T')).await;
    environment.resume().await;
    assert_eq!(caller.await.unwrap().status, 200);
    environment.stop(Reason::Spindown).await;
}
