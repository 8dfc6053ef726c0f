//! Real runtime clients on the lab's stage, and the traces they leave.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use backend::store::Store;
use backend::{Limits, Running};
use emulator::{Config, FunctionCommand, Invoked, Request};
use model::ids::TraceId;
use serde_json::Value;
use tests::lab::{Finished, Lab, trace_of};
use tests::tree::Tree;

/// Interpreters start slowly on a busy machine, and no test here is about the timeout.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An X-Ray API that outlives the lab, for those who read over HTTP what it left.
pub(crate) async fn xray() -> Running {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    backend::serve(any_port, Limits::default())
        .await
        .expect("loopback has a free port")
}

/// A function: the command of its runtime client, its handler, and the folder with its code.
pub(crate) struct Function {
    /// What the environment starts.
    pub(crate) command: FunctionCommand,
    /// `_HANDLER`.
    pub(crate) handler: String,
    /// `LAMBDA_TASK_ROOT`.
    pub(crate) folder: PathBuf,
}

impl Function {
    /// Makes it the function of an environment.
    pub(crate) fn play(self, config: &mut Config) {
        config.function = self.command;
        config.handler = self.handler;
        config.task_root = Some(self.folder);
        config.timeout = TIMEOUT;
        config.init_limit = TIMEOUT;
    }
}

/// What is left at the end: the account, and each invocation's trace.
pub(crate) struct Ended {
    /// The lab's findings.
    pub(crate) finished: Finished,
    store: Arc<Store>,
}

/// Ends the environment, with every document accounted for.
pub(crate) async fn end(lab: Lab) -> Ended {
    let store = Arc::clone(lab.xray.store());
    Ended {
        finished: lab.finish().await,
        store,
    }
}

impl Ended {
    /// The trace of one invocation.
    #[track_caller]
    pub(crate) fn trace(&self, id: TraceId) -> Tree {
        trace(&self.store, id)
    }
}

/// The trace as the backend holds it.
#[track_caller]
pub(crate) fn trace(store: &Store, id: TraceId) -> Tree {
    let trace = store
        .trace(id)
        .unwrap_or_else(|| panic!("the backend holds no trace {id}"));
    Tree::of(trace.segments.iter().map(|segment| &segment.document))
}

/// Invokes the function, which has to succeed, and returns the trace's id.
pub(crate) async fn succeed(lab: &Lab, event: &Value) -> TraceId {
    let invoked = invoke(lab, event).await;
    assert_eq!(invoked.function_error, None, "{}\n{}", invoked.text(), lab.log());
    trace_of(&invoked)
}

/// Invokes the function, which has to report an error, and returns the trace's id.
pub(crate) async fn fail(lab: &Lab, event: &Value) -> TraceId {
    let invoked = invoke(lab, event).await;
    assert_eq!(
        invoked.function_error,
        Some("Unhandled"),
        "{}\n{}",
        invoked.text(),
        lab.log()
    );
    trace_of(&invoked)
}

async fn invoke(lab: &Lab, event: &Value) -> Invoked {
    let invoked = lab.environment.invoke(Request::json(event.to_string())).await;
    assert_eq!(invoked.status, 200, "{}\n{}", invoked.text(), lab.log());
    invoked
}
