//! A destination that fails as networks fail: an X-Ray by hand, on a raw socket, which plays a script.
//!
//! Each call of PutTraceSegments takes the next [`Act`] of the script, whichever connection it comes on; when the
//! script is over, calls get [`Destination::otherwise`]. What becomes of a connection before its first call is the
//! [`Door`]'s. Everything is recorded, so that a test can tell whether each document was taken once, or why not.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use emulator::{Config, InitAt, InitType};
use serde_json::Value;
use tokio::net::TcpSocket;
use tokio::sync::watch;

use self::door::Doorkeeper;
use self::state::State;
use self::tls::Authority;
use crate::lab::BOUND;

mod act;
mod door;
mod exchange;
mod http;
mod record;
mod state;
mod tls;

pub use self::act::{Act, CODES_FOR_EVER, CODES_FOR_LATER};
pub use self::door::Door;
pub use self::record::{Asked, Call, Document, Handshakes, Received};
pub use self::tls::Certificate;

/// How long ago the version was published that a snapshot was made of.
const SNAPSHOT_AGE: Duration = Duration::from_secs(24 * 3600);

/// The destination; it ends with the test's runtime.
pub struct Destination {
    address: SocketAddr,
    state: Arc<State>,
    doorkeeper: Doorkeeper,
    authority: Option<Authority>,
    /// Holds the port while nobody listens on it.
    _port: TcpSocket,
}

impl Destination {
    /// A healthy one, over plain HTTP.
    pub async fn start() -> Self {
        Self::open(None).await
    }

    /// A healthy one over TLS; its certificate is vouched for by [`Self::authority`] alone.
    pub async fn with_tls() -> Self {
        Self::open(Some(Authority::new())).await
    }

    async fn open(authority: Option<Authority>) -> Self {
        let port = TcpSocket::new_v4().expect("there are sockets");
        port.set_reuseaddr(true).expect("it is a fresh socket");
        port.bind((Ipv4Addr::LOCALHOST, 0).into())
            .expect("loopback has a free port");
        let address = port.local_addr().expect("it is bound");
        let state = Arc::new(State::default());
        if let Some(authority) = &authority {
            state.present(authority.certified(Certificate::Good));
        }
        let doorkeeper = Doorkeeper::start(address, Arc::clone(&state));
        let destination = Self {
            address,
            state,
            doorkeeper,
            authority,
            _port: port,
        };
        destination.door(Door::Open).await;
        destination
    }

    /// What to give to the extension as X-Ray's address.
    pub fn url(&self) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The same by a name of this machine.
    pub fn url_of(&self, name: &str) -> String {
        self.url().replacen("127.0.0.1", name, 1)
    }

    /// Where container credentials are given out.
    pub fn credentials_url(&self) -> String {
        format!("{}/credentials", self.url())
    }

    /// A function made from a snapshot, which sends here with the credentials that are given out here.
    pub fn of_restored_function(&self) -> impl FnOnce(&mut Config) + use<> {
        let (url, credentials) = (self.url(), self.credentials_url());
        move |config| {
            config.init_type = InitType::SnapStart {
                published: SNAPSHOT_AGE,
            };
            config.init_at = InitAt::Start;
            config.variables.insert("AWS_ENDPOINT_URL_XRAY".into(), url);
            config
                .variables
                .insert("AWS_CONTAINER_CREDENTIALS_FULL_URI".into(), credentials);
        }
    }

    /// The file with the certificate that vouches for this destination's.
    ///
    /// # Panics
    /// Over plain HTTP there is none.
    pub fn authority(&self) -> &Path {
        self.authority
            .as_ref()
            .expect("this destination speaks TLS")
            .file()
    }

    /// Calls to come get these acts, one each, after those that are left.
    pub fn script(&self, acts: impl IntoIterator<Item = Act>) {
        self.state.change(|inner| inner.script.extend(acts));
    }

    /// What calls get when the script is over; at first all is well.
    pub fn otherwise(&self, act: Act) {
        self.state.change(|inner| inner.otherwise = act);
    }

    /// Forgets the rest of the script: all is well from now on.
    pub fn mend(&self) {
        self.state.change(|inner| {
            inner.script.clear();
            inner.otherwise = Act::Take;
        });
    }

    /// What becomes of connections from now on. Those that are there stay.
    pub async fn door(&self, door: Door) {
        self.doorkeeper.set(door).await;
    }

    /// Ends every connection in good order, as a peer does with those that are idle.
    pub async fn hang_up(&self) {
        let open = self.received().connections;
        self.state.hang_up();
        self.wait_until("the end of the connections", |received| {
            (received.ended >= open).then_some(())
        })
        .await;
    }

    /// The certificate of connections from now on.
    ///
    /// # Panics
    /// Over plain HTTP there is none.
    pub fn present(&self, certificate: Certificate) {
        let authority = self.authority.as_ref().expect("this destination speaks TLS");
        self.state.present(authority.certified(certificate));
    }

    /// Sets the clock this many seconds ahead (or back). Signatures more than five minutes off are refused as AWS
    /// refuses them.
    pub fn set_clock(&self, ahead_s: i64) {
        self.state.change(|inner| inner.ahead_s = ahead_s);
    }

    /// Signatures of this key are refused from now on: it has expired.
    pub fn expire(&self, key: &str) {
        self.state.change(|inner| {
            inner.expired_keys.insert(key.to_owned());
        });
    }

    /// Signatures of the key that was used last are refused from now on.
    pub fn expire_last(&self) {
        self.state.change(|inner| {
            let last = inner
                .received
                .calls
                .iter()
                .rev()
                .find(|call| !call.key.is_empty());
            inner.expired_keys.extend(last.map(|call| call.key.clone()));
        });
    }

    /// Container credentials to give out, one after another; the last one stays.
    pub fn give_out<'a>(&self, keys: impl IntoIterator<Item = &'a str>) {
        let keys = keys.into_iter().map(str::to_owned);
        self.state.change(|inner| inner.keys = keys.collect());
    }

    /// What samplers hear that ask for this path, from now on.
    pub fn answer_samplers(&self, path: &str, status: u16, body: Value) {
        self.state.change(|inner| {
            inner.for_samplers.insert(path.to_owned(), (status, body));
        });
    }

    /// Everything that came so far.
    pub fn received(&self) -> Received {
        self.state.received()
    }

    /// Waits until something was received.
    ///
    /// # Panics
    /// If it is not within [`BOUND`].
    pub async fn wait_until<T>(&self, what: &str, seen: impl Fn(&Received) -> Option<T>) -> T {
        let mut changes: watch::Receiver<u64> = self.state.changes();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                if let Some(value) = seen(&self.received()) {
                    return value;
                }
                changes.changed().await.expect("the state outlives its readers");
            }
        };
        match tokio::time::timeout(BOUND, waiting).await {
            Ok(value) => value,
            Err(_) => panic!("{what} did not come: {:#?}", self.received()),
        }
    }
}
