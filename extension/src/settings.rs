//! What an operator can change, and what the platform says of the sandbox.
//!
//! Nothing outside this module reads the environment. A value that cannot be read costs a warning that
//! names variable, value and wanted form, and its default: never the function.

mod otlp;
mod outbounds;
mod problem;
mod reading;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;

use model::otlp::to_segment::Options;
use model::size::ByteCount;
use model::wire::telemetry::InitKind;

use crate::defect::{self, Defect};
use crate::limits::{self, PROCESS_BASE, PROCESS_BUDGET_MIN, PROCESS_BUDGET_PERCENT, SPOOL_BUDGET_MIN};
use crate::logging::Level;
use crate::outbound::credentials::{CredentialSettings, Secret};
use crate::outbound::endpoint::EndpointSettings;
use crate::pipeline::flush::Mode;
use crate::pipeline::identity::{PlatformSegments, Rescue};
use crate::pipeline::metrics::MetricsFormat;
use crate::pipeline::sampling::SampleRate;
use outbounds::Own;
use reading::{Loopback, LoopbackOrOff, Reader, Switch, set};

pub use otlp::OtlpDestination;
pub use outbounds::Outbound;
pub use problem::Problem;

/// Where variables come from: the process, or a map in tests.
pub trait Vars {
    /// The value of a variable, if it is set and readable text.
    fn value(&self, name: &str) -> Option<String>;
    /// The names of all variables.
    fn names(&self) -> Vec<String>;
}

/// The environment of this process.
#[derive(Debug, Clone, Copy)]
pub struct ProcessVars;

impl Vars for ProcessVars {
    fn value(&self, name: &str) -> Option<String> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the environment"
        )]
        let value = std::env::var(name);
        value.ok()
    }

    fn names(&self) -> Vec<String> {
        std::env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .collect()
    }
}

/// Everything that is read from the environment.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where datagrams of the X-Ray daemon's protocol are received, and `POST /TraceSegments` over TCP.
    ///
    /// Default 127.0.0.1:2000, where every SDK looks. Change it when something else holds that port,
    /// together with the function's `AWS_XRAY_DAEMON_ADDRESS`. `FLUOROSCOPE_UDP_ADDRESS`, host:port.
    pub udp_address: SocketAddr,
    /// Where documents go, each to all of these: never empty, nothing twice.
    ///
    /// `FLUOROSCOPE_OUTBOUND`, names with commas between, default `xray`. Two outbounds halve what each may keep in
    /// files. `daemon` sends to 169.254.79.129:2000, where Lambda's is, or to `FLUOROSCOPE_DAEMON_ADDRESS`; `otlp` to
    /// `FLUOROSCOPE_OTLP_ENDPOINT` with `FLUOROSCOPE_OTLP_HEADERS`.
    pub outbounds: Vec<Outbound>,
    /// How spans are said in X-Ray's words. `FLUOROSCOPE_INDEXED_ATTRIBUTES`: names of attributes that become annotations,
    /// with commas between, or `*`.
    pub translation: Options,
    /// Where OpenTelemetry's protocol is received over HTTP; none if it is not.
    ///
    /// Default 127.0.0.1:4318, where every SDK sends. Change it when something else holds that port, together with the
    /// function's `OTEL_EXPORTER_OTLP_ENDPOINT`. `FLUOROSCOPE_OTLP_ADDRESS`, host:port on loopback, or `off`.
    pub otlp_address: Option<SocketAddr>,
    /// Whether the platform's segments are made here. `FLUOROSCOPE_PLATFORM_SEGMENTS`, default `auto`.
    pub platform_segments: PlatformSegments,
    /// Which invocations that head sampling left out are told all the same. `FLUOROSCOPE_RESCUE`, default
    /// `faults`.
    pub rescue: Rescue,
    /// Bytes of documents held until memory is read for the first time: the process's budget less its base.
    pub spool_budget: ByteCount,
    /// The most that this process may have resident.
    ///
    /// The larger of 16 MiB and 3 % of the function's memory, as for Lambda's own
    /// daemon. It is taken from the function's memory. `FLUOROSCOPE_MEMORY_BUDGET`, a size such as `24MiB`.
    pub process_budget: ByteCount,
    /// When documents leave: at the end of an invocation, or while the next handler runs.
    ///
    /// Default `adaptive`: at the end while invocations are rare, else alongside. `end` costs each invocation the
    /// time of a call after its response; `continuous` and `periodic:20s` cost nothing and deliver later.
    /// `FLUOROSCOPE_FLUSH`.
    pub flush: Mode,
    /// Bytes of documents on disk when memory has no room for them; 0 keeps them off it.
    ///
    /// Default 32 MiB of the function's /tmp. `FLUOROSCOPE_SPILL_LIMIT`, a size such as `64MiB`.
    pub spill_limit: ByteCount,
    /// Where temporary files go: `TMPDIR`, else /tmp.
    pub temporary: PathBuf,
    /// The least level that is logged. `FLUOROSCOPE_LOG_LEVEL`, default `warn`.
    pub log_level: Level,
    /// Whether and how metrics are written. `FLUOROSCOPE_METRICS`, default `off`.
    pub metrics: MetricsFormat,
    /// What Lambda says of the sandbox.
    pub sandbox: Sandbox,
    /// Where X-Ray is.
    pub endpoint: EndpointSettings,
    /// Certificates of authorities that are trusted beside those compiled in: `AWS_CA_BUNDLE`, a PEM file.
    pub authorities: Option<PathBuf>,
    /// Who we are to X-Ray.
    pub credentials: CredentialSettings,
    /// The Runtime API proxy, off by default. `FLUOROSCOPE_PROXY`, 1 or 0.
    pub proxy: Option<ProxySettings>,
    /// Defects to play, in debug builds only.
    pub defect: Option<Defect>,
}

