//! From settings to outbounds at work: for each a lane, a task of its own, and files of its own.

use std::path::Path;

use model::size::ByteCount;
use rustls::RootCertStore;
use tokio::sync::mpsc;

use crate::app::End;
use crate::logging::{Level, Line, Log};
use crate::outbound::credentials::CredentialSource;
use crate::outbound::daemon::DaemonSender;
use crate::outbound::endpoint::Endpoint;
use crate::outbound::error::one_line;
use crate::outbound::kind::OutboundKind;
use crate::outbound::otlp::OtlpSender;
use crate::outbound::sender::Sender;
use crate::outbound::spans::{Function, Words};
use crate::outbound::stdout::StdoutSender;
use crate::outbound::xray::XraySender;
use crate::outbound::{authorities, task};
use crate::pipeline::engine;
use crate::pipeline::lane::PerLane;
use crate::pipeline::outcome::Failure;
use crate::settings::{self, OtlpDestination, Settings};
use crate::spill::store::Store;

/// Jobs the engine can have outstanding with each outbound: one call, one account and one word to forget.
const JOBS: usize = 4;

/// An outbound that has not begun to work.
pub(super) struct Outbound {
    /// What the engine is told of it.
    pub(super) told: engine::Outbound,
    /// Whether it ends at AWS's own X-Ray, where Lambda's segments arrive as well.
    pub(super) is_aws: bool,
    sender: Result<Sender, Failure>,
}

/// The outbounds that were asked for, in this order. Nothing is connected yet.
pub(super) fn lanes(settings: &Settings, log: Log) -> PerLane<Outbound> {
    let mut outbounds = settings.outbounds.iter();
    let first = outbounds.next().unwrap_or(&settings::Outbound::Xray);
    let lane = |outbound: &settings::Outbound| outbound_of(outbound, settings, log);
    PerLane::of_all(lane(first), outbounds.map(lane))
}

fn outbound_of(outbound: &settings::Outbound, settings: &Settings, log: Log) -> Outbound {
    let mut is_aws = false;
    let sender = match outbound {
        settings::Outbound::Xray | settings::Outbound::XrayOtlp(_) => Endpoint::resolve(&settings.endpoint)
            .map(|endpoint| {
                is_aws = endpoint.is_aws();
                to_xray(outbound, endpoint, settings, log)
            }),
        settings::Outbound::Otlp(OtlpDestination {
            url,
            headers,
            packing,
        }) => {
            let sender = OtlpSender::new(url.clone(), headers.clone(), words(settings))
                .packing(*packing)
                .trusting(authorities(settings.authorities.as_deref(), log));
            Ok(Sender::Otlp(Box::new(sender)))
        }
        settings::Outbound::Daemon(address) => {
            is_aws = true;
            Ok(Sender::Daemon(DaemonSender::new(*address)))
        }
        settings::Outbound::Stdout => {
            let sender = StdoutSender::default().translating(settings.translation.clone());
            Ok(Sender::Stdout(sender))
        }
    };
    Outbound {
        told: engine::Outbound {
            name: outbound.kind().name(),
            takes_tally: outbound.kind() == OutboundKind::Xray,
        },
        is_aws,
        sender: sender.map_err(Failure::from),
    }
}

fn to_xray(outbound: &settings::Outbound, endpoint: Endpoint, settings: &Settings, log: Log) -> Sender {
    let authorities = authorities(settings.authorities.as_deref(), log);
    let credentials = CredentialSource::new(settings.credentials.clone());
    match outbound {
        settings::Outbound::XrayOtlp(packing) => {
            let sender = OtlpSender::to_xray(&endpoint, credentials, words(settings));
            Sender::Otlp(Box::new(sender.packing(*packing).trusting(authorities)))
        }
        _ => {
            let sender = XraySender::new(endpoint, credentials).translating(settings.translation.clone());
            Sender::Xray(Box::new(sender.trusting(authorities)))
        }
    }
}

/// How documents are said in OpenTelemetry's words.
fn words(settings: &Settings) -> Words {
    let sandbox = &settings.sandbox;
    Words {
        function: Function {
            service: sandbox.service.clone(),
            name: sandbox.function_name.clone(),
            version: sandbox.version.clone(),
            region: settings.endpoint.region.clone(),
            memory_mb: sandbox.memory_mb,
            log_group: sandbox.log_group.clone(),
        },
        ..Words::default()
    }
}

/// Has each work on its own.
pub(super) fn start(lanes: PerLane<Outbound>) -> PerLane<End> {
    lanes.into_map(|Outbound { sender, .. }| {
        let (jobs, job_receiver) = mpsc::channel(JOBS);
        let (done_sender, done) = mpsc::channel(JOBS);
        tokio::spawn(task::work(sender, job_receiver, done_sender));
        End::new(jobs, done)
    })
}

/// Files for each. The first has the name that it had when it was the only one, and finds what was left by those that
/// are there no more.
pub(super) fn files(settings: &Settings) -> PerLane<Store> {
    let Settings {
        outbounds, temporary, ..
    } = settings;
    let count = u64::try_from(outbounds.len()).unwrap_or(1).max(1);
    let limit = ByteCount::bytes(settings.spill_limit.get() / count);
    let others = outbounds.iter().skip(1);
    let is_other = |kind: &OutboundKind| others.clone().any(|other| other.kind() == *kind);
    let gone = OutboundKind::ALL.into_iter().filter(|kind| !is_other(kind));
    let first = gone.fold(Store::new(temporary, limit), |store, kind| {
        store.heir_of(temporary, kind.name())
    });
    let others = others.clone();
    PerLane::of_all(
        first,
        others.map(|other| Store::of_lane(temporary, limit, other.kind().name())),
    )
}

/// Authorities of the operator's own, if there are any.
fn authorities(path: Option<&Path>, log: Log) -> RootCertStore {
    let Some(path) = path else {
        return RootCertStore::empty();
    };
    let (store, error) = authorities::read(path);
    if let Some(error) = error {
        log.write(Line::new(Level::Warn, one_line(&error)));
    }
    store
}
