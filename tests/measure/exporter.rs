//! Spans as SDKs export them. What is sent is made before the clock runs.

use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use model::ids::{SegmentId, TraceId};
use model::otlp::request::{Group, Writer};
use model::otlp::span::{Attribute, Kind, Resource, Scope, Span};
use model::otlp::{datagram, encode};

use crate::Outcome;

/// What stands before every datagram to the daemon's port.
const DAEMON_HEADER: &[u8] = b"{\"format\":\"json\",\"version\":1}\n";
const START_UNIX_NANO: u64 = 1_700_000_000_000_000_000;
const TOOK_NANOS: u64 = 12_345_678;

/// How spans come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// `POST /v1/traces` in protobuf, one call after the other over one connection.
    Http,
    /// Datagrams to the daemon's port, as fast as the sender can.
    Datagrams,
}

/// Spans that are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spans {
    /// Their trace, and the span they hang under.
    pub(crate) trace: TraceId,
    pub(crate) parent: SegmentId,
    /// The id of the first one; each further one is one more.
    pub(crate) first_id: u32,
    /// How many, and how many in one call or datagram.
    pub(crate) spans: u32,
    pub(crate) at_once: u32,
}

impl Spans {
    /// Export requests of them.
    fn requests(self) -> Vec<Vec<u8>> {
        let mut bytes = (Vec::new(), Vec::new());
        encode::resource(&resource(), &mut bytes.0);
        encode::scope(&scope(), &mut bytes.1);
        let group = Group::around([&bytes.0, b""], [&bytes.1, b""]);
        let ids: Vec<u32> = (self.first_id..self.first_id + self.spans).collect();
        let request = |ids: &[u32]| {
            let mut request = Writer::default();
            request.begin(&group);
            ids.iter().for_each(|id| request.span(&self.span(*id)));
            request.finish()
        };
        let at_once = usize::try_from(self.at_once).unwrap_or(usize::MAX);
        ids.chunks(at_once).map(request).collect()
    }

    /// A call of an HTTP client, as instrumentations record it.
    fn span(self, id: u32) -> Vec<u8> {
        let mut span = Span::new(self.trace, SegmentId::from_bytes(u64::from(id).to_be_bytes()));
        span.parent = Some(self.parent);
        span.flags = 0x101;
        span.name = "GET /orders/{id}".into();
        span.kind = Kind::Client;
        span.start_unix_nano = START_UNIX_NANO + u64::from(id);
        span.end_unix_nano = span.start_unix_nano + TOOK_NANOS;
        span.attributes = vec![
            Attribute::new("http.request.method", "GET"),
            Attribute::new(
                "url.full",
                format!("https://orders.example.com/orders/{id}?expand=lines"),
            ),
            Attribute::new("server.address", "orders.example.com"),
            Attribute::new("server.port", 443_i64),
            Attribute::new("http.response.status_code", 200_i64),
            Attribute::new("network.protocol.version", "1.1"),
            Attribute::new("network.peer.address", "192.0.2.17"),
            Attribute::new("network.peer.port", 443_i64),
            Attribute::new("user_agent.original", "orders-client/4.2"),
            Attribute::new("app.customer", "c-000017"),
            Attribute::new("app.retries", 0_i64),
        ];
        let mut bytes = Vec::new();
        encode::span(&span, &mut bytes);
        bytes
    }

    /// Bytes of one span, without what all of them share.
    pub(crate) fn span_bytes(self) -> usize {
        self.span(self.first_id).len()
    }

    /// Sends them to an extension with these addresses. Returns how many a second.
    pub(crate) fn send(self, way: Way, [udp, otlp]: [SocketAddr; 2]) -> Outcome<f64> {
        let requests = self.requests();
        let took = match way {
            Way::Http => post(otlp, &requests)?,
            Way::Datagrams => throw(udp, &requests)?,
        };
        Ok(f64::from(self.spans) / took)
    }
}

fn post(to: SocketAddr, requests: &[Vec<u8>]) -> Outcome<f64> {
    let (agent, url): (ureq::Agent, _) = (
        ureq::Agent::config_builder().proxy(None).build().into(),
        format!("http://{to}/v1/traces"),
    );
    let began = Instant::now();
    for request in requests {
        let call = agent.post(&url).header("content-type", "application/x-protobuf");
        // Read, so that the connection is kept.
        call.send(request)?.body_mut().read_to_vec()?;
    }
    Ok(began.elapsed().as_secs_f64())
}

fn throw(to: SocketAddr, requests: &[Vec<u8>]) -> Outcome<f64> {
    let datagrams: Vec<Vec<u8>> = requests
        .iter()
        .map(|request| [DAEMON_HEADER, datagram::write(request).as_bytes()].concat())
        .collect();
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(to)?;
    let began = Instant::now();
    for datagram in &datagrams {
        socket.send(datagram)?;
    }
    Ok(began.elapsed().as_secs_f64())
}

fn resource() -> Resource<'static> {
    let attributes = vec![
        Attribute::new("service.name", "orders"),
        Attribute::new("telemetry.sdk.language", "python"),
        Attribute::new("telemetry.sdk.name", "opentelemetry"),
        Attribute::new("telemetry.sdk.version", "1.38.0"),
        Attribute::new("cloud.provider", "aws"),
        Attribute::new("cloud.platform", "aws_lambda"),
        Attribute::new("cloud.region", "eu-west-1"),
        Attribute::new("faas.name", "orders"),
        Attribute::new("faas.version", "$LATEST"),
    ];
    Resource {
        attributes,
        ..Resource::default()
    }
}

fn scope() -> Scope<'static> {
    Scope {
        name: "opentelemetry.instrumentation.requests".into(),
        version: "0.59b0".into(),
        ..Scope::default()
    }
}

#[cfg(test)]
mod tests {
    use model::otlp::request;

    use super::*;

    #[test]
    fn every_span_is_in_one_request_and_none_is_like_another() {
        let spans = Spans {
            trace: TraceId::from_bytes([7; 16]),
            parent: SegmentId::from_bytes([9; 8]),
            first_id: 1,
            spans: 120,
            at_once: 50,
        };
        let requests = spans.requests();
        let of = |request: &Vec<u8>| -> Vec<Vec<u8>> {
            request::groups(request)
                .flat_map(|group| group.spans().map(<[u8]>::to_vec).collect::<Vec<_>>())
                .collect()
        };
        let lengths: Vec<usize> = requests.iter().map(|request| of(request).len()).collect();
        assert_eq!(lengths, [50, 50, 20]);
        let mut all: Vec<Vec<u8>> = requests.iter().flat_map(of).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 120);
    }
}
