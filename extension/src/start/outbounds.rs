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
use crate::outbound::sender::Sender;
use crate::outbound::stdout::StdoutSender;
use crate::outbound::xray::XraySender;
use crate::outbound::{authorities, task};
use crate::pipeline::engine;
use crate::pipeline::lane::PerLane;
use crate::pipeline::outcome::Failure;
use crate::settings::{self, Settings};
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
    let lane = |outbound: &settings::Outbound| outbound_of(*outbound, settings, log);
    PerLane::of_all(lane(first), outbounds.map(lane))
}

fn outbound_of(outbound: settings::Outbound, settings: &Settings, log: Log) -> Outbound {
    let told = engine::Outbound {
        name: outbound.kind().name(),
        takes_tally: outbound.kind() == OutboundKind::Xray,
    };
    match outbound {
        settings::Outbound::Xray => {
            let endpoint = Endpoint::resolve(&settings.endpoint);
            let is_aws = endpoint.as_ref().is_ok_and(Endpoint::is_aws);
            let authorities = authorities(settings.authorities.as_deref(), log);
            let credentials = CredentialSource::new(settings.credentials.clone());
            let sender =
                endpoint.map(|endpoint| XraySender::new(endpoint, credentials).trusting(authorities));
            Outbound {
                told,
                is_aws,
                sender: sender
                    .map(|sender| Sender::Xray(Box::new(sender)))
                    .map_err(Failure::from),
            }
        }
        settings::Outbound::Daemon(address) => Outbound {
            told,
            is_aws: true,
            sender: Ok(Sender::Daemon(DaemonSender::new(address))),
        },
        settings::Outbound::Stdout => Outbound {
            told,
            is_aws: false,
            sender: Ok(Sender::Stdout(StdoutSender::default())),
        },
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