/// What the Runtime API proxy does.
#[derive(Debug, Clone, Copy)]
pub struct ProxySettings {
    /// Where the runtime is taken in.
    ///
    /// Default 127.0.0.1:9009. Change it when something else holds that port. `FLUOROSCOPE_PROXY_ADDRESS`, host:port.
    pub address: SocketAddr,
    /// The share of traces to record that nobody has decided about; none leaves them alone.
    ///
    /// `FLUOROSCOPE_SAMPLE_RATE`, 0 to 1.
    pub sample_rate: Option<SampleRate>,
}

/// What Lambda says of the sandbox.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// host:port, seen with a path behind it.
    pub runtime_api: Option<String>,
    /// The function's name.
    pub function_name: String,
    /// The function's memory in MB.
    pub memory_mb: Option<u64>,
    /// Managed instances want another registration.
    pub init_kind: InitKind,
    /// Rarely given to extensions; else `/aws/lambda/<function>`.
    pub log_group: String,
    /// The function's version.
    pub version: Option<String>,
    /// How the function's own spans call the service: `OTEL_SERVICE_NAME`.
    pub service: Option<String>,
}

const UDP_ADDRESS: &str = "FLUOROSCOPE_UDP_ADDRESS";
const OUTBOUND: &str = "FLUOROSCOPE_OUTBOUND";
const DAEMON_ADDRESS: &str = "FLUOROSCOPE_DAEMON_ADDRESS";
const OTLP_ADDRESS: &str = "FLUOROSCOPE_OTLP_ADDRESS";
const OTLP_ENDPOINT: &str = "FLUOROSCOPE_OTLP_ENDPOINT";
const OTLP_HEADERS: &str = "FLUOROSCOPE_OTLP_HEADERS";
const OTLP_COMPRESSION: &str = "FLUOROSCOPE_OTLP_COMPRESSION";
const INDEXED_ATTRIBUTES: &str = "FLUOROSCOPE_INDEXED_ATTRIBUTES";
const PLATFORM_SEGMENTS: &str = "FLUOROSCOPE_PLATFORM_SEGMENTS";
const RESCUE: &str = "FLUOROSCOPE_RESCUE";
const MEMORY_BUDGET: &str = "FLUOROSCOPE_MEMORY_BUDGET";
const FLUSH: &str = "FLUOROSCOPE_FLUSH";
const METRICS: &str = "FLUOROSCOPE_METRICS";
const SPILL_LIMIT: &str = "FLUOROSCOPE_SPILL_LIMIT";
const LOG_LEVEL: &str = "FLUOROSCOPE_LOG_LEVEL";
const PROXY: &str = "FLUOROSCOPE_PROXY";
const PROXY_ADDRESS: &str = "FLUOROSCOPE_PROXY_ADDRESS";
const SAMPLE_RATE: &str = "FLUOROSCOPE_SAMPLE_RATE";
const KNOWN: [&str; 18] = [
    UDP_ADDRESS,
    OUTBOUND,
    DAEMON_ADDRESS,
    OTLP_ADDRESS,
    OTLP_ENDPOINT,
    OTLP_HEADERS,
    OTLP_COMPRESSION,
    INDEXED_ATTRIBUTES,
    PLATFORM_SEGMENTS,
    RESCUE,
    MEMORY_BUDGET,
    SPILL_LIMIT,
    FLUSH,
    METRICS,
    LOG_LEVEL,
    PROXY,
    PROXY_ADDRESS,
    SAMPLE_RATE,
];
const UDP_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 2000);
const OTLP_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4318);
const PROXY_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9009);

