//! From settings to a running application: sockets, registration, subscription, loop, in this order.
//!
//! Sockets come before registration so that the runtime, which starts after it, can never race us.

mod outbounds;

use std::hash::{BuildHasher, RandomState};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use model::size::ByteCount;
use model::time::Timestamp;
use model::wire::telemetry::{Delivery, InitKind};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::app::{App, Queues};
use crate::clock::Clock;
use crate::inbound::documents::DocumentListener;
use crate::inbound::otlp::SpanListener;
use crate::inbound::telemetry::TelemetryListener;
use crate::inbound::udp::DatagramSocket;
use crate::lambda::api::{Address, Api};
use crate::lambda::lifecycle::{self, Gate, Signal, Signals};
use crate::lambda::subscribe::{SubscribeError, subscribe};
use crate::limits::{DOCUMENT_QUEUE, SAMPLING_ASKS, SUBSCRIBE_MAX, TELEMETRY_QUEUE};
use crate::logging::{Level, Line, Log};
use crate::outbound::sampling::{self, Way};
use crate::pipeline::engine::{Config, Engine};
use crate::pipeline::event::Posted;
use crate::pipeline::identity::Emission;
use crate::pipeline::lane::PerLane;
use crate::pipeline::metrics::OwnInit;
use crate::pipeline::platform::Function;
use crate::proxy::listener::{Proxy, Route};
use crate::proxy::signs::{self, SignReceiver};
use crate::settings::{ProxySettings, Settings};
use outbounds::Outbound;

/// Attempts to register, and the pause between them. Without registration there is nothing to keep alive.
const REGISTER_ATTEMPTS: u32 = 3;
const REGISTER_PAUSE: Duration = Duration::from_millis(50);

/// Runs until SHUTDOWN. The program began at `began`.
pub async fn run(settings: Settings, log: Log, began: Timestamp) -> ExitCode {
    let address = match address_of_lambda(settings.sandbox.runtime_api.as_deref()) {
        Ok(address) => address,
        Err(line) => {
            log.always(line);
            return ExitCode::FAILURE;
        }
    };
    let socket = bind_socket(&settings, log);
    let documents = bind_documents(&settings, socket.as_ref(), log).await;
    let spans = bind_spans(&settings, log).await;
    let listener = bind_listener(log).await;
    // Here, and not beside the application: whatever becomes of that, the runtime talks through the proxy.
    let signs = start_proxy(&settings, log).await;
    let is_managed = settings.sandbox.init_kind == InitKind::ManagedInstances;

    let (signal_sender, signals) = mpsc::channel(1);
    let gates = Signals::new(signal_sender);
    let unattended_shutdown = gates.unattended_shutdown();
    let Some((extension_id, polling)) = register(&address, is_managed, &gates, log).await else {
        return ExitCode::FAILURE;
    };
    drop(gates);
    let registered = Clock.now().since(began);

    // From here on Lambda waits for us, so every outcome ends in polling: a defect ends the task, not the process.
    let (subscribed, is_settled) = oneshot::channel::<()>();
    let setup = Setup {
        settings,
        log,
        address,
        is_managed,
        began,
        registered,
        extension_id,
        socket,
        documents,
        spans,
        listener,
        signals,
        signs,
    };
    let tracing = tokio::spawn(trace(setup, subscribed));
    let finished = async {
        if tracing.await.is_err() {
            // Inert: the panic hook has said why. The poller finds nobody to take signals and goes on alone.
            unattended_shutdown.notified().await;
        }
    };
    let polling = async {
        // Records can only be subscribed to before the first next. A defect drops the other end.
        let _ = is_settled.await;
        polling.await;
    };
    tokio::select! {
        () = finished => {}
        () = polling => {}
    }
    ExitCode::SUCCESS
}

/// What the registered extension has to work with.
struct Setup {
    settings: Settings,
    log: Log,
    address: Address,
    is_managed: bool,
    began: Timestamp,
    registered: Duration,
    extension_id: String,
    socket: Option<DatagramSocket>,
    documents: Option<DocumentListener>,
    spans: Option<SpanListener>,
    listener: Option<TelemetryListener>,
    signals: mpsc::Receiver<(Signal, Gate)>,
    signs: Option<SignReceiver>,
}

