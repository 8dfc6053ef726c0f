//! Serves the API on an address until it is told to stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use model::time::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::api::operation::{Api, answer};
use crate::faults::Faults;
use crate::limits::{Limits, STOP_GRACE};
use crate::store::Store;

/// A backend that serves. Dropping it ends it without waiting for answers under way.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    api: Api,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<io::Result<()>>,
}

/// Serves the X-Ray API on `address`; port 0 picks a free one.
pub async fn serve(address: SocketAddr, limits: Limits) -> io::Result<Running> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let api = Api {
        store: Arc::new(Store::new(limits)),
        faults: Arc::default(),
        now: wall_clock,
    };
    let router = Router::new().fallback(answer).with_state(api.clone());
    let (stop, stopped) = oneshot::channel();
    let served = axum::serve(listener, router).with_graceful_shutdown(async {
        // A sender that was dropped is no order to stop: `Running` aborts the task itself.
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
    });
    let task = tokio::spawn(async move { served.await });
    Ok(Running {
        address,
        api,
        stop: Some(stop),
        task,
    })
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL for `AWS_ENDPOINT_URL_XRAY`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it holds.
    pub fn store(&self) -> &Arc<Store> {
        &self.api.store
    }

    /// Answers for a test to ask for.
    pub fn faults(&self) -> &Faults {
        &self.api.faults
    }

    /// Stops accepting, lets answers under way finish for a moment, and ends.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            _ = stop.send(());
        }
        _ = tokio::time::timeout(STOP_GRACE, &mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A clock before 1970 reads as 1970.
fn wall_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(0).after(since_epoch)
}

#[cfg(test)]
mod tests;