impl Settings {
    /// Reads every setting. What cannot be used as given is reported and defaulted.
    pub fn read(vars: &impl Vars) -> (Self, Vec<Problem>) {
        let mut read = Reader {
            vars,
            problems: Vec::new(),
        };
        let memory_mb = vars
            .value("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
            .and_then(|text| text.parse().ok());
        let budget = read
            .parsed(MEMORY_BUDGET, "a size such as 24MiB")
            .unwrap_or_else(|| process_budget(memory_mb));
        let udp_address = read
            .parsed(
                UDP_ADDRESS,
                "host:port with a numeric host, such as 127.0.0.1:2000",
            )
            .unwrap_or(UDP_DEFAULT);
        let otlp_address = read
            .parsed(
                OTLP_ADDRESS,
                "host:port with a numeric loopback host, such as 127.0.0.1:4318, or off",
            )
            .map_or(Some(OTLP_DEFAULT), |LoopbackOrOff(address)| address);
        let own = Own {
            udp: udp_address,
            otlp: otlp_address,
        };
        let settings = Self {
            udp_address,
            outbounds: outbounds::read(&mut read, &own),
            translation: outbounds::translation(vars),
            otlp_address,
            platform_segments: read
                .parsed(PLATFORM_SEGMENTS, "auto, always or never")
                .unwrap_or(PlatformSegments::Auto),
            rescue: read
                .parsed(RESCUE, "faults, cold-starts, all or none")
                .unwrap_or(Rescue::Faults),
            spool_budget: budget.minus(PROCESS_BASE).max(SPOOL_BUDGET_MIN),
            spill_limit: read
                .parsed(SPILL_LIMIT, "a size such as 64MiB, or 0")
                .unwrap_or(limits::SPILL_LIMIT),
            temporary: set(vars, "TMPDIR").unwrap_or_else(|| "/tmp".into()).into(),
            process_budget: budget,
            flush: read
                .parsed(FLUSH, "adaptive, end, continuous or periodic:20s (1ms to 15m)")
                .unwrap_or_default(),
            log_level: read
                .parsed(LOG_LEVEL, "error, warn, info or debug")
                .unwrap_or(Level::Warn),
            metrics: read.parsed(METRICS, "off or emf").unwrap_or(MetricsFormat::Off),
            sandbox: sandbox(vars, memory_mb),
            endpoint: endpoint(vars),
            authorities: set(vars, "AWS_CA_BUNDLE").map(PathBuf::from),
            credentials: credentials(vars),
            proxy: proxy(&mut read),
            defect: vars.value(defect::VARIABLE).and_then(|name| Defect::parse(&name)),
        };
        read.unknown_names(&KNOWN);
        (settings, read.problems)
    }
}

/// The rule of Lambda's own daemon.
fn process_budget(memory_mb: Option<u64>) -> ByteCount {
    let share = ByteCount::mib(memory_mb.unwrap_or(0)).get() / 100 * PROCESS_BUDGET_PERCENT;
    ByteCount::bytes(share).max(PROCESS_BUDGET_MIN)
}

fn sandbox(vars: &impl Vars, memory_mb: Option<u64>) -> Sandbox {
    let function_name = set(vars, "AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "function".into());
    let log_group = set(vars, "AWS_LAMBDA_LOG_GROUP_NAME");
    let init_kind = set(vars, "AWS_LAMBDA_INITIALIZATION_TYPE");
    Sandbox {
        runtime_api: set(vars, "AWS_LAMBDA_RUNTIME_API"),
        log_group: log_group.unwrap_or_else(|| format!("/aws/lambda/{function_name}")),
        function_name,
        memory_mb,
        version: set(vars, "AWS_LAMBDA_FUNCTION_VERSION"),
        service: set(vars, "OTEL_SERVICE_NAME"),
        init_kind: init_kind.map_or(InitKind::Unknown, |kind| InitKind::parse(&kind)),
    }
}

fn endpoint(vars: &impl Vars) -> EndpointSettings {
    let is_true = |name| {
        vars.value(name)
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    };
    EndpointSettings {
        xray_url: set(vars, "AWS_ENDPOINT_URL_XRAY"),
        any_url: set(vars, "AWS_ENDPOINT_URL"),
        ignore_urls: is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"),
        region: set(vars, "AWS_REGION").or_else(|| set(vars, "AWS_DEFAULT_REGION")),
        use_fips: is_true("AWS_USE_FIPS_ENDPOINT"),
        use_dualstack: is_true("AWS_USE_DUALSTACK_ENDPOINT"),
    }
}

fn credentials(vars: &impl Vars) -> CredentialSettings {
    CredentialSettings {
        access_key_id: set(vars, "AWS_ACCESS_KEY_ID"),
        secret_access_key: set(vars, "AWS_SECRET_ACCESS_KEY").map(Secret::new),
        session_token: set(vars, "AWS_SESSION_TOKEN").map(Secret::new),
        container_uri: set(vars, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        container_token: set(vars, "AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Secret::new),
        container_token_file: set(vars, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(Into::into),
    }
}

fn proxy(read: &mut Reader<'_, impl Vars>) -> Option<ProxySettings> {
    let is_on = read.parsed(PROXY, "1 or 0").is_some_and(|Switch(is_on)| is_on);
    let address = read.parsed(
        PROXY_ADDRESS,
        "host:port with a numeric loopback host, such as 127.0.0.1:9009",
    );
    let rate: Option<SampleRate> = read.parsed(SAMPLE_RATE, "a number from 0 to 1");
    if rate.is_some() && !is_on {
        read.problems.push(Problem::Idle {
            name: SAMPLE_RATE,
            without: "FLUOROSCOPE_PROXY=1",
        });
    }
    is_on.then(|| ProxySettings {
        address: address.map_or(PROXY_DEFAULT, |Loopback(address)| address),
        sample_rate: rate.filter(|rate| !rate.is_never()),
    })
}