/// Subscribes, builds the application and runs it until SHUTDOWN.
async fn trace(setup: Setup, subscribed: oneshot::Sender<()>) {
    let Setup {
        settings,
        log,
        address,
        is_managed,
        began,
        registered,
        extension_id,
        socket,
        documents,
        spans,
        listener,
        signals,
        signs,
    } = setup;
    settings.defect.inspect(|defect| defect.play_at_start());
    let (post, posted) = mpsc::channel(DOCUMENT_QUEUE);
    if let Some(spans) = spans {
        tokio::spawn(spans.serve(post.clone()));
    }
    let restored = Arc::<Notify>::default();
    if let Some(documents) = documents {
        serve_documents(documents, &settings, post, Arc::clone(&restored));
    }
    let (delivery_sender, deliveries) = mpsc::channel(TELEMETRY_QUEUE);
    let subscribed_to = listen(listener, Api::at(address), &extension_id, delivery_sender).await;
    let is_subscribed = subscribed_to.unwrap_or_else(|error| {
        let line = Line::new(Level::Warn, "no platform records; timings come from INVOKE alone");
        log.write(line.with("cause", error.to_string()));
        false
    });
    let own_init = OwnInit {
        registered,
        ready: Clock.now().since(began),
    };
    // The poller is gone only with the process.
    let _ = subscribed.send(());
    let lanes = outbounds::lanes(&settings, log);
    let engine = Engine::new(Config {
        own_init,
        ..config(&settings, is_managed, &lanes)
    });
    let files = outbounds::files(&settings);
    let outbounds = outbounds::start(lanes);
    let mut app = App::new(
        engine,
        socket,
        Queues {
            signals,
            posted,
            deliveries,
            outbounds,
            signs,
            restored,
        },
        log,
    );
    app.keep_files(files);
    app.inject(settings.defect);
    app.run(is_subscribed).await;
}

/// Serves the TCP side of the daemon's port, and answers samplers' questions.
fn serve_documents(
    documents: DocumentListener,
    settings: &Settings,
    posted: mpsc::Sender<Posted>,
    restored: Arc<Notify>,
) {
    let (asker, questions) = mpsc::channel(SAMPLING_ASKS);
    let way = Way {
        endpoint: settings.endpoint.clone(),
        credentials: settings.credentials.clone(),
        authorities: settings.authorities.clone(),
    };
    let queues = sampling::Queues {
        questions,
        restored,
        notes: posted.clone(),
    };
    tokio::spawn(sampling::work(way, queues));
    tokio::spawn(documents.serve(posted, asker));
}

fn address_of_lambda(text: Option<&str>) -> Result<Address, Line> {
    let Some(text) = text else {
        return Err(Line::new(
            Level::Error,
            "AWS_LAMBDA_RUNTIME_API is not set: this program is started by Lambda; on a laptop use `fluoroscope local`",
        ));
    };
    Address::read(text).map_err(|error| {
        let line = Line::new(
            Level::Error,
            "AWS_LAMBDA_RUNTIME_API is no address: expected host:port, or http:// in front of one with a path",
        );
        line.with("found", text).with("cause", error.to_string())
    })
}

fn config(settings: &Settings, is_managed: bool, lanes: &PerLane<Outbound>) -> Config {
    let aws = lanes.each().filter(|(_, outbound)| outbound.is_aws);
    Config {
        outbounds: lanes.map(|outbound| outbound.told),
        emission: Emission {
            setting: settings.platform_segments,
            aws: aws.map(|(lane, _)| lane).collect(),
            rescue: settings.rescue,
        },
        flush: settings.flush,
        is_managed,
        function: Function {
            name: settings.sandbox.function_name.clone(),
            log_group: settings.sandbox.log_group.clone(),
            memory_mb: settings.sandbox.memory_mb,
        },
        spool_budget: settings.spool_budget,
        process_budget: settings.process_budget,
        metrics: settings.metrics,
        own_init: OwnInit::default(),
        spills: settings.spill_limit > ByteCount::ZERO,
        // Seeded by the system for every process; no secret, only different.
        seed: RandomState::new().hash_one(0),
    }
}

fn bind_socket(settings: &Settings, log: Log) -> Option<DatagramSocket> {
    match DatagramSocket::bind(settings.udp_address) {
        Ok(socket) => Some(socket),
        Err(error) => {
            let line = Line::new(
                Level::Warn,
                "cannot receive segments: the address is taken or not ours; set FLUOROSCOPE_UDP_ADDRESS and the \
                 function's AWS_XRAY_DAEMON_ADDRESS to a free one",
            );
            log.write(
                line.with("address", settings.udp_address.to_string())
                    .with("cause", error.to_string()),
            );
            None
        }
    }
}

