//! Takes the runtime's connections, each with one of its own to the Runtime API.
//!
//! Connections are paired one to one, so that whatever one side does to its connection the other sees.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::probe;
use super::signs::SignSender;
use super::tunnel::{self, Watcher};
use crate::defect::Defect;
use crate::limits::{PROXY_ACCEPT_PAUSE, PROXY_CONNECT_ATTEMPTS, PROXY_CONNECTIONS};
use crate::pipeline::sampling::SampleRate;

/// What every connection needs.
pub struct Route {
    /// `AWS_LAMBDA_RUNTIME_API` as the extension has it.
    pub runtime_api: String,
    /// The share of undecided traces to record; none leaves every decision alone.
    pub rate: Option<SampleRate>,
    /// To the engine.
    pub signs: SignSender,
    /// A defect to play, in debug builds only.
    pub defect: Option<Defect>,
}

/// A bound proxy.
pub struct Proxy {
    listener: TcpListener,
    route: Route,
}

impl Proxy {
    /// Binds the address. From here on connections wait to be accepted.
    ///
    /// # Errors
    /// The address is taken or not ours.
    pub async fn bind(address: SocketAddr, route: Route) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, route })
    }

    /// Serves for ever. A defect of the loop costs a pause, in which connections wait.
    pub async fn serve(self) {
        let (listener, route) = (Arc::new(self.listener), Arc::new(self.route));
        for attempt in 1_u32.. {
            let accepting = accept(Arc::clone(&listener), Arc::clone(&route), attempt);
            // It ends only by a panic, which the hook has told.
            let _ = tokio::spawn(accepting).await;
            tokio::time::sleep(PROXY_ACCEPT_PAUSE).await;
        }
    }
}

async fn accept(listener: Arc<TcpListener>, route: Arc<Route>, attempt: u32) {
    let connections = Arc::new(Semaphore::new(PROXY_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        route.defect.inspect(|defect| defect.play_in_accept(attempt));
        // A failed accept (out of descriptors) passes.
        let Ok((runtime, _)) = listener.accept().await else {
            tokio::time::sleep(PROXY_ACCEPT_PAUSE).await;
            continue;
        };
        let route = Arc::clone(&route);
        tokio::spawn(async move {
            // A broken connection is told to the other side by closing it.
            let _ = serve(&runtime, &route).await;
            drop(place);
        });
    }
}

async fn serve(runtime: &TcpStream, route: &Route) -> io::Result<()> {
    let api = connect(&route.runtime_api).await?;
    // Small messages back and forth: waiting to fill a packet would cost 40 ms.
    sockopt::set_tcp_nodelay(runtime, true)?;
    sockopt::set_tcp_nodelay(&api, true)?;
    let mut first = [0; probe::QUESTION.len()];
    let count = runtime.peek(&mut first).await?;
    if first.get(..count) == Some(probe::QUESTION) {
        runtime.try_read(&mut first)?;
        runtime.try_write(probe::answer(&route.runtime_api).as_bytes())?;
        return Ok(());
    }
    let watcher = Watcher::new(route.rate, route.signs.clone(), route.defect);
    tunnel::run(runtime, &api, watcher).await
}

/// Connects to the Runtime API, more than once if need be: the runtime takes a refusal for the end of everything.
async fn connect(runtime_api: &str) -> io::Result<TcpStream> {
    let without_scheme = runtime_api.strip_prefix("http://").unwrap_or(runtime_api);
    let authority = without_scheme.split('/').next().unwrap_or_default();
    for _ in 1..PROXY_CONNECT_ATTEMPTS {
        if let Ok(api) = TcpStream::connect(authority).await {
            return Ok(api);
        }
        tokio::time::sleep(PROXY_ACCEPT_PAUSE).await;
    }
    TcpStream::connect(authority).await
}

#[cfg(test)]
mod tests;