/// The TCP side of the same port, which takes what no datagram carries.
async fn bind_documents(
    settings: &Settings,
    socket: Option<&DatagramSocket>,
    log: Log,
) -> Option<DocumentListener> {
    // The system may have chosen the port.
    let address = socket.and_then(|socket| socket.address().ok());
    let address = address.unwrap_or(settings.udp_address);
    match DocumentListener::bind(address).await {
        Ok(listener) => Some(listener),
        Err(error) => {
            let line = Line::new(
                Level::Warn,
                "cannot receive segments over TCP: the port is taken; set FLUOROSCOPE_UDP_ADDRESS and the function's \
                 AWS_XRAY_DAEMON_ADDRESS to a free one, or send them as datagrams",
            );
            log.write(
                line.with("address", address.to_string())
                    .with("cause", error.to_string()),
            );
            None
        }
    }
}

/// OpenTelemetry's port, unless nobody wants it.
async fn bind_spans(settings: &Settings, log: Log) -> Option<SpanListener> {
    let address = settings.otlp_address?;
    match SpanListener::bind(address).await {
        Ok(listener) => Some(listener),
        Err(error) => {
            let line = Line::new(
                Level::Warn,
                "cannot receive spans over OTLP: the address is taken; set FLUOROSCOPE_OTLP_ADDRESS and the function's \
                 OTEL_EXPORTER_OTLP_ENDPOINT to a free one, or FLUOROSCOPE_OTLP_ADDRESS to off",
            );
            log.write(
                line.with("address", address.to_string())
                    .with("cause", error.to_string()),
            );
            None
        }
    }
}

async fn bind_listener(log: Log) -> Option<TelemetryListener> {
    match TelemetryListener::bind().await {
        Ok(listener) => Some(listener),
        Err(error) => {
            let line = Line::new(
                Level::Warn,
                "no port for the Telemetry API; platform timings will be rough",
            );
            log.write(line.with("cause", error.to_string()));
            None
        }
    }
}

/// Serves the runtime, if that is wanted and possible; what is seen of it then comes out here.
async fn start_proxy(settings: &Settings, log: Log) -> Option<SignReceiver> {
    let ProxySettings { address, sample_rate } = settings.proxy?;
    let (signs, receiver) = signs::channel();
    let route = Route {
        runtime_api: settings.sandbox.runtime_api.clone()?,
        rate: sample_rate,
        signs,
        defect: settings.defect,
    };
    match Proxy::bind(address, route).await {
        Ok(proxy) => {
            tokio::spawn(proxy.serve());
            Some(receiver)
        }
        Err(error) => {
            let line = Line::new(
                Level::Warn,
                "no Runtime API proxy: the address is taken or not ours; set FLUOROSCOPE_PROXY_ADDRESS to a free one",
            );
            log.write(
                line.with("address", address.to_string())
                    .with("cause", error.to_string()),
            );
            None
        }
    }
}

async fn register(
    address: &Address,
    is_managed: bool,
    signals: &Signals,
    log: Log,
) -> Option<(String, impl Future<Output = ()> + use<>)> {
    for attempt in 1..=REGISTER_ATTEMPTS {
        match lifecycle::register(address.clone(), is_managed, signals.clone()).await {
            Ok(registered) => return Some(registered),
            Err(error) => {
                let line = Line::new(Level::Error, "could not register with Lambda");
                log.always(line.with("attempt", attempt).with("cause", error.to_string()));
            }
        }
        tokio::time::sleep(REGISTER_PAUSE).await;
    }
    None
}

/// Serves deliveries if records will come. Whether they will.
async fn listen(
    listener: Option<TelemetryListener>,
    mut api: Api,
    extension_id: &str,
    deliveries: mpsc::Sender<Delivery>,
) -> Result<bool, SubscribeError> {
    let Some((port, listener)) = listener.and_then(|listener| Some((listener.port().ok()?, listener))) else {
        return Ok(false);
    };
    let serving = tokio::spawn(listener.serve(deliveries));
    let answer = tokio::time::timeout(SUBSCRIBE_MAX, subscribe(&mut api, extension_id, port)).await;
    let silent = SubscribeError::Silent {
        waited: SUBSCRIBE_MAX,
    };
    match answer.unwrap_or(Err(silent)) {
        Ok(()) => Ok(true),
        Err(error) => {
            serving.abort();
            Err(error)
        }
    }
}
